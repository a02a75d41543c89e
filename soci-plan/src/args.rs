//! The command line of `soci-plan`.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use soci_cli::{ByteSize, Common, Failure, Io, Tool, flag};
use soci_document::{Document, Exit, Extra, IndexVersions, Optimization, Plan};
use soci_oci::Platform;

use crate::plan::{Request, plan};
use crate::{explain, prefetch, reuse};

/// Decide which manifests and layers of an image are indexed
///
/// Reads documents from stdin and writes them to stdout with a decision, and the reason for it, on every manifest and layer.
#[derive(Debug, Parser)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[command(
    name = "soci-plan",
    version,
    after_help = "Examples:\n  soci-pull registry.example/app:v1 | soci-plan --platform linux/amd64,linux/arm64 > plan.json\n  soci-plan --min-layer-size 50MB --explain < image.json > plan.json\n  soci-plan --reuse-from registry.example/app:v0 < image.json > plan.json\n  soci-plan < image.json | jq -c '(.manifests[].layers[0].plan) = {action: \"skip\", reason: \"excluded\"}' | soci-index"
)]
pub struct Args {
    /// Platform to index, os/arch[/variant]; may be repeated [default: linux/amd64]
    #[arg(
        long,
        value_name = "PLATFORM",
        env = "SOCI_PLATFORM",
        value_delimiter = ',',
        conflicts_with = "all_platforms"
    )]
    platform: Vec<Platform>,

    /// Index every platform of the image
    #[arg(long, env = "SOCI_ALL_PLATFORMS", value_parser = flag)]
    all_platforms: bool,

    /// Skip layers smaller than this
    #[arg(
        long,
        value_name = "SIZE",
        env = "SOCI_MIN_LAYER_SIZE",
        default_value = "10MiB"
    )]
    min_layer_size: ByteSize,

    /// Distance between checkpoints in the uncompressed layer
    #[arg(
        long,
        value_name = "SIZE",
        env = "SOCI_SPAN_SIZE",
        default_value = "4MiB"
    )]
    span_size: ByteSize,

    /// SOCI indexes to make
    #[arg(
        long,
        value_name = "VERSION",
        env = "SOCI_INDEX_VERSION",
        default_value = "both"
    )]
    index_version: Version,

    /// Tell readers which layers have no extended attributes
    #[arg(long, env = "SOCI_XATTR_OPTIMIZATION", value_parser = flag)]
    xattr_optimization: bool,

    /// File of the image to fetch before the container starts; may be repeated
    #[arg(
        long,
        value_name = "PATH",
        env = "SOCI_PREFETCH_FILE",
        value_delimiter = ','
    )]
    prefetch_file: Vec<String>,

    /// JSON array of files to fetch before the container starts
    #[arg(long, value_name = "FILE", env = "SOCI_PREFETCH_FILES_JSON")]
    prefetch_files_json: Option<PathBuf>,

    /// Image whose SOCI index has ztocs that may be taken over, such as the tag before; may be repeated
    #[arg(
        long,
        value_name = "REF",
        env = "SOCI_REUSE_FROM",
        value_delimiter = ','
    )]
    reuse_from: Vec<String>,

    /// Fail where no layer is to be indexed
    #[arg(long, env = "SOCI_REQUIRE_LAYERS", value_parser = flag)]
    require_layers: bool,

    /// Print a table of the decisions to stderr [default: where that is a terminal]
    #[arg(long, env = "SOCI_EXPLAIN", value_parser = flag)]
    explain: bool,

    #[command(flatten)]
    common: Common,
}

/// The SOCI indexes to make, as the command line spells them.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Version {
    /// An index found by the referrers API
    V1,
    /// A converted image that names its index
    V2,
    /// Both, over the same ztocs
    Both,
}

impl Tool for Args {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, io: &mut Io) -> Result<(), Failure> {
        let explain = !self.common.quiet && (self.explain || std::io::stderr().is_terminal());
        let require_layers = self.require_layers;
        let request = self.request()?;
        io.each_document(|mut document, _| {
            plan(&mut document, &request)?;
            let planned = count(&document);
            tracing::info!(target: "soci", image = document.image, layers = planned, "planned");
            if explain {
                // A table that nobody sees is no failure.
                drop(std::io::stderr().write_all(explain::table(&document).as_bytes()));
            }
            if planned == 0 {
                nothing(&document, require_layers)?;
            }
            Ok(document)
        })
    }
}

impl Args {
    /// Turns the command line into what is asked for.
    fn request(self) -> Result<Request, Failure> {
        let mut prefetch_files = self.prefetch_file;
        if let Some(path) = &self.prefetch_files_json {
            prefetch_files.extend(prefetch::read(path)?);
        }
        let platforms = match (self.all_platforms, self.platform) {
            (true, _) => None,
            (false, named) if named.is_empty() => Some(vec![Platform::new("linux", "amd64", "")]),
            (false, named) => Some(named),
        };
        let spelled =
            |platforms: &Vec<Platform>| platforms.iter().map(ToString::to_string).collect();
        let plan = Plan {
            platforms: platforms
                .as_ref()
                .map_or_else(|| vec!["all".to_owned()], spelled),
            min_layer_size: self.min_layer_size.0,
            span_size: self.span_size.0,
            index_version: match self.index_version {
                Version::V1 => IndexVersions::V1,
                Version::V2 => IndexVersions::V2,
                Version::Both => IndexVersions::Both,
            },
            optimizations: if self.xattr_optimization {
                vec![Optimization::Xattr]
            } else {
                Vec::new()
            },
            prefetch_files: prefetch::normalized(&prefetch_files),
            reuse_from: reuse::references(&self.reuse_from)?,
            extra: Extra::new(),
        };
        Ok(Request { plan, platforms })
    }
}

/// Counts the layers that are to be indexed.
fn count(document: &Document) -> usize {
    let planned = document.manifests.iter().filter(|entry| entry.is_planned());
    planned
        .map(|entry| {
            entry
                .layers
                .iter()
                .filter(|layer| layer.is_planned())
                .count()
        })
        .sum()
}

/// Says that an image has no layer to index: a warning, or a failure where layers are required.
fn nothing(document: &Document, require_layers: bool) -> Result<(), Failure> {
    const MESSAGE: &str = "no layer is to be indexed";
    const HINT: &str = "see each layer's reason with --explain, or lower --min-layer-size";
    if require_layers {
        return Err(Failure::message(Exit::NothingMatches, MESSAGE).hint(HINT));
    }
    tracing::warn!(target: "soci", image = document.image, hint = HINT, "{MESSAGE}");
    Ok(())
}
