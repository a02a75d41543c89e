//! The command line of `soci-pull`.

use clap::Parser;
use soci_cli::{Common, Failure, Io, RegistryArgs, Tool, flag};
use soci_document::Exit;
use soci_oci::Platform;
use soci_transport::Session;

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
            session: Session::new(&self.registry),
            store: self.common.open_store()?,
            platforms: self.platform,
            progress: io.progress.clone(),
        };
        let mut seen = false;
        for reference in &self.references {
            seen = true;
            one(io, &pull, reference.as_bytes(), self.layers)?;
        }
        while self.references.is_empty()
            && let Some(line) = io.line()?
        {
            seen = true;
            one(io, &pull, &line, self.layers)?;
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

/// Pulls the image of one line. Its failure is reported; only a closed stdout ends the run.
fn one(io: &mut Io, pull: &Pull, line: &[u8], with_layers: bool) -> Result<(), Failure> {
    let (image, result) = pull.line(line, with_layers);
    match result {
        Ok(document) => io.write(&document),
        Err(failure) => {
            io.report(image.as_deref(), failure);
            Ok(())
        }
    }
}
