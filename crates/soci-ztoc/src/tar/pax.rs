//! PAX extended headers: records of the form `length key=value\n` that override header fields.

use std::collections::BTreeMap;

use super::header::Header;
use super::number::decimal;
use crate::error::TarFault;
use crate::time::Timestamp;

/// Records in byte order of their keys; of equal keys the last one counts.
pub(crate) type Records = BTreeMap<Vec<u8>, Vec<u8>>;

const SPARSE_OFFSET: &[u8] = b"GNU.sparse.offset";
const SPARSE_LENGTH: &[u8] = b"GNU.sparse.numbytes";
/// Where the map of a sparse file is kept.
pub(crate) const SPARSE_MAP: &[u8] = b"GNU.sparse.map";

/// Parses the payload of an extended header.
///
/// GNU sparse format 0.0 repeats two keys, once for each fragment; they become one
/// `GNU.sparse.map` record, which is how format 0.1 and the reference store them.
pub(crate) fn parse(mut payload: &[u8]) -> Result<Records, TarFault> {
    let mut records = Records::new();
    let mut fragments: Vec<&[u8]> = Vec::new();
    while !payload.is_empty() {
        let (key, value, rest) = record(payload).ok_or(TarFault::PaxRecord)?;
        payload = rest;
        if key == SPARSE_OFFSET || key == SPARSE_LENGTH {
            let wants_offset = fragments.len().is_multiple_of(2);
            if wants_offset != (key == SPARSE_OFFSET) || value.contains(&b',') {
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

/// Splits off the first record: key, value, rest.
fn record(payload: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = payload.iter().position(|&byte| byte == b' ')?;
    let (digits, _) = payload.split_at_checked(space)?;
    let length = usize::try_from(decimal(digits)?).ok()?;
    if length < 5 {
        return None;
    }
    let (record, rest) = payload.split_at_checked(length)?;
    let body = record.get(space.checked_add(1)?..)?;
    let (&newline, body) = body.split_last()?;
    let equals = body.iter().position(|&byte| byte == b'=')?;
    let (key, value) = body.split_at_checked(equals)?;
    let value = value.get(1..)?;
    let valid = newline == b'\n' && !key.is_empty() && !forbidden_nul(key, value);
    valid.then_some((key, value, rest))
}

/// NUL would cut a name short, so the values of names must not hold it, nor any other key.
fn forbidden_nul(key: &[u8], value: &[u8]) -> bool {
    match key {
        b"path" | b"linkpath" | b"uname" | b"gname" => value.contains(&0),
        _ => key.contains(&0),
    }
}

/// Puts the records' values over the header's; an empty value leaves the header's in place.
pub(crate) fn apply(records: &Records, header: &mut Header) -> Result<(), TarFault> {
    for (key, value) in records {
        if value.is_empty() {
            continue;
        }
        let number = |field| decimal(value).ok_or(TarFault::PaxNumber { field });
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
