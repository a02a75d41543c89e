//! The command line of `soci-index`.

use std::num::NonZeroUsize;

use clap::Parser;
use soci_cli::{Common, Failure, Io, Tool, flag};
use soci_registry_args::RegistryArgs;
use soci_transport::MemoryBudget;

use crate::image::Indexer;

/// What the indexes say that they were built by.
const TOOL_IDENTIFIER: &str = concat!("soci-index ", env!("CARGO_PKG_VERSION"));

/// What the pieces of all layers that are being read may take at once, in bytes.
const PIECES: usize = 4 << 20;

/// Build the ztocs and SOCI indexes that a plan asks for
///
/// Reads planned documents from stdin and writes them to stdout with the descriptors of what was built, all of which is in
/// the store by then.
#[derive(Debug, Parser)]
#[command(
    name = "soci-index",
    version,
    after_help = "Examples:\n  soci-pull registry.example/app:v1 | soci-plan | soci-index | soci-push\n  soci-index --jobs 4 < plan.json > index.json\n  soci-index < plan.json | jq '.manifests[].layers[].ztoc.digest'"
)]
pub struct Args {
    /// Layers to build at a time [default: the number of processors]
    #[arg(long, value_name = "N", env = "SOCI_JOBS")]
    jobs: Option<NonZeroUsize>,

    /// What the indexes say that they were built by
    #[arg(long, value_name = "NAME", env = "SOCI_BUILD_TOOL_IDENTIFIER", default_value = TOOL_IDENTIFIER)]
    build_tool_identifier: String,

    /// Build every ztoc anew: reuse none of the store, nor of the indexes beside the image
    #[arg(long, env = "SOCI_FORCE", value_parser = flag)]
    force: bool,

    #[command(flatten)]
    registry: RegistryArgs,

    #[command(flatten)]
    common: Common,
}

impl Tool for Args {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, io: &mut Io) -> Result<(), Failure> {
        let processors = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let indexer = Indexer {
            session: self.registry.session(),
            store: self.common.open_store()?,
            jobs: self.jobs.unwrap_or_else(processors),
            pieces: MemoryBudget::new(PIECES),
            build_tool_identifier: self.build_tool_identifier,
            reuse: !self.force,
        };
        io.for_each_document(|document, progress| indexer.index(document, progress))
    }
}
