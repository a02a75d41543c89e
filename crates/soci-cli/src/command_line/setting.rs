//! An option that can be set by an environment variable.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Id};

use crate::args::{parse_flag, parse_verbosity};
use crate::usage::UsageError;

/// An option with its variable.
pub(super) struct Setting {
    /// The option's identifier in clap.
    pub(super) id: Id,
    /// The option without its hyphens, such as `log-format`.
    pub(super) option: String,
    /// The variable, such as `SOCI_LOG_FORMAT`.
    pub(super) variable: String,
    /// The options that cannot be used with this one.
    pub(super) conflicts: Vec<Id>,
    kind: Kind,
}

/// The error for a variable of one value that has more than one line.
#[derive(Debug, thiserror::Error)]
#[error("expected one line")]
struct LineEndError;

/// How the value of a variable becomes arguments.
#[derive(Clone, Copy)]
enum Kind {
    /// A flag, whose variable is a boolean.
    Flag,
    /// A flag that can be repeated, whose variable is a number or a boolean.
    Count,
    /// Values that are separated by this character, or by a line end.
    List(char),
    /// One value.
    Value,
}

impl Setting {
    /// Returns all options of a command that have a variable.
    pub(super) fn list(command: &Command) -> Vec<Self> {
        let setting = |argument: &Arg| {
            Some(Self {
                id: argument.get_id().clone(),
                option: argument.get_long()?.to_owned(),
                variable: argument.get_env()?.to_str()?.to_owned(),
                conflicts: list_conflicts(command, argument),
                kind: Kind::of(argument),
            })
        };
        command.get_arguments().filter_map(setting).collect()
    }

    /// Returns whether the command line sets this option, or one that cannot be used with it.
    pub(super) fn is_overridden(&self, given: &ArgMatches) -> bool {
        given.value_source(self.id.as_str()) == Some(ValueSource::CommandLine)
            || self.conflicts.iter().any(|other| is_set(given, other))
    }

    /// Returns the arguments for a value of the variable.
    ///
    /// # Errors
    ///
    /// Returns an error that names the variable if the option does not accept the value.
    pub(super) fn to_arguments(
        &self,
        command: &Command,
        value: &OsStr,
    ) -> Result<Vec<OsString>, UsageError> {
        let option = format!("--{}", self.option);
        let with_value = |value: &OsStr| {
            let mut argument = OsString::from(format!("{option}="));
            argument.push(value);
            argument
        };
        let text = value.to_string_lossy();
        let invalid =
            |error: &dyn std::error::Error| UsageError::of_variable(&self.variable, &text, error);
        let arguments = match self.kind {
            Kind::Flag => match parse_flag(&text) {
                Ok(true) => vec![option],
                Ok(false) => Vec::new(),
                Err(error) => return Err(invalid(&error)),
            }
            .into_iter()
            .map(OsString::from)
            .collect(),
            Kind::Count => {
                let count = parse_verbosity(&text).map_err(|error| invalid(&error))?;
                vec![OsString::from(option); usize::from(count)]
            }
            Kind::List(separator) => split(value, separator).map(with_value).collect(),
            Kind::Value if has_line_end(trim(value)) => return Err(invalid(&LineEndError)),
            Kind::Value => vec![with_value(trim(value))],
        };
        let alone = [OsString::from(command.get_name())].into_iter();
        match command
            .clone()
            .try_get_matches_from(alone.chain(arguments.iter().cloned()))
        {
            Ok(_) => Ok(arguments),
            Err(error) => Err(UsageError::from(&error).in_variable(&self.variable)),
        }
    }
}

impl Kind {
    fn of(argument: &Arg) -> Self {
        match (argument.get_action(), argument.get_value_delimiter()) {
            (ArgAction::SetTrue, _) => Self::Flag,
            (ArgAction::Count, _) => Self::Count,
            (_, Some(separator)) => Self::List(separator),
            // Such an option separates values by itself.
            (ArgAction::Append, None) => Self::List('\n'),
            _ => Self::Value,
        }
    }
}

/// Returns whether an option was given, other than as a flag that is false.
pub(super) fn is_set(matches: &ArgMatches, id: &Id) -> bool {
    matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
        && !matches!(matches.try_get_one::<bool>(id.as_str()), Ok(Some(false)))
}

/// Returns the arguments that cannot be used with `argument`, whichever of the two says so.
fn list_conflicts(command: &Command, argument: &Arg) -> Vec<Id> {
    let conflicts = |of: &Arg| -> Vec<Id> {
        let conflicts = command.get_arg_conflicts_with(of).into_iter();
        conflicts.map(|other| other.get_id().clone()).collect()
    };
    let mut all = conflicts(argument);
    for other in command.get_arguments() {
        if conflicts(other).contains(argument.get_id()) {
            all.push(other.get_id().clone());
        }
    }
    all
}

/// Returns the values of a list, without the white space around them. Empty values are left out.
fn split(list: &OsStr, separator: char) -> impl Iterator<Item = &OsStr> {
    let is_separator =
        move |byte: &u8| matches!(byte, b'\n' | b'\r') || char::from(*byte) == separator;
    let values = list.as_bytes().split(is_separator);
    let values = values.map(|value| trim(OsStr::from_bytes(value)));
    values.filter(|value| !value.is_empty())
}

/// Returns whether a value has more than one line.
fn has_line_end(value: &OsStr) -> bool {
    value
        .as_bytes()
        .iter()
        .any(|byte| matches!(byte, b'\n' | b'\r'))
}

/// Returns the value without the white space around it, such as the line end of a YAML block.
fn trim(value: &OsStr) -> &OsStr {
    OsStr::from_bytes(value.as_bytes().trim_ascii())
}
