//! What was built before, remembered in the store.
//!
//! A note per layer lies in the folder `ztocs` of the store. It is a hint: the ztoc that it names is used only if it is in
//! the store and sound.

use std::io::Write as _;
use std::path::PathBuf;

use soci_layout::Layout;
use soci_oci::{Descriptor, Digest};
use soci_ztoc::Compression;

use crate::built::Built;

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
    let built: Built = serde_json::from_slice(&std::fs::read(note(store, recipe)).ok()?).ok()?;
    if let Built::Ztoc { digest, size, .. } = built {
        store
            .read_blob(&Descriptor::new("", digest, size), size)
            .ok()?;
    }
    Some(built)
}

/// Remembers what was built by `recipe`. A note that cannot be written costs a later run its time, and nothing else.
pub(crate) fn remember(store: &Layout, recipe: &Recipe<'_>, built: &Built) {
    let path = note(store, recipe);
    let write = || {
        let folder = path.parent()?;
        std::fs::create_dir_all(folder).ok()?;
        let mut file = tempfile::NamedTempFile::new_in(folder).ok()?;
        file.write_all(&serde_json::to_vec(built).ok()?).ok()?;
        file.persist(&path).ok()
    };
    if write().is_none() {
        tracing::debug!(target: "soci", note = %path.display(), "cannot write a note");
    }
}

/// Returns the file in which the note on a recipe lies.
fn note(store: &Layout, recipe: &Recipe<'_>) -> PathBuf {
    let Recipe {
        layer,
        compression,
        span_size,
        build_tool_identifier,
    } = recipe;
    let key = format!("1\n{layer}\n{compression:?}\n{span_size}\n{build_tool_identifier}");
    store
        .root()
        .join("ztocs")
        .join(Digest::of(key.as_bytes()).hex())
}
