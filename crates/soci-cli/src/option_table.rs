//! What a tool's options and variables are, for its help text and for the documentation.

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command};

/// An option of a tool, or one of its positional arguments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OptionDescription {
    /// The option with its value, such as `-q, --quiet` or `--store <DIR>`.
    pub name: String,
    /// The variable that stands for it, if there is one.
    pub variable: Option<String>,
    /// The default value, or what happens without the option.
    pub default: Option<String>,
    /// The values that it accepts, each with its meaning. Empty if it accepts more than a few.
    pub values: Vec<(String, Option<String>)>,
    /// What the option does, in one sentence.
    pub help: String,
    /// What else there is to know about it. Empty if there is nothing.
    pub details: String,
    /// The heading of its group in the help text.
    pub heading: String,
    /// Whether it is one of the main options, which `-h` shows.
    pub is_main: bool,
}

/// An environment variable that a tool reads and that no option sets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Variable {
    /// The variable, or several of the same meaning, separated by a comma and a space.
    pub name: &'static str,
    /// What it means.
    pub help: &'static str,
}

/// The heading of the options that have no other.
const HEADING: &str = "Options";

/// Returns the options and positional arguments of a command, in the order of the help text.
/// `--help` and `--version` are not among them.
pub fn describe_options(command: &Command) -> Vec<OptionDescription> {
    // clap computes the form of an argument when it builds the command.
    let mut built = command.clone();
    built.build();
    let arguments = built.get_arguments();
    let own =
        arguments.filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()));
    own.map(describe).collect()
}

fn describe(argument: &Arg) -> OptionDescription {
    let text = |text: Option<&StyledStr>| text.map(ToString::to_string).unwrap_or_default();
    let long_help = text(argument.get_long_help());
    let details = long_help.split_once("\n\n").map(|(_, details)| details);
    let (help, described_default) = split_default(&text(argument.get_help()));
    let is_flag = matches!(argument.get_action(), ArgAction::SetTrue | ArgAction::Count);
    let defaults = argument.get_default_values().iter();
    let defaults: Vec<_> = defaults.map(|value| value.to_string_lossy()).collect();
    let default = (!is_flag && !defaults.is_empty()).then(|| defaults.join(","));
    let values = if is_flag {
        Vec::new()
    } else {
        let values = argument.get_possible_values().into_iter();
        let help = |value: &clap::builder::PossibleValue| value.get_help().map(ToString::to_string);
        values
            .map(|value| (value.get_name().to_owned(), help(&value)))
            .collect()
    };
    let short = argument.get_short().map(|short| format!("-{short}, "));
    OptionDescription {
        name: short.unwrap_or_default() + &argument.to_string(),
        variable: argument
            .get_env()
            .map(|name| name.to_string_lossy().into_owned()),
        default: default.or(described_default),
        values,
        help,
        details: details.unwrap_or_default().to_owned(),
        heading: match argument.get_help_heading() {
            Some(heading) => heading.to_owned(),
            None if argument.is_positional() => "Arguments".to_owned(),
            None => HEADING.to_owned(),
        },
        is_main: !argument.is_hide_short_help_set(),
    }
}

/// Splits a help text that ends with `[default: …]` into the text before and the default.
fn split_default(help: &str) -> (String, Option<String>) {
    let default = help
        .strip_suffix(']')
        .and_then(|text| text.rsplit_once(" [default: "));
    match default {
        Some((help, default)) => (help.to_owned(), Some(default.to_owned())),
        None => (help.to_owned(), None),
    }
}
