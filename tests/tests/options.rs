//! Compares `docs/options.md` and the help texts with the options and variables of the tools.
//!
//! To update the page and the list of known variables, run
//! `UPDATE_OPTIONS=1 cargo test -p soci-e2e --test options`.

use std::{collections::BTreeSet, env, fmt::Write as _, fs, path::Path};

use clap::{Command, CommandFactory};
use soci_cli::{OptionDescription, Tool, Variable, describe_options};
use soci_testkit::{process::Sandbox, workspace};

/// A tool's command line, and the variables that no option sets.
struct Described {
    name: String,
    command: Command,
    options: Vec<OptionDescription>,
    variables: &'static [Variable],
}

/// Returns all tools. A new tool is added here.
fn tools() -> [Described; 7] {
    [
        describe::<soci_pull::Args>(),
        describe::<soci_plan::Args>(),
        describe::<soci_index::Args>(),
        describe::<soci_check::Args>(),
        describe::<soci_push::Args>(),
        describe::<soci_report::Args>(),
        describe::<soci_prune::Args>(),
    ]
}

fn describe<T: Tool + CommandFactory>() -> Described {
    let command = T::command();
    Described {
        name: command.get_name().to_owned(),
        options: describe_options(&command),
        command,
        variables: T::variables(),
    }
}

/// The variables of `soci-run` and of the container, whose entrypoint it is.
const ENTRYPOINT: [Variable; 3] = [
    Variable {
        name: "MIN_LAYER_SIZE",
        help: "Skip layers that are smaller than this many MiB, or than a size such as 10MB",
    },
    Variable {
        name: "IMAGE_ARCH",
        help: "Platforms to index, such as linux/amd64,linux/arm64, or all",
    },
    Variable {
        name: "SOCI_CHECK",
        help: "Check each index with `soci-check` before it is pushed, as `soci-run --check` does: a boolean",
    },
];

/// The text of the page before its table.
const INTRODUCTION: &str = "\
# Options and variables

Each option of a tool can also be set by an environment variable. An option on the command line wins
over its variable, and over the variables of options that cannot be used with it. An empty variable
counts as not set. A variable that begins with `SOCI_` and is not in this table is a warning.

- A *boolean* is `true` or `false`. The spellings `yes` and `no`, `on` and `off`, `y` and `n`, `t` and
  `f`, `1` and `0` are understood as well, in any case. Every flag takes one: `--dry-run=false`.
- A *size* is a number of bytes, or a number with a unit, in any case. `K`, `M`, `G`, `T` and `KiB`,
  `MiB`, `GiB`, `TiB` are powers of 1024: `10M` is 10 MiB, as for `docker run --memory`. `kB`, `MB`,
  `GB`, `TB` are powers of 1000. Fractions such as `1.5MiB` and a space before the unit are allowed.
- A *duration* is a number of seconds, or a number with one of the units `ms`, `s`, `m` and `h`, such
  as `500ms`, `2m` or `1m30s`; more than 0 and at most 24 hours.
- A *platform* is `[os/]architecture[/variant]`, as containerd and Docker parse it: `amd64`, `x86_64`
  and `linux/amd64` are the same. Without an operating system it is one of Linux. `linux` alone is
  Linux on the architecture of this machine.
- An option that may be repeated takes several values in its variable, separated by commas or
  line ends. Any other variable has one line.

This table is made from the tools; see [CONTRIBUTING](../CONTRIBUTING.md).

| option | variable | tools | default | meaning |
|---|---|---|---|---|
";

/// A row of the table.
struct Row {
    /// The option, the variable, the default and the meaning.
    cells: [String; 4],
    tools: Vec<String>,
}

/// Returns the rows of the options in alphabetical order, and then those of the other variables.
fn rows() -> Vec<Row> {
    let (mut options, mut variables) = (Vec::new(), Vec::new());
    for tool in tools() {
        let of_options = tool
            .options
            .iter()
            .filter(|option| option.variable.is_some());
        for option in of_options {
            add(&mut options, option_row(option), &tool.name);
        }
        for variable in tool.variables {
            add(&mut variables, variable_row(variable), &tool.name);
        }
    }
    for variable in &ENTRYPOINT {
        add(
            &mut variables,
            variable_row(variable),
            "soci-run, container",
        );
    }
    // A row keeps its place among those of other tools with the same option.
    options.sort_by_key(|row: &Row| long_name(&row.cells[0]).to_owned());
    options.append(&mut variables);
    options
}

/// Adds a row for a tool, or adds the tool to an equal row.
fn add(rows: &mut Vec<Row>, row: Row, tool: &str) {
    let tool = tool.strip_prefix("soci-").unwrap_or(tool).to_owned();
    match rows.iter_mut().find(|other| other.cells == row.cells) {
        Some(equal) => equal.tools.push(tool),
        None => rows.push(Row {
            tools: vec![tool],
            ..row
        }),
    }
}

fn option_row(option: &OptionDescription) -> Row {
    let mut meaning = option.help.clone();
    if !option.details.is_empty() {
        write!(meaning, ". {}", option.details.replace('\n', " ")).expect("a string");
    }
    for (value, help) in &option.values {
        let help = help.as_deref().unwrap_or_default();
        write!(meaning, "<br>`{value}`: {help}").expect("a string");
    }
    let variable = option.variable.as_deref().unwrap_or_default();
    let default = option.default.clone().unwrap_or_default();
    Row {
        cells: [
            format!("`{}`", option.name),
            format!("`{variable}`"),
            default,
            meaning,
        ],
        tools: Vec::new(),
    }
}

fn variable_row(variable: &Variable) -> Row {
    let names: Vec<String> = variable
        .name
        .split(", ")
        .map(|name| format!("`{name}`"))
        .collect();
    Row {
        cells: [
            String::new(),
            names.join(", "),
            String::new(),
            variable.help.to_owned(),
        ],
        tools: Vec::new(),
    }
}

/// Returns the long name of an option such as `-q, --quiet`, without hyphens.
fn long_name(option: &str) -> &str {
    option.rsplit("--").next().unwrap_or_default()
}

/// Returns the page.
fn page() -> String {
    let count = tools().len();
    let mut page = INTRODUCTION.to_owned();
    for row in rows() {
        let tools = if row.tools.len() == count {
            "all".to_owned()
        } else {
            row.tools.join(", ")
        };
        let [option, variable, default, meaning] = row.cells;
        let cells = [option, variable, tools, default, meaning];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        writeln!(page, "| {} |", cells.join(" | ")).expect("a string");
    }
    page
}

/// Returns the variables with the prefix `SOCI_` of all tools, one a line.
fn soci_variables() -> String {
    let mut names = BTreeSet::new();
    for tool in tools() {
        let of_options = tool
            .options
            .into_iter()
            .filter_map(|option| option.variable);
        let others = tool
            .variables
            .iter()
            .flat_map(|variable| variable.name.split(", "));
        names.extend(of_options.chain(others.map(str::to_owned)));
    }
    names.extend(ENTRYPOINT.map(|variable| variable.name.to_owned()));
    names.retain(|name| name.starts_with("SOCI_"));
    names.into_iter().map(|name| name + "\n").collect()
}

/// Compares a file with what it should contain. Writes it if `UPDATE_OPTIONS` is set.
fn compare(path: &str, content: &str) {
    let file = workspace::root().join(Path::new(path));
    if env::var_os("UPDATE_OPTIONS").is_some() {
        fs::write(&file, content).expect("a writable file");
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        found == content,
        "{path} is stale: UPDATE_OPTIONS=1 cargo test -p soci-e2e --test options"
    );
}

#[test]
fn the_page_lists_every_option_and_variable() {
    compare("docs/options.md", &page());
}

#[test]
fn every_variable_is_known_to_all_tools() {
    compare("crates/soci-cli/src/known_variables.txt", &soci_variables());
}

#[test]
fn every_option_has_a_variable() {
    for tool in tools() {
        let options = tool
            .options
            .iter()
            .filter(|option| option.name.contains("--"));
        for option in options {
            let variable = option.variable.as_deref().unwrap_or_default();
            assert!(
                variable.starts_with("SOCI_"),
                "{}: {}",
                tool.name,
                option.name
            );
        }
    }
}

#[test]
fn the_short_help_fits_a_screen_and_the_long_one_has_everything() {
    let sandbox = Sandbox::new();
    for tool in tools() {
        let help = |option| sandbox.tool(&tool.name).arg(option).run().succeeds();
        let (short, long) = (help("-h"), help("--help"));
        for (help, lines, columns) in [(&short, 24, 80), (&long, usize::MAX, 100)] {
            let text = help.text();
            assert!(text.lines().count() <= lines, "{text}");
            let fits = |line: &str| line.chars().count() <= columns;
            assert!(text.lines().all(fits), "{text}");
            assert!(text.contains("Examples:"), "{text}");
        }
        let text = long.text();
        for option in &tool.options {
            assert!(text.contains(&option.name), "{}: {text}", option.name);
            let variable = option.variable.as_deref().unwrap_or_default();
            assert!(text.contains(variable), "{variable}: {text}");
        }
        for variable in tool.variables {
            assert!(text.contains(variable.name), "{}: {text}", variable.name);
        }
    }
}

/// Splits an example into the words of its commands, as a shell would.
fn split_commands(example: &str) -> Vec<Vec<String>> {
    let (mut commands, mut word, mut quoted) = (vec![Vec::new()], None::<String>, false);
    for character in example.chars().chain([' ']) {
        match character {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '|' | '\n' | '\\' if !quoted => {
                commands.last_mut().expect("a command").extend(word.take());
                if character == '|' {
                    commands.push(Vec::new());
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    commands
}

/// The tools accept the options of the examples in their help texts.
#[test]
fn the_examples_are_accepted() {
    let tools = tools();
    let mut checked = 0;
    for tool in &tools {
        let examples = [
            tool.command.get_after_help(),
            tool.command.get_after_long_help(),
        ];
        for examples in examples.into_iter().flatten() {
            let examples = examples.to_string().replace("\\\n", " ");
            for mut words in examples.lines().flat_map(split_commands) {
                if let Some(end) = words
                    .iter()
                    .position(|word| matches!(word.as_str(), "<" | ">" | ">>"))
                {
                    words.truncate(end);
                }
                let named = words.first().map(String::as_str);
                let Some(called) = tools
                    .iter()
                    .find(|other| Some(other.name.as_str()) == named)
                else {
                    continue;
                };
                let parsed = called.command.clone().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{}: {words:?}: {parsed:?}", tool.name);
                checked += 1;
            }
        }
    }
    assert!(checked >= 20, "{checked} commands");
}
