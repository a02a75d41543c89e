//! The fenced blocks of a page.

/// What a block holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Language {
    /// Commands (`sh`).
    Shell,
    /// Commands after `$ `, each with what it prints (`console`).
    Console,
    /// JSON.
    Json,
    /// Anything else, such as YAML or the output of a tool.
    Other,
}

/// A fenced block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) language: Language,
    /// The number of its first line in the page, from 1.
    pub(super) line: usize,
    pub(super) text: String,
}

/// A command of a [`Language::Console`] block, with what it prints.
#[derive(Debug, PartialEq)]
pub(super) struct Step {
    pub(super) command: String,
    pub(super) shown: Vec<String>,
}

impl Block {
    /// Returns the commands with what they print.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for line in self.text.lines() {
            let last = steps.last_mut();
            match (line.strip_prefix("$ "), last) {
                (Some(command), _) => steps.push(Step {
                    command: command.to_owned(),
                    shown: Vec::new(),
                }),
                (None, Some(step)) if step.command.ends_with('\\') => {
                    step.command.push('\n');
                    step.command.push_str(line);
                }
                (None, Some(step)) => step.shown.push(line.to_owned()),
                (None, None) => panic!("a console block begins with a command: {}", self.text),
            }
        }
        steps
    }
}

/// Returns the fenced blocks of a page, also those in a list.
pub(super) fn blocks_of(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        let mut text = String::new();
        for (_, line) in lines.by_ref() {
            if line.trim() == "```" {
                break;
            }
            text.push_str(line.get(indent..).unwrap_or_default());
            text.push('\n');
        }
        blocks.push(Block {
            language: match language.trim() {
                "sh" | "bash" | "shell" => Language::Shell,
                "console" => Language::Console,
                "json" => Language::Json,
                _ => Language::Other,
            },
            line: number + 2,
            text,
        });
    }
    blocks
}

#[test]
fn finds_the_blocks_of_a_page() {
    let page = "text\n```sh\na\nb\n```\n\n- item\n\n  ```console\n  $ a \\\n    b\n  c\n  ```\n";
    let blocks = blocks_of(page);
    let [shell, console] = &blocks[..] else {
        panic!("{blocks:?}");
    };
    assert_eq!((shell.line, &*shell.text), (3, "a\nb\n"));
    let step = Step {
        command: "a \\\n  b".to_owned(),
        shown: vec!["c".to_owned()],
    };
    assert_eq!(console.steps(), [step]);
}
