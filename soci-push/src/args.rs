//! The command line of `soci-push`.

use std::num::NonZeroUsize;

use clap::Parser;
use soci_cli::{
    CommonArgs, Failure, IN_FLIGHT, InWork, Io, OutputArgs, OutputFormat, Permits, Tool, Variable,
    parse_count, parse_flag,
};
use soci_registry_args::{RegistryArgs, VARIABLES};

use crate::claims::Claims;
use crate::push::Pusher;
use crate::referrers::ExistingIndex;
use crate::uploader::Mode;
use crate::uploader::known_blobs::KnownBlobs;

/// Push SOCI indexes and converted images
///
/// Reads the documents of soci-index from stdin. Pushes the ztocs, the SOCI indexes and the
/// converted image of each from the store, and writes the document to stdout with a record of the
/// push.
#[derive(Debug, Parser)]
#[command(
    name = "soci-push",
    version,
    after_help = "Examples:\n  soci-pull registry.example/app:v1 | soci-plan | soci-index | soci-push\n  soci-push --to registry.example/lazy/app:v1 < index.json\n  soci-push --to 'registry.example/lazy/app:{tag}' < several.json\n  soci-push --tag '{tag}-soci' --tag '{tag}-soci-{arch}' < index.json\n  soci-push --dry-run < index.json | jq '.push // empty'"
)]
pub struct Args {
    /// Destination of the push [default: that of the image]
    ///
    /// It is [registry/]repository[:tag], oci:DIR[:name] or oci-archive:FILE[:name]. In its tag,
    /// {tag}, {digest} and {arch} are replaced.
    #[arg(long, value_name = "REF", env = "SOCI_TO")]
    to: Option<String>,

    /// Tag of the converted image; may be repeated [default: {tag}-soci]
    ///
    /// In it, {tag}, {digest} and {arch} are replaced.
    #[arg(long, value_name = "TAG", env = "SOCI_TAG", value_delimiter = ',')]
    tag: Vec<String>,

    /// What to do if the image already has another SOCI index of version 1
    #[arg(
        long,
        hide_short_help = true,
        value_name = "ACTION",
        env = "SOCI_EXISTING_INDEX",
        default_value = "warn"
    )]
    existing_index: ExistingIndex,

    /// Blobs to upload at a time
    #[arg(
        long,
        hide_short_help = true,
        value_name = "N",
        env = "SOCI_MAX_CONCURRENT_UPLOADS",
        default_value = "3",
        value_parser = parse_count
    )]
    max_concurrent_uploads: NonZeroUsize,

    /// Push nothing, but print what would be pushed
    #[arg(long, env = "SOCI_DRY_RUN", value_parser = parse_flag)]
    dry_run: bool,

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
        let pusher = Pusher {
            session: self.registry.session(),
            store: self.common.open_store()?,
            to: self.to,
            tag_templates: self.tag,
            existing_index: self.existing_index,
            max_concurrent_uploads: self.max_concurrent_uploads,
            mode: if self.dry_run {
                Mode::DryRun
            } else {
                Mode::Write
            },
            sending: Permits::new(self.max_concurrent_uploads),
            known_blobs: KnownBlobs::default(),
            images_in_work: InWork::default(),
        };
        let mut claims = Claims::default();
        io.work_on_documents(IN_FLIGHT, |document| pusher.prepare(document, &mut claims))
    }
}
