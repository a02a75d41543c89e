"""Creates a stack of CloudFormation in moto, and prints what it consists of as JSON.

usage: stack.py URL TEMPLATE NAME=VALUE…      parameters of the stack
"""

import ast
import json
import sys

import boto3
import yaml
from moto.cloudformation.utils import yaml_tag_constructor

url, template, *parameters = sys.argv[1:]


def client(service):
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def parse_policy(document):
    """moto stores the policy of a stack as the text of a Python object."""
    return ast.literal_eval(document) if isinstance(document, str) else document


cloudformation = client("cloudformation")
with open(template) as file:
    text = file.read()
cloudformation.create_stack(
    StackName="soci",
    TemplateBody=text,
    Parameters=[
        {"ParameterKey": name, "ParameterValue": value}
        for name, value in (parameter.split("=", 1) for parameter in parameters)
    ],
    Capabilities=["CAPABILITY_IAM"],
)
stack = cloudformation.describe_stacks(StackName="soci")["Stacks"][0]

iam = client("iam")
(role,) = iam.list_roles()["Roles"]
role = iam.get_role(RoleName=role["RoleName"])["Role"]
(policy,) = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
policy = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)

functions = client("lambda")
(function,) = functions.list_functions()["Functions"]
(mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]

sqs = client("sqs")
queues = {
    address: sqs.get_queue_attributes(QueueUrl=address, AttributeNames=["All"])["Attributes"]
    for address in sqs.list_queues()["QueueUrls"]
}

events = client("events")
(rule,) = events.list_rules()["Rules"]
logs = client("logs")
yaml.add_multi_constructor("", yaml_tag_constructor, yaml.SafeLoader)

json.dump(
    {
        "status": stack["StackStatus"],
        "outputs": {entry["OutputKey"]: entry["OutputValue"] for entry in stack["Outputs"]},
        "policy": parse_policy(policy["PolicyDocument"]),
        "boundary": role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
        "function": function,
        "mapping": mapping,
        "queues": queues,
        "pattern": json.loads(rule["EventPattern"]),
        "targets": events.list_targets_by_rule(Rule=rule["Name"])["Targets"],
        "logGroups": logs.describe_log_groups()["logGroups"],
        # moto creates neither alarms nor metric filters nor the policy of a queue.
        "template": yaml.safe_load(text)["Resources"],
    },
    sys.stdout,
    default=str,
)
