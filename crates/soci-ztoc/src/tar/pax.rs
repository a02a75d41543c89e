//! PAX extended headers: records of the form `length key=value\n` that override header fields.

use std::collections::BTreeMap;

use super::header::Header;
use super::number::parse_decimal;
use crate::error::TarFault;
use crate::time::Timestamp;

/// Records by key. If a key occurs twice, the last value counts.
pub(crate) type Records = BTreeMap<Vec<u8>, Vec<u8>>;

const SPARSE_OFFSET: &[u8] = b"GNU.sparse.offset";
const SPARSE_LENGTH: &[u8] = b"GNU.sparse.numbytes";
/// The key of the map of a sparse file.
pub(crate) const SPARSE_MAP: &[u8] = b"GNU.sparse.map";

/// A record of an extended header.
struct Record<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

/// Parses the payload of an extended header.
///
/// GNU sparse format 0.0 repeats two keys, once for each fragment. They are joined to one
/// `GNU.sparse.map` record, which is how format 0.1 and the reference store them.
pub(crate) fn parse_records(mut payload: &[u8]) -> Result<Records, TarFault> {
    let mut records = Records::new();
    let mut fragments: Vec<&[u8]> = Vec::new();
    while !payload.is_empty() {
        let Record { key, value } = split_record(&mut payload).ok_or(TarFault::PaxRecord)?;
        if key == SPARSE_OFFSET || key == SPARSE_LENGTH {
            let expects_offset = fragments.len().is_multiple_of(2);
            if expects_offset != (key == SPARSE_OFFSET) || value.contains(&b',') {
                return Err(TarFault::PaxRecord);
            }
            fragments.push(value);
        } else {
            records.insert(key.to_vec(), value.to_vec());
        }
    }
    if !fragments.is_empty() {
        records.insert(SPARSE_MAP.to_vec(), fragments.join(&b','));
    }
    Ok(records)
}

/// Removes the first record from the payload and returns it.
fn split_record<'a>(payload: &mut &'a [u8]) -> Option<Record<'a>> {
    let space = payload.iter().position(|&byte| byte == b' ')?;
    let (digits, _) = payload.split_at_checked(space)?;
    let length = usize::try_from(parse_decimal(digits)?).ok()?;
    if length < 5 {
        return None;
    }
    let (record, rest) = payload.split_at_checked(length)?;
    let body = record.get(space.checked_add(1)?..)?;
    let (&newline, body) = body.split_last()?;
    let equals = body.iter().position(|&byte| byte == b'=')?;
    let (key, value) = body.split_at_checked(equals)?;
    let value = value.get(1..)?;
    let is_valid = newline == b'\n' && !key.is_empty() && !has_forbidden_nul(key, value);
    *payload = rest;
    is_valid.then_some(Record { key, value })
}

/// Returns whether a record holds a NUL that Go refuses: in the value of a name, else in the key.
fn has_forbidden_nul(key: &[u8], value: &[u8]) -> bool {
    match key {
        b"path" | b"linkpath" | b"uname" | b"gname" => value.contains(&0),
        _ => key.contains(&0),
    }
}

/// Overrides the fields of a header with the values of records. Empty values override nothing.
pub(crate) fn apply_records(records: &Records, header: &mut Header) -> Result<(), TarFault> {
    for (key, value) in records {
        if value.is_empty() {
            continue;
        }
        let number = |field| parse_decimal(value).ok_or(TarFault::PaxNumber { field });
        let time = |field| Timestamp::parse_pax(value).ok_or(TarFault::PaxNumber { field });
        match key.as_slice() {
            b"path" => header.name.clone_from(value),
            b"linkpath" => header.linkname.clone_from(value),
            b"uname" => header.uname.clone_from(value),
            b"gname" => header.gname.clone_from(value),
            b"uid" => header.uid = number("uid")?,
            b"gid" => header.gid = number("gid")?,
            b"size" => header.size = number("size")?,
            b"mtime" => header.mtime = time("mtime")?,
            b"atime" => drop(time("atime")?),
            b"ctime" => drop(time("ctime")?),
            _ => {}
        }
    }
    Ok(())
}
