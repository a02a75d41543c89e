//! The command line of `soci-index`.

use std::num::NonZeroUsize;

use clap::Parser;
use soci_cli::{
    CommonArgs, Failure, IN_FLIGHT, InWork, Io, OutputArgs, OutputFormat, Permits, Processed,
    Progress, SizeArgument, Tool, Variable, Work, parse_count, parse_flag, print_decisions,
};
use soci_registry_args::{RegistryArgs, VARIABLES};
use soci_transport::MemoryBudget;

use crate::context::{Context, Reuse, Strictness};
use crate::image::index_image;
use crate::large_tables::LargeTables;
use crate::reuse::CHECK_MEMORY;

/// The default build tool identifier, such as `soci-index 0.1.0`.
const BUILD_TOOL_IDENTIFIER: &str = concat!("soci-index ", env!("CARGO_PKG_VERSION"));

/// The memory in bytes that the chunks of all layers may take while they are read.
const CHUNK_MEMORY: usize = 4 << 20;

/// Build the ztocs and SOCI indexes that a plan asks for
///
/// Reads the documents of soci-plan from stdin. Stores the ztocs, the SOCI indexes and the
/// converted image of each, and writes the document to stdout with their descriptors.
#[derive(Debug, Parser)]
#[command(
    name = "soci-index",
    version,
    after_help = "Examples:\n  soci-pull registry.example/app:v1 | soci-plan | soci-index | soci-push\n  soci-index --jobs 4 < plan.json > index.json\n  soci-index < plan.json | jq -r '.manifests[]?.layers[].ztoc.digest // empty'"
)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct Args {
    /// Layers to read at a time [default: the number of processors]
    #[arg(long, value_name = "N", env = "SOCI_JOBS", value_parser = parse_count)]
    jobs: Option<NonZeroUsize>,

    /// Name of the builder that ztocs and SOCI indexes record
    #[arg(
        long,
        hide_short_help = true,
        value_name = "NAME",
        env = "SOCI_BUILD_TOOL_IDENTIFIER",
        default_value = BUILD_TOOL_IDENTIFIER
    )]
    build_tool_identifier: String,

    /// Build every ztoc anew
    ///
    /// None is reused from the store or from SOCI indexes in a registry.
    #[arg(long, env = "SOCI_FORCE", value_parser = parse_flag)]
    force: bool,

    /// Prove each reused ztoc against its layer
    ///
    /// Reads the layer, and uses the ztoc of a SOCI index only if it is the one that is built from
    /// the layer. Ztocs that were built with this store are reused without that.
    #[arg(
        long,
        hide_short_help = true,
        env = "SOCI_VERIFY_REUSED",
        value_parser = parse_flag
    )]
    verify_reused: bool,

    /// Largest ztoc to build
    ///
    /// A layer whose ztoc would be larger is skipped as soon as that is known. A ztoc takes about
    /// 250 bytes for each file. While it is built, its table of files may take a quarter of this
    /// size in memory.
    #[arg(
        long,
        hide_short_help = true,
        value_name = "SIZE",
        env = "SOCI_MAX_ZTOC_SIZE",
        default_value = "512MiB"
    )]
    max_ztoc_size: SizeArgument,

    /// Fail if a layer is not what its media type says, or has too large a ztoc
    ///
    /// Otherwise, the layer is skipped with a warning.
    #[arg(long, env = "SOCI_STRICT", value_parser = parse_flag)]
    strict: bool,

    /// Print to stderr, as a table, what was done with each layer
    #[arg(long, env = "SOCI_EXPLAIN", value_parser = parse_flag)]
    explain: bool,

    #[command(flatten)]
    registry: RegistryArgs,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    common: CommonArgs,
}

impl Tool for Args {
    fn variables() -> &'static [Variable] {
        VARIABLES
    }

    fn common_args(&self) -> &CommonArgs {
        &self.common
    }

    fn output_format(&self) -> OutputFormat {
        self.output.format
    }

    fn run(self, io: &mut Io) -> Result<(), Failure> {
        let processors = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let jobs = self.jobs.unwrap_or_else(processors);
        let context = Context {
            session: self.registry.session(),
            store: self.common.open_store()?,
            jobs,
            reading: Permits::new(jobs),
            layers_in_work: InWork::default(),
            images_in_work: InWork::default(),
            memory: MemoryBudget::new(CHUNK_MEMORY),
            check_memory: MemoryBudget::new(CHECK_MEMORY),
            max_ztoc_size: self.max_ztoc_size.size.0,
            large_tables: LargeTables::default(),
            build_tool_identifier: self.build_tool_identifier,
            reuse: match (self.force, self.verify_reused) {
                (true, _) => Reuse::Never,
                (false, true) => Reuse::IfProved,
                (false, false) => Reuse::IfFound,
            },
            strictness: if self.strict {
                Strictness::Strict
            } else {
                Strictness::Lenient
            },
        };
        let explain = self.explain.then_some(print_decisions as fn(&_, &_));
        io.work_on_documents(IN_FLIGHT, |document| {
            let image = document.image.reference().clone();
            // Not to the registries of other images, whose ztocs are reused.
            if document.plan.is_some() && document.has_planned_manifests() {
                context.session.claim_password_for(&image)?;
            }
            let context = &context;
            let work = move |progress: &Progress| {
                let document = index_image(context, document, progress)?;
                Ok(Processed {
                    explain,
                    ..document.into()
                })
            };
            Ok(Work::reading(&image, work))
        })
    }
}
