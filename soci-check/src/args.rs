//! The command line of `soci-check`.

use std::num::NonZeroUsize;

use clap::Parser;
use soci_cli::{
    CommonArgs, Failure, IN_FLIGHT, Images, Io, Output, OutputArgs, OutputFormat, Permits,
    Platforms, Request, Tool, Variable, parse_count, parse_flag,
};
use soci_registry_args::{RegistryArgs, VARIABLES};
use soci_transport::MemoryBudget;

use crate::checker::{Checker, Depth};
use crate::inspect::{InspectArgs, Inspector};

/// The memory in bytes that the chunks of all layers may take while they are read.
const CHUNK_MEMORY: usize = 4 << 20;

/// How many bytes of ztocs are in memory at the same time. A larger ztoc is alone.
const ZTOC_MEMORY: usize = 64 << 20;

/// Check the SOCI indexes of images, and whether they start lazily on AWS Fargate
///
/// Takes references as arguments. Without arguments, reads one per line from stdin; a line may also
/// be a document of soci-index or soci-push. Proves each ztoc against its layer, and holds the
/// index against the rules of its readers. Writes one document per image to stdout.
#[derive(Debug, Parser)]
#[command(
    name = "soci-check",
    version,
    after_help = "Examples:\n  soci-pull \"$IMAGE\" | soci-plan | soci-index | soci-check | soci-push\n  soci-check registry.example/app:v1-soci\n  soci-check --fast registry.example/app:v1-soci | jq .check.findings"
)]
pub struct Args {
    /// Image, such as registry.example/app:v1-soci
    ///
    /// It is [registry/]repository[:tag][@digest], oci:DIR[:name], oci-archive:FILE[:name] or
    /// docker-archive:FILE[:name]. If the tag is not converted, the tag with -soci is checked too.
    #[arg(value_name = "REF")]
    references: Vec<String>,

    /// Platforms to check, such as amd64,arm64 [default: all]
    ///
    /// A platform is [os/]architecture[/variant]. Commas separate several; the option may also be
    /// repeated. Of a planned document, the platforms of the plan are checked by default.
    #[arg(long, value_name = "PLATFORM", env = "SOCI_PLATFORM")]
    platform: Vec<Platforms>,

    /// Check manifests and ztocs, but read no layer
    #[arg(long, env = "SOCI_FAST", value_parser = parse_flag)]
    fast: bool,

    /// Layers to read at a time [default: the number of processors]
    #[arg(long, value_name = "N", env = "SOCI_JOBS", value_parser = parse_count)]
    jobs: Option<NonZeroUsize>,

    #[command(flatten)]
    inspect: InspectArgs,

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

    fn output(&self) -> Output {
        match self.inspect.view() {
            None => Output::Documents,
            Some(_) => Output::Other,
        }
    }

    fn run(self, io: &mut Io) -> Result<(), Failure> {
        if let Some(view) = self.inspect.view() {
            let inspector = Inspector {
                session: self.registry.session(),
                store: self.common.open_store()?,
                platforms: Platforms::merge(self.platform),
                layer: self.inspect.layer,
                view,
            };
            return inspector.run(io, &self.references);
        }
        let processors = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let jobs = self.jobs.unwrap_or_else(processors);
        let checker = Checker {
            session: self.registry.session(),
            store: self.common.open_store()?,
            platforms: Platforms::merge(self.platform),
            depth: if self.fast { Depth::Fast } else { Depth::Full },
            jobs,
            reading: Permits::new(jobs),
            chunk_memory: MemoryBudget::new(CHUNK_MEMORY),
            ztoc_memory: MemoryBudget::new(ZTOC_MEMORY),
            shows_summaries: io.shows_summaries(),
        };
        let images = Images {
            references: &self.references,
            input: "references or documents",
            takes_references: true,
            in_flight: IN_FLIGHT,
        };
        io.work_on(images, |request| match request {
            Request::Reference(text) => checker.prepare_reference(text),
            Request::Document(document) => checker.prepare_document(*document),
        })
    }
}
