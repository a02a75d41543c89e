//! Errors in the command line, and in the variables that stand for its options.

use std::error::Error;
use std::ffi::OsString;

use clap::ValueEnum as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use soci_document::Exit;
use soci_oci::printable::hide_credentials;

use crate::LogFormat;
use crate::log::Fields;

/// The longest value that an error repeats, in characters.
const LONGEST_VALUE: usize = 100;

/// An error in the command line or in a variable, in the words of all other errors.
#[derive(Debug)]
pub(crate) struct UsageError {
    subject: Option<Subject>,
    /// What is wrong with the subject.
    problem: String,
    /// The option that the user may have meant.
    similar: Option<String>,
}

/// What a wrong value was given for.
#[derive(Debug)]
enum Subject {
    Option(String),
    Variable(String),
}

impl UsageError {
    /// Returns an error of the command line as a whole.
    pub(crate) fn new(problem: String) -> Self {
        Self {
            subject: None,
            problem,
            similar: None,
        }
    }

    /// Returns the error for the value of a variable.
    pub(crate) fn of_variable(variable: &str, value: &str, error: &dyn Error) -> Self {
        Self {
            subject: Some(Subject::Variable(variable.to_owned())),
            ..Self::new(format!("invalid value `{}`: {error}", shorten(value)))
        }
    }

    /// Replaces the option whose value is wrong by the variable that the value comes from.
    pub(crate) fn in_variable(self, variable: &str) -> Self {
        Self {
            subject: Some(Subject::Variable(variable.to_owned())),
            ..self
        }
    }

    /// Returns the fields of the message of a tool.
    pub(crate) fn into_fields(self, tool: &str) -> Fields {
        let message = match &self.subject {
            Some(Subject::Option(name) | Subject::Variable(name)) => {
                format!("{name}: {}", self.problem)
            }
            None => self.problem,
        };
        let (option, variable) = match self.subject {
            Some(Subject::Option(name)) => (Some(name), None),
            Some(Subject::Variable(name)) => (None, Some(name)),
            None => (None, None),
        };
        let help = format!("see {tool} --help");
        let hint = match self.similar {
            Some(similar) => format!("did you mean `{similar}`? {help}"),
            None => help,
        };
        Fields::new(message)
            .with("exit", Some(Exit::Usage.code()))
            .with("variable", variable)
            .with("option", option)
            .with("hint", Some(hint))
    }
}

impl From<&clap::Error> for UsageError {
    /// Describes an error of the parser.
    fn from(error: &clap::Error) -> Self {
        let argument =
            text(error, ContextKind::InvalidArg).filter(|_| is_about_value(error.kind()));
        let similar = text(error, ContextKind::SuggestedArg)
            .or_else(|| text(error, ContextKind::SuggestedValue));
        Self {
            subject: argument.map(|argument| Subject::Option(option_name(&argument).to_owned())),
            problem: describe(error),
            similar,
        }
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
        .and_then(|format| LogFormat::from_str(format.trim(), true).ok())
        .unwrap_or(LogFormat::Text)
}

/// Returns the name of an option without the name of its value: `--to` for `--to <REF>`, and
/// `--plain-http` for `--plain-http[=<BOOL>]`.
fn option_name(argument: &str) -> &str {
    let name = argument.split([' ', '=']).next().unwrap_or(argument);
    name.trim_end_matches("...").trim_end_matches('[')
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
fn describe(error: &clap::Error) -> String {
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
        (ErrorKind::ValueValidation, _, Some(value)) => match error.source() {
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
            match option_name(&argument) {
                name if other.is_empty() || other == argument => {
                    format!("{name} is given more than once")
                }
                name => format!("{name} cannot be used with {}", option_name(&other)),
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

/// Cuts a value to [`LONGEST_VALUE`], and hides a password in it.
fn shorten(value: &str) -> String {
    let value = hide_credentials(value);
    let mut shown: String = value.chars().take(LONGEST_VALUE).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}
