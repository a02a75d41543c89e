//! The command line of `soci-plan`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::Parser;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use soci_cli::{
    CommonArgs, Failure, Io, OutputArgs, OutputFormat, Platforms, SizeArgument, Tool, parse_flag,
    print_decisions,
};
use soci_document::{Document, IndexVersions, Optimization, Plan};
use soci_oci::Platform;

use crate::nothing::NothingToIndex;
use crate::plan::{PlanRequest, plan_document};
use crate::skipped::tell_skipped;
use crate::{prefetch, reuse, tag};

/// Decide which manifests and layers of an image are indexed
///
/// Reads documents from stdin and writes them to stdout. Each manifest and layer gets a decision:
/// index it, or skip it for a reason.
#[derive(Debug, Parser)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
#[command(
    name = "soci-plan",
    version,
    after_help = "Examples:\n  soci-pull registry.example/app:v1 | soci-plan --platform arm64 > plan.json\n  soci-plan --min-layer-size 50MB --explain < image.json > plan.json\n  soci-plan --reuse-from registry.example/app:v0 < image.json > plan.json",
    after_long_help = "Examples:\n  soci-pull registry.example/app:v1 | soci-plan --platform linux/amd64,linux/arm64 > plan.json\n  soci-plan --min-layer-size 50MB --explain < image.json > plan.json\n  soci-plan --reuse-from registry.example/app:v0 < image.json > plan.json\n  soci-plan < image.json \\\n    | jq -c '(.manifests[]?.layers[] | select(.descriptor.size > 1e9)).plan\n        = {action: \"skip\", reason: \"excluded\"}' \\\n    | soci-index"
)]
pub struct Args {
    /// Platforms to index, such as amd64,arm64 [default: linux/amd64]
    ///
    /// A platform is [os/]architecture[/variant]. Commas separate several; the option may also be
    /// repeated.
    #[arg(
        long,
        value_name = "PLATFORM",
        env = "SOCI_PLATFORM",
        conflicts_with = "all_platforms"
    )]
    platform: Vec<Platforms>,

    /// Index every platform of the image
    #[arg(long, env = "SOCI_ALL_PLATFORMS", value_parser = parse_flag)]
    all_platforms: bool,

    /// Skip layers that are smaller than this
    ///
    /// A size is a number of bytes, or a number with a unit: M or MiB is 1,048,576 bytes, and MB is
    /// 1,000,000. The size of a layer is that in the manifest.
    #[arg(
        long,
        value_name = "SIZE",
        env = "SOCI_MIN_LAYER_SIZE",
        default_value = "10MiB"
    )]
    min_layer_size: SizeArgument,

    /// Uncompressed bytes between two checkpoints of a ztoc
    #[arg(
        long,
        hide_short_help = true,
        value_name = "SIZE",
        env = "SOCI_SPAN_SIZE",
        default_value = "4MiB"
    )]
    span_size: SizeArgument,

    /// SOCI indexes to build: v1, v2 or both
    #[arg(
        long,
        value_name = "VERSION",
        env = "SOCI_INDEX_VERSION",
        default_value = "both",
        value_parser = index_versions()
    )]
    index_version: IndexVersions,

    /// Mark layers without extended attributes, so that the snapshotter need not look for any
    #[arg(long, hide_short_help = true, env = "SOCI_XATTR_OPTIMIZATION", value_parser = parse_flag)]
    xattr_optimization: bool,

    /// Path in the image of a file to fetch before the container starts; may be repeated
    #[arg(
        long,
        hide_short_help = true,
        value_name = "PATH",
        env = "SOCI_PREFETCH_FILE",
        value_delimiter = ','
    )]
    prefetch_file: Vec<String>,

    /// File with a JSON array of paths, each as for --prefetch-file
    #[arg(
        long,
        hide_short_help = true,
        value_name = "FILE",
        env = "SOCI_PREFETCH_FILES_JSON"
    )]
    prefetch_files_json: Option<PathBuf>,

    /// Image whose ztocs to reuse
    ///
    /// It may be the previous tag, or an image with the same base. The ztocs are reused for layers
    /// that both images have. The option may be repeated.
    #[arg(
        long,
        value_name = "REF",
        env = "SOCI_REUSE_FROM",
        value_delimiter = ','
    )]
    reuse_from: Vec<String>,

    /// Fail if no layer is to be indexed
    #[arg(long, hide_short_help = true, env = "SOCI_REQUIRE_LAYERS", value_parser = parse_flag)]
    require_layers: bool,

    /// Print the decisions to stderr, as a table [default: only to a terminal]
    #[arg(long, env = "SOCI_EXPLAIN", value_parser = parse_flag)]
    explain: bool,

    #[command(flatten)]
    output: OutputArgs,

    #[command(flatten)]
    common: CommonArgs,
}

/// Parses the versions of SOCI indexes to build, and describes them in the help text.
fn index_versions() -> impl TypedValueParser<Value = IndexVersions> {
    let values = [
        PossibleValue::new("v1")
            .alias("1")
            .help("An index that readers find through the referrers API"),
        PossibleValue::new("v2")
            .alias("2")
            .help("A converted image that names its index"),
        PossibleValue::new("both").help("Both, over the same ztocs"),
    ];
    PossibleValuesParser::new(values).map(|version| match version.to_ascii_lowercase().as_str() {
        "v1" | "1" => IndexVersions::V1,
        "v2" | "2" => IndexVersions::V2,
        _ => IndexVersions::Both,
    })
}

impl Tool for Args {
    fn common_args(&self) -> &CommonArgs {
        &self.common
    }

    fn output_format(&self) -> OutputFormat {
        self.output.format
    }

    fn run(self, io: &mut Io) -> Result<(), Failure> {
        let is_shown = !self.common.quiet && std::io::stderr().is_terminal();
        let explain = self.explain || is_shown;
        let require_layers = self.require_layers;
        self.min_layer_size
            .warn_if_implausible("--min-layer-size (SOCI_MIN_LAYER_SIZE)");
        self.span_size
            .warn_if_implausible("--span-size (SOCI_SPAN_SIZE)");
        let request = self.into_request()?;
        io.for_each_document(|mut document, progress| {
            plan_document(&mut document, &request)?;
            tag::warn_of_long_tag(&document);
            let layers = count_planned_layers(&document);
            tracing::info!(image = document.image.as_str(), layers, "planned");
            if explain {
                print_decisions(&document, progress);
            } else if layers > 0 {
                tell_skipped(&document);
            }
            if layers == 0 {
                match NothingToIndex::explain(&document) {
                    None => {
                        let image = document.image.as_str();
                        tracing::info!(image, "unchanged: already converted");
                    }
                    Some(nothing) if require_layers => return Err(nothing.into_failure()),
                    Some(nothing) => nothing.warn(&document),
                }
            }
            Ok(document)
        })
    }
}

impl Args {
    /// Converts the command line into the request that is applied to every document.
    fn into_request(self) -> Result<PlanRequest, Failure> {
        let mut prefetch_files = self.prefetch_file;
        if let Some(list) = &self.prefetch_files_json {
            prefetch_files.extend(prefetch::read_paths(list)?);
        }
        let platforms = match (self.all_platforms, self.platform) {
            (true, _) => None,
            (false, named) if named.is_empty() => Some(vec![Platform::new("linux", "amd64", "")]),
            (false, named) => Some(Platforms::merge(named)),
        };
        let plan = Plan {
            platforms: platforms.as_ref().map_or_else(
                || vec!["all".to_owned()],
                |platforms| platforms.iter().map(ToString::to_string).collect(),
            ),
            min_layer_size: self.min_layer_size.size.0,
            span_size: self.span_size.size.0,
            index_version: self.index_version,
            optimizations: if self.xattr_optimization {
                vec![Optimization::Xattr]
            } else {
                Vec::new()
            },
            prefetch_files: prefetch::normalize_paths(&prefetch_files),
            reuse_from: reuse::parse_references(&self.reuse_from)?,
        };
        Ok(PlanRequest { plan, platforms })
    }
}

/// Counts the layers that are to be indexed. A layer of two manifests counts twice.
fn count_planned_layers(document: &Document) -> usize {
    document
        .manifests
        .iter()
        .filter(|entry| entry.is_planned())
        .flat_map(|entry| &entry.layers)
        .filter(|layer| layer.is_planned())
        .count()
}
