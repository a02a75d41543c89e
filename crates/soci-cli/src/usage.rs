//! Errors in the command line, and in the variables that stand for its options.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, ValueEnum as _};
use soci_document::Exit;

use crate::LogFormat;
use crate::log::Fields;

/// The longest value that an error repeats, in characters.
const LONGEST_VALUE: usize = 100;

/// An error in the command line or in a variable, in the words of all other errors.
#[derive(Debug)]
pub(crate) struct UsageError {
    /// What is wrong, after the name of the option or variable.
    message: String,
    /// The variable whose value is wrong.
    variable: Option<String>,
    /// The option whose value is wrong, if it was given on the command line.
    option: Option<String>,
    hint: String,
}

impl UsageError {
    /// Describes an error of the parser for the command line `arguments` of `command`.
    pub(crate) fn new(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Self {
        let parsed = CommandLine { command, arguments };
        let name = command.get_name();
        let help = format!("see {name} --help");
        let subject = text(error, ContextKind::InvalidArg)
            .filter(|_| is_about_value(error.kind()))
            .map(|argument| parsed.subject(&argument));
        let problem = describe(error, &parsed);
        let message = match &subject {
            Some(Subject::Option(name) | Subject::Variable(name)) => format!("{name}: {problem}"),
            None => problem,
        };
        let (option, variable) = match subject {
            Some(Subject::Option(name)) => (Some(name), None),
            Some(Subject::Variable(name)) => (None, Some(name)),
            None => (None, None),
        };
        let similar = text(error, ContextKind::SuggestedArg)
            .or_else(|| text(error, ContextKind::SuggestedValue));
        let hint = match similar {
            Some(similar) => format!("did you mean `{similar}`? {help}"),
            None => help,
        };
        Self {
            message,
            variable,
            option,
            hint,
        }
    }

    /// Returns the fields of the message.
    pub(crate) fn into_fields(self) -> Fields {
        Fields::new(self.message)
            .with("exit", Some(Exit::Usage.code()))
            .with("variable", self.variable)
            .with("option", self.option)
            .with("hint", Some(self.hint))
    }
}

/// Returns the format of messages that the command line or the environment asks for, although the
/// command line as a whole cannot be parsed.
pub(crate) fn requested_format(arguments: &[OsString]) -> LogFormat {
    const OPTION: &str = "--log-format";
    let mut requested = None;
    let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy());
    while let Some(argument) = arguments.next() {
        match argument.strip_prefix(OPTION) {
            Some("") => requested = arguments.next().map(std::borrow::Cow::into_owned),
            Some(rest) => requested = rest.strip_prefix('=').map(str::to_owned).or(requested),
            None if argument == "--" => break,
            None => {}
        }
    }
    let variable = || {
        let value = std::env::var_os("SOCI_LOG_FORMAT")?;
        Some(value.to_string_lossy().into_owned())
    };
    requested
        .or_else(variable)
        .and_then(|format| LogFormat::from_str(&format, false).ok())
        .unwrap_or(LogFormat::Text)
}

/// What a wrong value was given for.
enum Subject {
    Option(String),
    Variable(String),
}

/// The command line as it was written.
struct CommandLine<'a> {
    command: &'a Command,
    arguments: &'a [OsString],
}

impl CommandLine<'_> {
    /// Returns the option that the parser calls `argument`, such as `--to <REF>`, or the variable
    /// that its value comes from.
    fn subject(&self, argument: &str) -> Subject {
        let found = self.command.get_arguments();
        let found = found
            .into_iter()
            .find(|found| found.to_string() == argument);
        let variable = found
            .filter(|found| !self.is_given(found))
            .and_then(|found| found.get_env())
            .filter(|variable| std::env::var_os(variable).is_some());
        match variable {
            Some(variable) => Subject::Variable(variable.to_string_lossy().into_owned()),
            None => Subject::Option(option_name(argument)),
        }
    }

    /// Returns the name of the option or variable that the parser calls `argument`.
    fn name(&self, argument: &str) -> String {
        match self.subject(argument) {
            Subject::Option(name) | Subject::Variable(name) => name,
        }
    }

    /// Returns whether an option is on the command line, and not only in the environment.
    fn is_given(&self, option: &Arg) -> bool {
        let options = self
            .arguments
            .iter()
            .map(|argument| argument.to_string_lossy());
        let mut options = options.take_while(|argument| argument != "--");
        options.any(|argument| match argument.strip_prefix("--") {
            Some(long) => {
                let name = long.split_once('=').map_or(long, |(name, _)| name);
                option.get_long() == Some(name)
            }
            None => option
                .get_short()
                .is_some_and(|short| argument.starts_with('-') && argument.contains(short)),
        })
    }
}

/// Returns the name of an option without the name of its value: `--to` for `--to <REF>`.
fn option_name(argument: &str) -> String {
    let name = argument.split(' ').next().unwrap_or(argument);
    name.trim_end_matches("...").to_owned()
}

/// Returns whether an error is about the value of one option.
const fn is_about_value(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::InvalidValue
            | ErrorKind::ValueValidation
            | ErrorKind::NoEquals
            | ErrorKind::TooManyValues
            | ErrorKind::TooFewValues
            | ErrorKind::WrongNumberOfValues
    )
}

/// Describes an error, without the name of the option or variable whose value is wrong.
fn describe(error: &clap::Error, parsed: &CommandLine<'_>) -> String {
    let argument = text(error, ContextKind::InvalidArg);
    let value = text(error, ContextKind::InvalidValue).map(|value| shorten(&value));
    match (error.kind(), argument, value) {
        (ErrorKind::InvalidValue, _, Some(value)) if value.is_empty() => {
            "it needs a value".to_owned()
        }
        (ErrorKind::InvalidValue, _, Some(value)) => {
            let valid = text(error, ContextKind::ValidValue).unwrap_or_default();
            format!("invalid value `{value}`: expected one of {valid}")
        }
        (ErrorKind::ValueValidation, _, Some(value)) => match std::error::Error::source(error) {
            Some(source) => format!("invalid value `{value}`: {source}"),
            None => format!("invalid value `{value}`"),
        },
        (ErrorKind::UnknownArgument, Some(argument), _) if argument.starts_with('-') => {
            format!("unknown option `{}`", shorten(&argument))
        }
        (ErrorKind::UnknownArgument, Some(argument), _) => {
            format!("unexpected argument `{}`", shorten(&argument))
        }
        (ErrorKind::ArgumentConflict, Some(argument), _) => {
            let other = text(error, ContextKind::PriorArg).unwrap_or_default();
            match parsed.name(&argument) {
                name if other.is_empty() || other == argument => {
                    format!("{name} is given more than once")
                }
                name => format!("{name} cannot be used with {}", parsed.name(&other)),
            }
        }
        (ErrorKind::MissingRequiredArgument, Some(argument), _) => {
            format!("{argument} is missing")
        }
        _ => first_line(error),
    }
}

/// Returns the first line of what the parser itself would print, without its label.
fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Returns what the parser tells of an error, with commas between several values.
fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        ContextValue::StyledStr(text) => Some(text.to_string()),
        ContextValue::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Cuts a value to [`LONGEST_VALUE`].
fn shorten(value: &str) -> String {
    let mut shown: String = value.chars().take(LONGEST_VALUE).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}
