//! The command line of `soci-push`.

use std::num::NonZeroUsize;

use clap::{Parser, ValueEnum};
use soci_cli::{Common, Failure, Io, Tool, flag};
use soci_registry_args::RegistryArgs;

use crate::image::Pusher;

/// Push SOCI indexes and converted images
///
/// Reads indexed documents from stdin, pushes what they name from the store, and writes them to stdout with what was pushed.
#[derive(Debug, Parser)]
#[command(
    name = "soci-push",
    version,
    after_help = "Examples:\n  soci-pull registry.example/app:v1 | soci-plan | soci-index | soci-push\n  soci-push --to registry.example/lazy/app:v1 < index.json\n  soci-push --tag '{tag}-soci' --tag '{tag}-soci-{arch}' < index.json\n  soci-push --dry-run < index.json | jq .push"
)]
pub struct Args {
    /// Where to push [default: where the image lies]
    #[arg(long, value_name = "REF", env = "SOCI_TO")]
    to: Option<String>,

    /// Tag of the converted image; {tag}, {digest} and {arch} are filled in; may be repeated [default: {tag}-soci]
    #[arg(long, value_name = "TAG", env = "SOCI_TAG", value_delimiter = ',')]
    tag: Vec<String>,

    /// What to do where the image has another index of version 1
    #[arg(
        long,
        value_name = "WHAT",
        env = "SOCI_EXISTING_INDEX",
        default_value = "warn"
    )]
    existing_index: ExistingIndex,

    /// Blobs to upload at a time
    #[arg(
        long,
        value_name = "N",
        env = "SOCI_MAX_CONCURRENT_UPLOADS",
        default_value = "3"
    )]
    max_concurrent_uploads: NonZeroUsize,

    /// Look what is there, and write nothing
    #[arg(long, env = "SOCI_DRY_RUN", value_parser = flag)]
    dry_run: bool,

    #[command(flatten)]
    registry: RegistryArgs,

    #[command(flatten)]
    common: Common,
}

/// What to do where an image has another index of version 1.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ExistingIndex {
    /// Push, and say so
    Warn,
    /// Push no index of version 1
    Skip,
    /// Push, and do not look
    Allow,
}

/// Whether anything is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Nothing is.
    DryRun,
    /// All is.
    Write,
}

impl Tool for Args {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, io: &mut Io) -> Result<(), Failure> {
        let pusher = Pusher {
            session: self.registry.session(),
            store: self.common.open_store()?,
            to: self.to,
            tags: self.tag,
            existing_index: self.existing_index,
            uploads: self.max_concurrent_uploads,
            mode: if self.dry_run {
                Mode::DryRun
            } else {
                Mode::Write
            },
        };
        io.for_each_document(|document, progress| pusher.push(document, progress))
    }
}
