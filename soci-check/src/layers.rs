//! Proves ztocs against their layers.

use soci_cli::Failure;
use soci_document::{Classify as _, Exit};
use soci_oci::{Descriptor, Hasher};
use soci_transport::{BlobReader, TransportError};
use soci_ztoc::Ztoc;

use crate::place::describe;
use crate::rule::Found;
use crate::rules::proof::LAYER_DAMAGED;
use crate::ztocs::LayerAccess;

/// What was found out about a ztoc by reading its layer.
#[derive(Default)]
pub(crate) struct LayerProof {
    /// What is wrong.
    pub(crate) findings: Vec<Found>,
    /// How many compressed bytes of the layer were read.
    pub(crate) bytes: u64,
}

/// Proves a ztoc against its layer.
///
/// # Errors
///
/// Returns an error if the layer cannot be read. A layer that is not what its descriptor says is a
/// finding.
pub(crate) fn prove_layer(
    access: &LayerAccess<'_>,
    layer: &Descriptor,
    _ztoc: &Ztoc,
) -> Result<LayerProof, Failure> {
    let bar = access
        .progress
        .start_part(&layer.digest.short(), layer.size);
    let mut proof = LayerProof::default();
    let read = access.open_layer(layer).and_then(|mut reader| {
        read_layer(&mut reader, layer, |bytes| {
            bar.advance(bytes);
            proof.bytes += bytes;
        })
    });
    bar.finish();
    let damage = match read {
        Ok(true) => return Ok(proof),
        Ok(false) => "has another digest".to_owned(),
        Err(error) => match error.exit() {
            Exit::BadData | Exit::NotFound => describe(&error),
            _ => return Err(error.into()),
        },
    };
    let what = format!("layer `{}`: {damage}", layer.digest);
    let found = LAYER_DAMAGED.found(what).in_layer(layer.digest);
    proof.findings.push(found);
    Ok(proof)
}

/// Reads a layer to its end. Returns whether it has the digest of its descriptor.
fn read_layer(
    reader: &mut BlobReader,
    layer: &Descriptor,
    mut count: impl FnMut(u64),
) -> Result<bool, TransportError> {
    let mut hasher = Hasher::new(layer.digest.algorithm());
    while let Some(chunk) = reader.next_chunk()? {
        hasher.update(&chunk);
        count(chunk.len() as u64);
    }
    Ok(hasher.finish() == layer.digest)
}
