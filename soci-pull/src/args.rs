//! The command line of `soci-pull`.

use clap::Parser;
use soci_cli::{Common, Failure, Io, Tool, flag};
use soci_document::{Document, Exit};
use soci_oci::Platform;
use soci_registry_args::RegistryArgs;

use crate::pull::Pull;

/// Resolve image references and store their manifests and configurations
///
/// Takes references as arguments, or else from stdin, one a line; a line that is a document is taken too. Writes one
/// document per image to stdout.
#[derive(Debug, Parser)]
#[command(
    name = "soci-pull",
    version,
    after_help = "Examples:\n  soci-pull registry.example/app:v1 | soci-plan | soci-index | soci-push\n  soci-pull oci:./layout:v1 > image.json\n  soci-pull --layers < plan.json > plan-with-layers.json"
)]
pub struct Args {
    /// Images: [registry/]repository[:tag][@digest], oci:DIR[:name] or oci-archive:FILE[:name]
    #[arg(value_name = "REF")]
    references: Vec<String>,

    /// Platform to fetch, os/arch[/variant]; may be repeated [default: all of the image]
    #[arg(
        long,
        value_name = "PLATFORM",
        env = "SOCI_PLATFORM",
        value_delimiter = ','
    )]
    platform: Vec<Platform>,

    /// Store the layers as well (of a planned document: only those to be indexed)
    #[arg(long, env = "SOCI_LAYERS", value_parser = flag)]
    layers: bool,

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
        let pull = Pull {
            session: self.registry.session(),
            store: self.common.open_store()?,
            platforms: self.platform,
            progress: io.progress.clone(),
        };
        let mut seen = false;
        for reference in &self.references {
            seen = true;
            let pulled = pull.image(reference, self.layers);
            finish(io, Some(reference), pulled)?;
        }
        while self.references.is_empty()
            && let Some(line) = io.read_line()?
        {
            seen = true;
            let (image, pulled) = pull.line(&line, self.layers);
            finish(io, image.as_deref(), pulled)?;
        }
        if seen {
            Ok(())
        } else {
            Err(Failure::message(
                Exit::NoInput,
                "no reference is given, and stdin holds none",
            ))
        }
    }
}

/// Writes the document of one image, or reports why there is none; only a closed stdout ends the run.
fn finish(
    io: &mut Io,
    image: Option<&str>,
    pulled: Result<Document, Failure>,
) -> Result<(), Failure> {
    match pulled {
        Ok(document) => io.write_document(&document),
        Err(failure) => {
            io.fail_document(image, failure);
            Ok(())
        }
    }
}
