//! The command line of a tool, and the environment variables that stand for its options.
//!
//! The options declare their variables with clap, and [`parse`] reads them, so that the same rules
//! hold for every option of every tool. An empty variable counts as not set. An option on the
//! command line wins over its own variable, and over the variables of options that cannot be used
//! with it.

mod setting;

use std::env;
use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::{Arg, ArgAction, ArgMatches, Command, Id, Parser};

use self::setting::{Setting, is_set};
use crate::args::parse_flag;
use crate::usage::UsageError;

/// Why a tool does not start.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The user asked for the help text or the version, which this holds.
    Shown(clap::Error),
    /// The command line or a variable is malformed.
    Usage(UsageError),
}

/// Parses `arguments` and the variables of this process for `command`, which is that of the tool
/// `T`.
///
/// # Errors
///
/// Returns an error if they are malformed, or ask for the help text.
pub(crate) fn parse<T: Parser>(command: Command, arguments: &[OsString]) -> Result<T, Stopped> {
    parse_from(command, arguments, |name| env::var_os(name))
}

/// Parses `arguments`, and the variables that `environment` returns by their names.
fn parse_from<T: Parser>(
    command: Command,
    arguments: &[OsString],
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<T, Stopped> {
    let settings = Setting::list(&command);
    let command = command.mut_args(strip_variable);
    // What is required may be set by a variable.
    let lenient = without_requirements(command.clone());
    let given = match_arguments(&lenient, arguments)?;
    let (program, rest) = arguments.split_first().map_or(
        (OsString::from(command.get_name()), arguments),
        |(program, rest)| (program.clone(), rest),
    );
    let mut complete = vec![program];
    for setting in &settings {
        if setting.is_overridden(&given) {
            continue;
        }
        let value = environment(&setting.variable).filter(|value| !is_blank(value));
        if let Some(value) = value {
            complete.extend(setting.to_arguments(&lenient, &value)?);
        }
    }
    complete.extend_from_slice(rest);
    let matches = match_arguments(&command, &complete)?;
    refuse_conflicts(&settings, &given, &matches)?;
    T::from_arg_matches(&matches).map_err(Stopped::from)
}

/// Returns the command without required arguments and groups.
fn without_requirements(command: Command) -> Command {
    let groups: Vec<Id> = command
        .get_groups()
        .map(|group| group.get_id().clone())
        .collect();
    let command = command.mut_args(|argument| argument.required(false));
    groups.into_iter().fold(command, |command, group| {
        command.mut_group(group, |group| group.required(false))
    })
}

/// Removes the variable and the conflicts from an argument, as [`parse_from`] handles both. Lets
/// a flag take a value, such as `--dry-run=false`, and ignores the case of values such as `json`.
fn strip_variable(argument: Arg) -> Arg {
    let argument = argument
        .env(None::<&'static str>)
        .conflicts_with(Resettable::<Id>::Reset);
    match argument.get_action() {
        ArgAction::SetTrue => {}
        ArgAction::Set | ArgAction::Append => {
            // A negative number is a wrong value, and not an unknown option.
            return argument.ignore_case(true).allow_negative_numbers(true);
        }
        _ => return argument,
    }
    argument
        .action(ArgAction::Set)
        .value_parser(parse_flag)
        .value_name("BOOL")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .default_value("false")
}

fn match_arguments(command: &Command, arguments: &[OsString]) -> Result<ArgMatches, Stopped> {
    let matches = command.clone().try_get_matches_from(arguments);
    matches.map_err(Stopped::from)
}

/// Returns an error if two options are set that cannot be used together.
fn refuse_conflicts(
    settings: &[Setting],
    given: &ArgMatches,
    matches: &ArgMatches,
) -> Result<(), UsageError> {
    let set = || {
        settings
            .iter()
            .filter(|setting| is_set(matches, &setting.id))
    };
    let name = |setting: &Setting| {
        if is_set(given, &setting.id) {
            format!("--{}", setting.option)
        } else {
            setting.variable.clone()
        }
    };
    for setting in set() {
        if let Some(other) = set().find(|other| setting.conflicts.contains(&other.id)) {
            let (name, other) = (name(setting), name(other));
            let message = format!("{name} cannot be used with {other}");
            return Err(UsageError::new(message));
        }
    }
    Ok(())
}

/// Returns whether a value is empty or white space.
fn is_blank(value: &OsStr) -> bool {
    value.to_str().is_some_and(|text| text.trim().is_empty())
}

impl From<clap::Error> for Stopped {
    fn from(error: clap::Error) -> Self {
        if error.exit_code() == 0 {
            Self::Shown(error)
        } else {
            Self::Usage(UsageError::from(&error))
        }
    }
}

impl From<UsageError> for Stopped {
    fn from(error: UsageError) -> Self {
        Self::Usage(error)
    }
}

#[cfg(test)]
mod tests;
