//! The command line of `soci-pull`.

use clap::Parser;
use soci_cli::{
    CommonArgs, Failure, IN_FLIGHT, Images, InWork, Io, OutputArgs, OutputFormat, Platforms,
    Request, Tool, Variable, parse_flag,
};
use soci_registry_args::{RegistryArgs, VARIABLES};

use crate::pull::Puller;

/// Resolve image references and store their manifests and configurations
///
/// Takes references as arguments. Without arguments, reads one reference per line from stdin; a
/// line may also hold a document of an earlier run. Writes one document per image to stdout.
#[derive(Debug, Parser)]
#[command(
    name = "soci-pull",
    version,
    after_help = "Examples:\n  soci-pull registry.example/app:v1 | soci-plan | soci-index | soci-push\n  soci-pull oci:./layout:v1 > image.json\n  soci-pull --layers < plan.json > plan-with-layers.json"
)]
pub struct Args {
    /// Image, such as registry.example/app:v1
    ///
    /// It is [registry/]repository[:tag][@digest], oci:DIR[:name], oci-archive:FILE[:name] or
    /// docker-archive:FILE[:name].
    #[arg(value_name = "REF")]
    references: Vec<String>,

    /// Platforms to fetch, such as amd64,arm64 [default: all]
    ///
    /// A platform is [os/]architecture[/variant]. Commas separate several; the option may also be
    /// repeated.
    #[arg(long, value_name = "PLATFORM", env = "SOCI_PLATFORM")]
    platform: Vec<Platforms>,

    /// Store the layers as well
    ///
    /// If a document has a plan, only the layers to be indexed are stored.
    #[arg(long, env = "SOCI_LAYERS", value_parser = parse_flag)]
    layers: bool,

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
        let puller = Puller {
            session: self.registry.session(),
            store: self.common.open_store()?,
            platforms: Platforms::merge(self.platform),
            with_layers: self.layers,
            progress: io.progress.clone(),
            layers_in_work: InWork::default(),
        };
        let images = Images {
            references: &self.references,
            input: "references",
            takes_references: true,
            in_flight: IN_FLIGHT,
        };
        io.work_on(images, |request| {
            Ok(match request {
                Request::Reference(text) => {
                    let image = puller.parse(text)?;
                    let reference = image.reference().clone();
                    puller.schedule(&reference, move |puller| puller.pull(&image))
                }
                Request::Document(document) => {
                    let image = document.image.reference().clone();
                    puller.session.claim_password_for(&image)?;
                    puller.schedule(&image, move |puller| puller.complete(*document))
                }
            })
        })
    }
}
