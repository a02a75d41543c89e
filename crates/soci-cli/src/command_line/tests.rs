use clap::CommandFactory as _;
use tracing::Level;

use super::*;
use crate::args::{CommonArgs, LogFormat};
use crate::log::LineFormat;

/// A tool with an option of each kind.
#[derive(Debug, Parser)]
#[command(name = "soci-test")]
struct Args {
    #[arg(long, env = "SOCI_DRY_RUN", value_parser = parse_flag, conflicts_with = "tag")]
    dry_run: bool,

    #[arg(long, env = "SOCI_PLAIN_HTTP", value_parser = parse_flag, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    plain_http: Option<bool>,

    #[arg(long, value_name = "TAG", env = "SOCI_TAG", value_delimiter = ',')]
    tag: Vec<String>,

    #[arg(long, env = "SOCI_TO")]
    to: Option<String>,

    #[command(flatten)]
    common: CommonArgs,
}

/// Parses a command line, and variables such as `SOCI_TO=x`.
fn parse(arguments: &str, variables: &[&str]) -> Result<Args, Stopped> {
    let arguments: Vec<OsString> = format!("soci-test {arguments}")
        .split_whitespace()
        .map(OsString::from)
        .collect();
    let value = |name: &str| {
        let mut assignments = variables.iter().filter_map(|text| text.split_once('='));
        assignments.find_map(|(other, value)| (other == name).then(|| value.into()))
    };
    parse_from(Args::command(), &arguments, value)
}

fn parsed(arguments: &str, variables: &[&str]) -> Args {
    parse(arguments, variables).unwrap_or_else(|error| panic!("{arguments}: {error:?}"))
}

/// Returns the message of the error, without the pointer to the help text.
fn refused(arguments: &str, variables: &[&str]) -> String {
    let error = match parse(arguments, variables) {
        Err(Stopped::Usage(error)) => error,
        other => panic!("{arguments}: {other:?}"),
    };
    let format = LineFormat {
        tool: "soci-test",
        format: LogFormat::Text,
    };
    let line = format.format(Level::ERROR, error.into_fields("soci-test"));
    let message = line.strip_prefix("soci-test: error: ").expect("a label");
    let end = message.rfind("see soci-test --help").expect("a pointer");
    message[..end].trim_end_matches([' ', ';']).to_owned()
}

#[test]
fn empty_variables_count_as_not_set() {
    let names = [
        "DRY_RUN",
        "PLAIN_HTTP",
        "TAG",
        "TO",
        "STORE",
        "QUIET",
        "VERBOSE",
        "LOG_FORMAT",
    ];
    for value in ["", " ", "\n"] {
        let variables = names.map(|name| format!("SOCI_{name}={value}"));
        let variables: Vec<&str> = variables.iter().map(String::as_str).collect();
        let args = parsed("", &variables);
        assert!(!args.dry_run && args.tag.is_empty() && args.to.is_none());
        assert_eq!(args.plain_http, None);
        assert!(args.common.store.is_none() && !args.common.quiet);
        assert_eq!(
            (args.common.verbose, args.common.log_format),
            (0, LogFormat::Text)
        );
    }
}

#[test]
fn booleans_have_the_same_spellings_everywhere() {
    for value in ["true", "TRUE", "1", "yes", "on", "y", "T", " true\n"] {
        let set = |name: &str| format!("{name}={value}");
        assert!(parsed("", &[&set("SOCI_DRY_RUN")]).dry_run, "{value}");
        assert!(parsed("", &[&set("SOCI_QUIET")]).common.quiet, "{value}");
        assert_eq!(parsed("", &[&set("SOCI_VERBOSE")]).common.verbose, 1);
        assert_eq!(
            parsed("", &[&set("SOCI_PLAIN_HTTP")]).plain_http,
            Some(true)
        );
        if !value.contains(' ') {
            assert!(parsed(&set("--dry-run"), &[]).dry_run, "{value}");
            assert_eq!(parsed(&set("--plain-http"), &[]).plain_http, Some(true));
        }
    }
    for value in ["false", "False", "0", "no", "off"] {
        let set = |name: &str| format!("{name}={value}");
        assert!(!parsed("", &[&set("SOCI_DRY_RUN")]).dry_run, "{value}");
        assert!(!parsed("--dry-run=false", &[]).dry_run);
        assert_eq!(parsed("", &[&set("SOCI_VERBOSE")]).common.verbose, 0);
        assert_eq!(
            parsed("", &[&set("SOCI_PLAIN_HTTP")]).plain_http,
            Some(false)
        );
    }
    for name in [
        "SOCI_DRY_RUN",
        "SOCI_PLAIN_HTTP",
        "SOCI_QUIET",
        "SOCI_VERBOSE",
    ] {
        let message = refused("", &[&format!("{name}=maybe")]);
        let starts = format!("{name}: invalid value `maybe`: expected");
        assert!(message.starts_with(&starts), "{message}");
        assert!(message.contains("true or false"), "{message}");
    }
}

#[test]
fn verbosity_is_counted() {
    for (variable, verbose) in [("2", 2), ("1", 1), ("0", 0)] {
        let args = parsed("", &[&format!("SOCI_VERBOSE={variable}")]);
        assert_eq!(args.common.verbose, verbose);
    }
    assert_eq!(parsed("-vv", &["SOCI_VERBOSE=1"]).common.verbose, 2);
    assert_eq!(parsed("-v -v", &[]).common.verbose, 2);
}

#[test]
fn the_command_line_wins_over_variables() {
    assert_eq!(parsed("--to a", &["SOCI_TO=b"]).to.as_deref(), Some("a"));
    assert_eq!(parsed("--tag a", &["SOCI_TAG=b,c"]).tag, ["a"]);
    assert!(!parsed("--dry-run=no", &["SOCI_DRY_RUN=1"]).dry_run);
    // A malformed variable does not matter where the option is given.
    assert!(parsed("--dry-run", &["SOCI_DRY_RUN=maybe"]).dry_run);
    // An option wins over the variables of options that cannot be used with it.
    let args = parsed("-v", &["SOCI_QUIET=1"]);
    assert!(args.common.verbose == 1 && !args.common.quiet);
    let args = parsed("-q", &["SOCI_VERBOSE=1"]);
    assert!(args.common.verbose == 0 && args.common.quiet);
    let args = parsed("--tag a", &["SOCI_DRY_RUN=1"]);
    assert!(args.tag == ["a"] && !args.dry_run);
}

#[test]
fn only_options_that_are_on_exclude_each_other() {
    assert_eq!(
        parsed("", &["SOCI_QUIET=false", "SOCI_VERBOSE=1"])
            .common
            .verbose,
        1
    );
    assert_eq!(parsed("--quiet=false -v", &[]).common.verbose, 1);
    let args = parsed("--quiet=false", &["SOCI_VERBOSE=1"]);
    assert_eq!(args.common.verbose, 1);
    let message = "--quiet cannot be used with --verbose";
    assert_eq!(refused("-qv", &[]), message);
    let message = "SOCI_QUIET cannot be used with SOCI_VERBOSE";
    assert_eq!(refused("", &["SOCI_QUIET=1", "SOCI_VERBOSE=1"]), message);
}

#[test]
fn lists_may_have_white_space_and_empty_values() {
    assert_eq!(parsed("", &["SOCI_TAG=a, b,,c,\n"]).tag, ["a", "b", "c"]);
    assert!(parsed("", &["SOCI_TAG=,"]).tag.is_empty());
}

#[test]
fn values_of_options_are_not_options() {
    assert_eq!(
        parsed("", &["SOCI_TO=--dry-run"]).to.as_deref(),
        Some("--dry-run")
    );
    let args = parsed("", &["SOCI_TO=--help"]);
    assert!(args.to.as_deref() == Some("--help") && !args.dry_run);
}

#[test]
fn errors_name_the_option_or_the_variable() {
    for (arguments, message) in [
        (
            "--log-format xml",
            "--log-format: invalid value `xml`: expected one of json, text",
        ),
        (
            "--quiet=maybe",
            "--quiet: invalid value `maybe`: expected true or false (also yes or no, on or off, 1 or 0)",
        ),
        (
            "--plain-http=maybe",
            "--plain-http: invalid value `maybe`: expected true or false (also yes or no, on or off, 1 or 0)",
        ),
        ("--no-such-option", "unknown option `--no-such-option`"),
        (
            "--dry-runs",
            "unknown option `--dry-runs`; did you mean `--dry-run`?",
        ),
        ("image", "unexpected argument `image`"),
        ("--to", "--to: it needs a value"),
        ("--to a --to b", "--to is given more than once"),
    ] {
        assert_eq!(refused(arguments, &[]), message);
    }
    let message = "SOCI_LOG_FORMAT: invalid value `xml`: expected one of json, text";
    assert_eq!(refused("", &["SOCI_LOG_FORMAT=xml"]), message);
    let json = LogFormat::Json;
    assert_eq!(parsed("--log-format JSON", &[]).common.log_format, json);
    assert_eq!(
        parsed("", &["SOCI_LOG_FORMAT=Json"]).common.log_format,
        json
    );
}

/// A tool with an option of which one is required.
#[derive(Debug, Parser)]
#[command(name = "soci-test", group = clap::ArgGroup::new("limit").required(true).multiple(true).args(["days", "size"]))]
struct Required {
    #[arg(long, env = "SOCI_DAYS")]
    days: Option<u32>,

    #[arg(long, env = "SOCI_SIZE")]
    size: Option<u32>,
}

#[test]
fn a_variable_may_stand_for_a_required_option() {
    let parse = |arguments: &[&str], value: Option<&str>| {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let environment = |name: &str| value.filter(|_| name == "SOCI_SIZE").map(OsString::from);
        parse_from::<Required>(Required::command(), &arguments, environment)
    };
    let set = parse(&["soci-test"], Some("7")).expect("a size");
    assert_eq!((set.days, set.size), (None, Some(7)));
    let both = parse(&["soci-test", "--days", "1"], Some("7")).expect("both");
    assert_eq!((both.days, both.size), (Some(1), Some(7)));
    assert!(parse(&["soci-test"], None).is_err());
    assert!(parse(&["soci-test"], Some("")).is_err());
}
