"""Prints what a file of deploy/ holds, as JSON.

A YAML file gives the list of its documents. A Jenkinsfile gives the list of the scripts that its steps `sh` run.
"""

import json
import sys

import yaml
from groovy_parser.parser import parse_and_digest_groovy_content


def leaves(node):
    """Yields the tokens below a node of the syntax tree, in their order."""
    if "leaf" in node:
        yield node["leaf"], node["value"]
    for child in node.get("children", []):
        yield from leaves(child)


def scripts(text):
    """Returns the strings that follow `sh`."""
    tokens = list(leaves(parse_and_digest_groovy_content(text)))
    pairs = zip(tokens, tokens[1:])
    return [after[1] for before, after in pairs if before == ("IDENTIFIER", "sh") and after[0] == "STRING_LITERAL"]


def main():
    path = sys.argv[1]
    with open(path, encoding="utf-8") as file:
        parsed = scripts(file.read()) if path.endswith("Jenkinsfile") else list(yaml.safe_load_all(file))
    json.dump(parsed, sys.stdout)


main()
