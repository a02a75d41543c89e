//! Writes the manual pages of the tools, and their completions for bash, zsh and fish, below a
//! directory, at the paths that they have below the prefix of an installation:
//! `cargo run -p soci-e2e --example manual -- DIRECTORY`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use soci_cli::{Tool, Variable};
use soci_testkit::workspace::TOOLS;

fn main() -> io::Result<()> {
    let Some(prefix) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other("usage: manual DIRECTORY"));
    };
    write_pages::<soci_pull::Args>(&prefix)?;
    write_pages::<soci_plan::Args>(&prefix)?;
    write_pages::<soci_index::Args>(&prefix)?;
    write_pages::<soci_check::Args>(&prefix)?;
    write_pages::<soci_push::Args>(&prefix)?;
    write_pages::<soci_report::Args>(&prefix)?;
    write_pages::<soci_prune::Args>(&prefix)
}

fn write_pages<T: Tool + CommandFactory>(prefix: &Path) -> io::Result<()> {
    let command = T::command();
    let name = command.get_name().to_owned();
    let page = manual_page(command.clone(), T::variables())?;
    write(&prefix.join(format!("share/man/man1/{name}.1")), &page)?;
    let completions = [
        (Shell::Bash, format!("bash-completion/completions/{name}")),
        (Shell::Zsh, format!("zsh/site-functions/_{name}")),
        (
            Shell::Fish,
            format!("fish/vendor_completions.d/{name}.fish"),
        ),
    ];
    for (shell, path) in completions {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), &name, &mut script);
        write(&prefix.join("share").join(path), &script)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, bytes)
}

/// Returns the manual page of a tool, in the format of man(7).
fn manual_page(command: Command, variables: &[Variable]) -> io::Result<Vec<u8>> {
    let examples = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    let examples = examples.map(ToString::to_string).unwrap_or_default();
    let man = Man::new(without_summary(command));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut rest = Roff::new();
    if !variables.is_empty() {
        rest.control("SH", ["ENVIRONMENT"]);
        for variable in variables {
            rest.control("TP", []);
            rest.text([bold(variable.name)]);
            rest.text([roman(variable.help)]);
        }
    }
    rest.control("SH", ["EXIT STATUS"]);
    rest.text([roman(
        "0 if all was done; the other statuses are those of sysexits.h, and are listed in the README.",
    )]);
    rest.control("SH", ["EXAMPLES"]);
    rest.control("nf", []);
    for line in examples.lines().filter(|line| *line != "Examples:") {
        rest.text([roman(line)]);
    }
    rest.control("fi", []);
    rest.control("SH", ["SEE ALSO"]);
    let pages = TOOLS.into_iter().chain(["soci-run"]);
    let pages: Vec<String> = pages.map(|tool| format!("{tool}(1)")).collect();
    rest.text([roman(pages.join(", "))]);
    rest.to_writer(&mut page)?;
    Ok(page)
}

/// Removes the first paragraph of the long description, which the section NAME repeats.
fn without_summary(command: Command) -> Command {
    let long = command
        .get_long_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    match long.split_once("\n\n") {
        Some((_, rest)) => command.long_about(rest.to_owned()),
        None => command,
    }
}
