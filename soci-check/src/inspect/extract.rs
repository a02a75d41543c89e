//! Writes the content of one file.

use std::io::IsTerminal as _;

use soci_cli::{Failure, Io};
use soci_document::{Classify as _, Exit};
use soci_oci::printable::acts_on_display;
use soci_ztoc::FileMetadata;
use soci_ztoc::extract::ExtractError;

use super::Stopped;
use super::image::{InspectedImage, RangeError};
use super::path::{Path, display_path};
use super::tree::{Found, Tree, fail};

/// Bytes that are read and written at a time.
const CHUNK_SIZE: u64 = 1 << 20;

/// Writes the content of the file at a path, which its spans hold.
pub(super) fn write_file(io: &mut Io, image: &InspectedImage, path: &str) -> Result<(), Stopped> {
    let path = Path::of_user(path);
    let tree = Tree::new(image);
    let file = tree.find(&path)?;
    match tree.unknown_above(&file) {
        0 => {}
        count => tracing::warn!(
            image = image.name,
            "{count} layers above that of `{}` have no ztoc, and may replace or remove it",
            display_path(&path)
        ),
    }
    let metadata = file.metadata();
    if !metadata.entry_type.has_contents() {
        let what = format!(
            "is of type `{}`, which has no content",
            metadata.entry_type.as_str()
        );
        return Err(fail(&path, &what).into());
    }
    if is_sparse(metadata) {
        let what = "is a sparse file, of which a ztoc has only the fragments";
        return Err(fail(&path, what).into());
    }
    copy_content(io, image, &file)
}

/// Reads the content in parts, so that it may be larger than memory.
fn copy_content(io: &mut Io, image: &InspectedImage, file: &Found<'_>) -> Result<(), Stopped> {
    let metadata = file.metadata();
    let start = metadata.uncompressed_offset;
    let size = u64::try_from(metadata.uncompressed_size).unwrap_or(0);
    let end = start.saturating_add(size);
    let layer = &file.layer.layer;
    let mut reader = image.open_layer(layer, file.ztoc)?;
    let is_terminal = std::io::stdout().is_terminal();
    let mut at = start;
    while at < end {
        let next = at.saturating_add(CHUNK_SIZE).min(end);
        let bytes = reader.read_bytes(at, next);
        let bytes = bytes.map_err(|error| {
            let context = format!("cannot read layer `{}` through its ztoc", layer.digest);
            explain(error).context(context)
        })?;
        if is_terminal && acts_on_terminal(&bytes) {
            let message = "the file has control characters, which would act on the terminal";
            let failure = Failure::message(Exit::Usage, message);
            return Err(failure.hint("write it to a file or a pipe").into());
        }
        io.write_bytes(&bytes).map_err(Stopped::Output)?;
        at = next;
    }
    Ok(())
}

/// Returns whether bytes have characters other than text, tabs and line ends.
fn acts_on_terminal(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .any(|character| acts_on_display(character) && !matches!(character, '\n' | '\t'))
}

/// Returns whether an entry is a sparse file of GNU tar, by its PAX records.
fn is_sparse(entry: &FileMetadata) -> bool {
    let mut records = entry.xattrs.iter();
    records.any(|record| record.key.starts_with(b"GNU.sparse."))
}

fn explain(error: ExtractError<RangeError>) -> Failure {
    let hint = "check the image with soci-check, and build its index again";
    match error {
        ExtractError::Source {
            source: RangeError::Read(error),
            ..
        } => {
            let exit = error.exit();
            Failure::new(exit, *error)
        }
        ExtractError::Source {
            span,
            source: RangeError::Malformed,
        } => {
            let message = format!("span {span} is not within the layer, or is too long");
            Failure::message(Exit::BadData, message).hint(hint)
        }
        other => Failure::message(Exit::BadData, other.to_string()).hint(hint),
    }
}
