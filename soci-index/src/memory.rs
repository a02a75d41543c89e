//! What was built before, remembered in the store.
//!
//! A note per layer lies in the folder `ztocs` of the store. It is a hint: the ztoc that it names is used only if it is in
//! the store and sound.

use soci_layout::Layout;
use soci_oci::{Descriptor, Digest};
use soci_ztoc::Compression;

use crate::built::Built;

/// The folder of the notes in the store.
const FOLDER: &str = "ztocs";

/// What determines a ztoc, byte for byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe<'a> {
    pub(crate) layer: Digest,
    pub(crate) compression: Compression,
    pub(crate) span_size: u64,
    pub(crate) build_tool_identifier: &'a str,
}

/// Returns what was built by `recipe` before, if that can still be used.
pub(crate) fn recall(store: &Layout, recipe: &Recipe<'_>) -> Option<Built> {
    let note = store.root().join(FOLDER).join(name(recipe));
    let built: Built = serde_json::from_slice(&std::fs::read(note).ok()?).ok()?;
    if let Built::Ztoc { digest, size, .. } = built {
        store
            .read_blob(&Descriptor::new("", digest, size), size)
            .ok()?;
    }
    Some(built)
}

/// Remembers what was built by `recipe`. A note that cannot be written costs a later run its time, and nothing else.
pub(crate) fn remember(store: &Layout, recipe: &Recipe<'_>, built: &Built) {
    let written = serde_json::to_vec(built)
        .ok()
        .map(|note| store.write_private_file(FOLDER, &name(recipe), &note));
    if let Some(Err(error)) = written {
        tracing::debug!(target: "soci", layer = %recipe.layer, "cannot write a note: {error}");
    }
}

/// Returns the name of the file in which the note on a recipe lies.
fn name(recipe: &Recipe<'_>) -> String {
    let Recipe {
        layer,
        compression,
        span_size,
        build_tool_identifier,
    } = recipe;
    let key = format!("1\n{layer}\n{compression:?}\n{span_size}\n{build_tool_identifier}");
    Digest::of(key.as_bytes()).hex()
}
