//! Reads the fields of a ztoc that need a check beyond those of a flatbuffer.

use crate::decode_error::DecodeError;
use crate::flat::FlatTable;

/// Returns a part that every ztoc has.
pub(crate) fn require<T>(part: Option<T>, name: &'static str) -> Result<T, DecodeError> {
    part.ok_or(DecodeError::Missing { part: name })
}

/// Reads a text, which is empty if the table does not have it.
pub(crate) fn read_text<'a>(
    table: &FlatTable<'a, '_>,
    field: usize,
    name: &'static str,
) -> Result<&'a str, DecodeError> {
    let bytes = table.read_bytes(field)?.unwrap_or_default();
    str::from_utf8(bytes).map_err(|source| DecodeError::Utf8 {
        field: name,
        source,
    })
}

/// Reads a size or an offset, which is 0 if the table does not have it.
pub(crate) fn read_unsigned(
    table: &FlatTable<'_, '_>,
    field: usize,
    name: &'static str,
) -> Result<u64, DecodeError> {
    let value = table.read_i64(field)?;
    let unsigned = u64::try_from(value).ok();
    unsigned.ok_or(DecodeError::Negative { field: name, value })
}
