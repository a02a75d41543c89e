//! The help texts: `-h` prints the main options on one screen, and `--help` prints everything.

use clap::Command;
use clap::builder::StyledStr;

use crate::option_table::{OptionDescription, Variable, describe_options};

/// The width of `-h` in columns: that of the smallest common terminal.
const SHORT_WIDTH: usize = 80;
/// The width of `--help` in columns.
const LONG_WIDTH: usize = 100;
/// The widest option that has its text on the same line, in columns.
const WIDEST_NAME: usize = 34;

/// What holds for all variables.
const NOTES: &str = "An option on the command line wins over its variable. An empty variable counts as not \
    set. A list may have one \
    value in each line. A boolean is true or false; yes or no, on or off, 1 or 0 are understood as well.";

/// Makes the command print the help texts of this module. `variables` are those that no option
/// sets.
pub(crate) fn add_help(command: Command, variables: &[Variable]) -> Command {
    let options = describe_options(&command);
    let short = short_help(&command, &options);
    let long = long_help(&command, &options, variables);
    // clap decides which of the two to print. The texts are wrapped already.
    command
        .help_template("{before-help}")
        .term_width(0)
        .before_help(short)
        .before_long_help(long)
}

fn short_help(command: &Command, options: &[OptionDescription]) -> String {
    let mut page = Page::new(SHORT_WIDTH);
    page.paragraph(&text(command.get_about()));
    page.paragraph(&command.clone().render_usage().to_string());
    let main: Vec<_> = options.iter().filter(|option| option.is_main).collect();
    page.options(&main, OptionDescription::short_text);
    page.verbatim(&text(command.get_after_help()));
    page.paragraph(&format!(
        "`{} --help` describes all options and variables.",
        command.get_name()
    ));
    page.text
}

fn long_help(command: &Command, options: &[OptionDescription], variables: &[Variable]) -> String {
    let mut page = Page::new(LONG_WIDTH);
    let about = command.get_long_about().or_else(|| command.get_about());
    for paragraph in text(about).split("\n\n") {
        page.paragraph(paragraph);
    }
    page.paragraph(&command.clone().render_usage().to_string());
    for heading in headings(options) {
        let group = options.iter().filter(|option| option.heading == heading);
        page.heading(heading);
        page.options(&group.collect::<Vec<_>>(), OptionDescription::long_text);
    }
    page.heading("Help");
    for (name, help) in [
        ("-h", "Print the main options and examples"),
        ("    --help", "Print this text"),
        ("-V, --version", "Print the version"),
    ] {
        page.entry(name, help, "-V, --version".len());
    }
    page.end_paragraph();
    if !variables.is_empty() {
        page.heading("Variables that no option sets");
        for variable in variables {
            page.entry(variable.name, variable.help, WIDEST_NAME);
        }
        page.end_paragraph();
    }
    page.paragraph(NOTES);
    let examples = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    page.verbatim(&text(examples));
    page.text
}

fn text(text: Option<&StyledStr>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// Returns the headings of the options in the order of their first option.
fn headings(options: &[OptionDescription]) -> Vec<&str> {
    let mut headings: Vec<&str> = Vec::new();
    for option in options {
        if !headings.contains(&option.heading.as_str()) {
            headings.push(&option.heading);
        }
    }
    headings
}

impl OptionDescription {
    /// Returns the text for `-h`.
    fn short_text(&self) -> String {
        match &self.default {
            Some(default) => format!("{} [default: {default}]", self.help),
            None => self.help.clone(),
        }
    }

    /// Returns the text for `--help`: the help with the values, the default and the variable.
    fn long_text(&self) -> String {
        let mut text = self.help.clone();
        if !self.details.is_empty() {
            text = format!("{text}. {}", self.details);
        }
        for (value, help) in &self.values {
            let help = help.as_deref().unwrap_or_default();
            text = format!("{text}\n- {value}: {help}");
        }
        let default = self.default.as_ref().map(|text| format!("default: {text}"));
        let variable = self.variable.as_ref().map(|name| format!("env: {name}"));
        let notes: Vec<_> = [default, variable].into_iter().flatten().collect();
        if notes.is_empty() {
            text
        } else {
            format!("{text}\n[{}]", notes.join("; "))
        }
    }
}

/// A text that is wrapped at a width.
struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn new(width: usize) -> Self {
        Self {
            text: String::new(),
            width,
        }
    }

    fn heading(&mut self, heading: &str) {
        self.text.push_str(heading);
        self.text.push_str(":\n");
    }

    fn end_paragraph(&mut self) {
        self.text.push('\n');
    }

    fn paragraph(&mut self, text: &str) {
        for line in wrap(text, self.width) {
            self.text.push_str(&line);
            self.text.push('\n');
        }
        self.end_paragraph();
    }

    /// Adds lines as they are, such as examples.
    fn verbatim(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push_str("\n\n");
    }

    /// Adds a list of options.
    fn options(
        &mut self,
        options: &[&OptionDescription],
        text: impl Fn(&OptionDescription) -> String,
    ) {
        let has_short = options.iter().any(|option| option.has_short());
        let name = |option: &OptionDescription| {
            // The hyphens of all long options stand in one column.
            if has_short && option.name.starts_with("--") {
                format!("    {}", option.name)
            } else {
                option.name.clone()
            }
        };
        let names = options.iter().map(|option| name(option).chars().count());
        let width = names.filter(|width| *width <= WIDEST_NAME).max();
        for option in options {
            self.entry(&name(option), &text(option), width.unwrap_or_default());
        }
        self.end_paragraph();
    }

    /// Adds a name with its text, which stands beside it if the name is not wider than `width`.
    fn entry(&mut self, name: &str, text: &str, width: usize) {
        let indent = width + 4;
        let mut line = format!("  {name}");
        if name.chars().count() > width {
            self.text.push_str(&line);
            self.text.push('\n');
            line.clear();
        }
        for part in text.lines() {
            for wrapped in wrap(part, self.width - indent) {
                let padding = indent.saturating_sub(line.chars().count());
                self.text.push_str(&line);
                self.text.push_str(&" ".repeat(padding));
                self.text.push_str(&wrapped);
                self.text.push('\n');
                line.clear();
            }
        }
    }
}

impl OptionDescription {
    fn has_short(&self) -> bool {
        self.name.starts_with('-') && !self.name.starts_with("--")
    }
}

/// Splits a text into lines of at most `width` columns. A longer word gets a line of its own.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        let line = &mut lines[last];
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}
