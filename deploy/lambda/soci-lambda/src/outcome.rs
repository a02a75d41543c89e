//! What became of an image, and whether it is worth a retry.

use soci_document::{Exit, Line, StageError, Summary};

use crate::log::Entry;

/// What became of an image.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The pipe has done its work.
    Done {
        /// What was done: `indexed`, `unchanged` or `nothing to index`.
        what: &'static str,
        /// The tags to deploy, as full references.
        tags: Vec<String>,
        /// How many layers are indexed.
        indexed_layers: u64,
        /// How many layers the planned manifests have.
        layers: u64,
    },
    /// A stage of the pipe failed.
    Failed(StageError),
    /// The pipe ended without a result for the image, or was never started. The text says why.
    Missing(String),
}

/// Returns whether an image whose pipe ended with this exit status is worth a retry.
///
/// It is not if only another push can help: a later delivery of the same message would end in the
/// same way. What passes by itself, such as a throttle, and what an operator can repair, such as a
/// missing permission, is retried, and ends in the dead-letter queue if it lasts. From there it can
/// be sent again after the repair.
pub fn is_worth_retrying(exit: u8) -> bool {
    const FOR_GOOD: [Exit; 7] = [
        Exit::Done,
        Exit::CheckFailed,
        Exit::Usage,
        Exit::BadData,
        Exit::Protocol,
        Exit::NotFound,
        Exit::NothingMatches,
    ];
    !FOR_GOOD.iter().any(|status| status.code() == exit)
}

impl Outcome {
    /// Reads a line of the last stage. Returns `None` if it is no document of an image.
    pub(crate) fn parse(line: &[u8]) -> Option<(String, Self)> {
        match Line::parse(line).ok()? {
            Line::Failed(failed) => Some((failed.image?, Self::Failed(failed.error))),
            Line::Document(document) => {
                let summary = Summary::of(&document);
                let what = if summary.is_unchanged() {
                    "unchanged"
                } else if summary.indexed.count == 0 {
                    "nothing to index"
                } else {
                    "indexed"
                };
                let tags = summary.tags().iter().map(|tag| tag.tag.clone());
                let outcome = Self::Done {
                    what,
                    tags: tags.collect(),
                    indexed_layers: summary.indexed.count,
                    layers: summary.all.count,
                };
                Some((document.image.as_str().to_owned(), outcome))
            }
        }
    }

    /// Returns whether the queue shall deliver the message again.
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Done { .. } => false,
            Self::Failed(error) => is_worth_retrying(error.exit.get()),
            Self::Missing(_) => true,
        }
    }

    /// Returns the line of the log.
    pub(crate) fn to_entry(&self) -> Entry {
        match self {
            Self::Done {
                what,
                tags,
                indexed_layers,
                layers,
            } => Entry::info(what)
                .with("outcome", *what)
                .with("tags", tags.clone())
                .with("indexedLayers", *indexed_layers)
                .with("layers", *layers),
            Self::Failed(error) => Entry::error(&error.message)
                .with("outcome", "failed")
                .with("stage", &*error.stage)
                .with("exit", error.exit.get())
                .with("retry", self.is_worth_retrying())
                .with_some("hint", error.hint.as_deref()),
            Self::Missing(why) => Entry::error(why)
                .with("outcome", "failed")
                .with("retry", true),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_what_time_or_an_operator_can_repair() {
        for exit in [66, 69, 70, 73, 74, 75, 77, 78, 137, 141, 143, 255] {
            assert!(is_worth_retrying(exit), "{exit}");
        }
        for exit in [0, 1, 2, 65, 76, 80, 81] {
            assert!(!is_worth_retrying(exit), "{exit}");
        }
    }

    #[test]
    fn reads_results_and_nothing_else() {
        let failed = br#"{"version":1,"image":"r.example/app:v1","error":{"stage":"soci-pull","exit":80,"message":"m"}}"#;
        let (image, outcome) = Outcome::parse(failed).expect("a result");
        assert_eq!(image, "r.example/app:v1");
        assert!(matches!(outcome, Outcome::Failed(error) if error.exit.get() == 80));
        let stage = br#"{"version":1,"error":{"stage":"soci-pull","exit":66,"message":"m"}}"#;
        for line in [&stage[..], b"", b"{", b"[]", b"{\"version\":2}"] {
            assert!(Outcome::parse(line).is_none());
        }
    }
}
