//! The state machine that finds entries in a tar which arrives in pieces.

use std::mem;

use super::header::{Format, Header};
use super::pax::{self, Records};
use super::sparse::{self, Progress, Version};
use super::toc::{Toc, TocBuilder};
use super::{BLOCK, SPECIAL_LIMIT};
use crate::error::{ScanError, TarFault};
use crate::limits::Limits;

/// Collects the entries of a tar. Errors are kept until [`TarReader::finish`]: what is wrong with
/// the compressed stream around the tar comes first, even when it comes later.
#[derive(Debug)]
pub(crate) struct TarReader {
    state: State,
    /// Uncompressed bytes consumed.
    position: u64,
    /// The block being collected.
    block: [u8; BLOCK],
    /// Bytes of `block` that are in; less than [`BLOCK`] between calls.
    filled: usize,
    /// Payload of the special entry being collected.
    payload: Vec<u8>,
    pending: Pending,
    toc: TocBuilder,
}

/// What extended headers say about the next entry.
#[derive(Debug, Default)]
struct Pending {
    records: Records,
    long_name: Vec<u8>,
    long_link: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Passing contents, then the padding up to the next block.
    Skip {
        contents: u64,
        padding: u64,
    },
    /// Collecting a header.
    Header,
    /// Collecting the block after a block of zeros.
    SecondZero,
    /// Collecting the payload of a special entry.
    Special(Special),
    /// Collecting the sparse map before a file's contents.
    SparseMap(Box<SparseFile>),
    /// The archive is complete; whatever follows is not part of it.
    End,
    Failed(ScanError),
}

#[derive(Clone, Copy, Debug)]
struct Special {
    typeflag: u8,
    /// Payload bytes still to come, at most one more than is allowed.
    left: u64,
    padding: u64,
}

#[derive(Debug)]
struct SparseFile {
    header: Header,
    records: Records,
    map: sparse::Map,
    contents: u64,
    padding: u64,
}

impl TarReader {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            state: State::Header,
            position: 0,
            block: [0; BLOCK],
            filled: 0,
            payload: Vec::new(),
            pending: Pending::default(),
            toc: TocBuilder::new(limits),
        }
    }

    /// Takes the next bytes of the tar.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_settled() {
            if let Err(error) = self.step(&mut bytes) {
                self.state = State::Failed(error);
            }
        }
    }

    /// Says whether the end of the archive or an error was found, so that no later byte matters.
    pub(crate) const fn is_settled(&self) -> bool {
        matches!(self.state, State::End | State::Failed(_))
    }

    /// Makes the next byte unreadable, for `error`, unless no next byte is needed.
    pub(crate) fn break_off(&mut self, error: ScanError) {
        if !self.is_settled() {
            self.state = State::Failed(error);
        }
    }

    /// Declares the end of the stream. A tar may lack its end-of-archive blocks, and even the
    /// padding of its last entry.
    pub(crate) fn finish(self) -> Result<Toc, ScanError> {
        let part = match self.state {
            State::Failed(error) => return Err(error),
            State::Skip { contents: 1.., .. } => Some("the contents of an entry"),
            State::Special(_) => Some("an extended header"),
            State::SparseMap(_) => Some("the map of a sparse file"),
            State::Header | State::SecondZero if self.filled > 0 => Some("a header"),
            State::Skip { .. } | State::Header | State::SecondZero | State::End => None,
        };
        if let Some(part) = part {
            let offset = self.position;
            return Err(ScanError::TarTruncated { offset, part });
        }
        Ok(self.toc.finish(self.position))
    }

    fn step(&mut self, bytes: &mut &[u8]) -> Result<(), ScanError> {
        match &mut self.state {
            State::Skip { contents, padding } => {
                let passed = split_front(bytes, *contents).len() as u64;
                *contents = contents.saturating_sub(passed);
                let padded = split_front(bytes, *padding).len() as u64;
                *padding = padding.saturating_sub(padded);
                if *contents == 0 && *padding == 0 {
                    self.state = State::Header;
                }
                self.advance(passed);
                self.advance(padded);
                Ok(())
            }
            State::Special(special) => {
                let taken = split_front(bytes, special.left);
                self.payload.extend_from_slice(taken);
                special.left = special.left.saturating_sub(taken.len() as u64);
                let special = *special;
                self.advance(taken.len() as u64);
                self.settle_special(special)
            }
            State::Header => self.collect_block(bytes, Self::header),
            State::SecondZero => self.collect_block(bytes, Self::second_zero),
            State::SparseMap(_) => self.collect_block(bytes, Self::sparse_map),
            State::End | State::Failed(_) => Ok(()),
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.position = self.position.saturating_add(bytes);
    }

    fn collect_block(
        &mut self,
        bytes: &mut &[u8],
        then: impl FnOnce(&mut Self) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        let room = self.block.get_mut(self.filled..).unwrap_or_default();
        let taken = split_front(bytes, room.len() as u64);
        if let Some(room) = room.get_mut(..taken.len()) {
            room.copy_from_slice(taken);
        }
        self.filled = self.filled.saturating_add(taken.len());
        self.advance(taken.len() as u64);
        if self.filled < BLOCK {
            return Ok(());
        }
        self.filled = 0;
        then(self)
    }

    fn header(&mut self) -> Result<(), ScanError> {
        if self.block.iter().all(|&byte| byte == 0) {
            self.state = State::SecondZero;
            return Ok(());
        }
        let header = Header::parse(&self.block).map_err(|fault| self.invalid(fault))?;
        // The size is checked before an extended header may replace it.
        let contents = header
            .content_length()
            .map_err(|fault| self.invalid(fault))?;
        match header.typeflag {
            typeflag @ (b'x' | b'g' | b'L' | b'K') => {
                self.payload.clear();
                self.settle_special(Special {
                    typeflag,
                    left: contents.min(SPECIAL_LIMIT.saturating_add(1)),
                    padding: padding(contents),
                })
            }
            _ => self.file(header),
        }
    }

    fn second_zero(&mut self) -> Result<(), ScanError> {
        if self.block.iter().all(|&byte| byte == 0) {
            self.state = State::End;
            return Ok(());
        }
        Err(self.invalid(TarFault::LoneZeroBlock))
    }

    /// Uses the payload of a special entry once all of it is there.
    fn settle_special(&mut self, special: Special) -> Result<(), ScanError> {
        if special.left > 0 {
            self.state = State::Special(special);
            return Ok(());
        }
        if self.payload.len() as u64 > SPECIAL_LIMIT {
            return Err(self.too_long("an extended header or long name"));
        }
        match special.typeflag {
            b'L' => self.pending.long_name = super::number::c_string(&self.payload).to_vec(),
            b'K' => self.pending.long_link = super::number::c_string(&self.payload).to_vec(),
            typeflag => {
                let records = pax::parse(&self.payload).map_err(|fault| self.invalid(fault))?;
                if typeflag == b'g' {
                    return Err(ScanError::UnsupportedEntryType {
                        typeflag,
                        name: b"PAX global header".to_vec(),
                        offset: self.position,
                    });
                }
                self.pending.records = records;
            }
        }
        self.skip(0, special.padding);
        Ok(())
    }

    /// Takes the header of a file, link, directory or device.
    fn file(&mut self, mut header: Header) -> Result<(), ScanError> {
        let pending = mem::take(&mut self.pending);
        let records = pending.records;
        pax::apply(&records, &mut header).map_err(|fault| self.invalid(fault))?;
        if !pending.long_name.is_empty() {
            header.name = pending.long_name;
        }
        if !pending.long_link.is_empty() {
            header.linkname = pending.long_link;
        }
        if header.typeflag == 0 {
            // Old tars mark directories by nothing but a slash.
            let directory = header.name.ends_with(b"/");
            header.typeflag = if directory { b'5' } else { b'0' };
        }
        let contents = header
            .content_length()
            .map_err(|fault| self.invalid(fault))?;
        if header.typeflag == b'S' && header.format != Format::Gnu {
            return Err(self.invalid(TarFault::SparseFormat));
        }
        let version = Version::of(&records).filter(|_| header.typeflag != b'S');
        match version {
            None => self.entry(header, records, contents, padding(contents)),
            Some(version) => self.sparse(header, records, contents, version),
        }
    }

    /// Replaces name and size of a sparse file by its real ones and looks at its map.
    fn sparse(
        &mut self,
        mut header: Header,
        records: Records,
        contents: u64,
        version: Version,
    ) -> Result<(), ScanError> {
        if let Some(name) = sparse::name(&records) {
            header.name = name.to_vec();
        }
        let size = sparse::logical_size(&records).map_err(|fault| self.invalid(fault))?;
        header.size = size.unwrap_or(header.size);
        let padding = padding(contents);
        if version == Version::InContents {
            return self.await_sparse_map(SparseFile {
                header,
                records,
                map: sparse::Map::default(),
                contents,
                padding,
            });
        }
        sparse::check_records(&records, header.size).map_err(|fault| self.invalid(fault))?;
        if header.is_header_only() {
            return Err(self.invalid(TarFault::SparseMap));
        }
        self.entry(header, records, contents, padding)
    }

    /// Waits for the next block of a sparse map, which must lie within the file's contents.
    fn await_sparse_map(&mut self, file: SparseFile) -> Result<(), ScanError> {
        if file.contents < BLOCK as u64 {
            let offset = self.position.saturating_add(file.contents);
            let part = "the map of a sparse file";
            return Err(ScanError::TarTruncated { offset, part });
        }
        self.state = State::SparseMap(Box::new(file));
        Ok(())
    }

    fn sparse_map(&mut self) -> Result<(), ScanError> {
        let State::SparseMap(mut file) = mem::replace(&mut self.state, State::Header) else {
            return Ok(());
        };
        file.contents = file.contents.saturating_sub(BLOCK as u64);
        let progress = file.map.push(&self.block);
        match progress.map_err(|fault| self.invalid(fault))? {
            Progress::More => self.await_sparse_map(*file),
            Progress::TooLong => Err(self.too_long("the map of a sparse file")),
            Progress::Complete => {
                let SparseFile { header, map, .. } = &*file;
                map.check(header.size)
                    .map_err(|fault| self.invalid(fault))?;
                if header.is_header_only() {
                    return Err(self.invalid(TarFault::SparseMap));
                }
                self.entry(file.header, file.records, file.contents, file.padding)
            }
        }
    }

    fn entry(
        &mut self,
        header: Header,
        records: Records,
        contents: u64,
        padding: u64,
    ) -> Result<(), ScanError> {
        self.toc.push(header, records, self.position)?;
        self.skip(contents, padding);
        Ok(())
    }

    fn skip(&mut self, contents: u64, padding: u64) {
        self.state = if contents == 0 && padding == 0 {
            State::Header
        } else {
            State::Skip { contents, padding }
        };
    }

    const fn invalid(&self, fault: TarFault) -> ScanError {
        let offset = self.position;
        ScanError::TarHeader { offset, fault }
    }

    const fn too_long(&self, part: &'static str) -> ScanError {
        ScanError::ExtensionTooLong {
            offset: self.position,
            part,
            limit: SPECIAL_LIMIT,
        }
    }
}

/// Bytes from the end of contents of this length to the next block.
const fn padding(contents: u64) -> u64 {
    contents.wrapping_neg() & (BLOCK as u64).wrapping_sub(1)
}

/// Takes at most `limit` bytes off the front.
fn split_front<'a>(bytes: &mut &'a [u8], limit: u64) -> &'a [u8] {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (front, rest) = bytes.split_at(limit.min(bytes.len()));
    *bytes = rest;
    front
}
