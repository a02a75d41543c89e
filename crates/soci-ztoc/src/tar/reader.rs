//! The state machine that finds the entries of a tar which arrives in chunks.

mod skip;
mod sparse_entry;

use std::mem;

use super::header::{Format, Header};
use super::number::c_string;
use super::pax::{self, Records};
use super::sparse::{ContentMap, SparseFormat};
use super::toc::{Toc, TocBuilder};
use super::{BLOCK_SIZE, MAX_EXTENSION_SIZE, SPARSE_MAP_PART};
use crate::entry::EntryType;
use crate::error::{ScanError, TarFault};
use crate::limits::Limits;

/// Collects the entries of a tar.
///
/// Errors are kept until [`TarReader::finish`]: an error in the gzip stream around the tar takes
/// precedence, even if it is found later.
#[derive(Debug)]
pub(crate) struct TarReader {
    state: State,
    /// Uncompressed bytes consumed.
    position: u64,
    /// The block that is being collected.
    block: [u8; BLOCK_SIZE],
    /// Number of bytes of `block` that have arrived; less than [`BLOCK_SIZE`] between calls.
    filled: usize,
    /// Payload of the extension that is being collected.
    payload: Vec<u8>,
    overrides: Overrides,
    /// Whether entries that a ztoc cannot hold are left out, instead of ending the tar.
    ignores_unsupported: bool,
    toc: TocBuilder,
}

/// What extensions say about the next entry.
#[derive(Debug, Default)]
struct Overrides {
    records: Records,
    long_name: Vec<u8>,
    long_link: Vec<u8>,
}

/// What the next bytes are.
#[derive(Debug)]
enum State {
    /// Contents, then the padding up to the next block.
    Contents { left: u64, padding: u64 },
    /// A header.
    Header,
    /// The block after a block of zeros.
    SecondZeroBlock,
    /// The payload of an extension.
    Extension(Extension),
    /// The map of a sparse file, before its contents.
    SparseMap(Box<SparseFile>),
    /// Not part of the archive, which is complete.
    EndOfArchive,
    /// Not read any more, because of an error.
    Failed(ScanError),
}

/// An entry that describes the next one: a PAX header, or a GNU long name or long link.
#[derive(Clone, Copy, Debug)]
struct Extension {
    typeflag: u8,
    /// Payload bytes still to come. One byte more than [`MAX_EXTENSION_SIZE`] is collected, to find
    /// payloads that are too long.
    left: u64,
    padding: u64,
}

/// A sparse file whose map is being collected.
#[derive(Debug)]
struct SparseFile {
    header: Header,
    records: Records,
    map: ContentMap,
    /// Content bytes still to come, including those of the map.
    left: u64,
    padding: u64,
}

impl TarReader {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            state: State::Header,
            position: 0,
            block: [0; BLOCK_SIZE],
            filled: 0,
            payload: Vec::new(),
            overrides: Overrides::default(),
            ignores_unsupported: false,
            toc: TocBuilder::new(limits),
        }
    }

    /// Reads the next bytes of the tar.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.is_done() {
            if let Err(error) = self.read_part(&mut bytes) {
                self.state = State::Failed(error);
            }
        }
    }

    /// Returns whether the end of the archive or an error was found, so that further bytes do not
    /// matter.
    pub(crate) const fn is_done(&self) -> bool {
        matches!(self.state, State::EndOfArchive | State::Failed(_))
    }

    /// Removes and returns the entries found since the last call, which are not collected then.
    pub(crate) fn take_entries(&mut self) -> Toc {
        self.toc.take_entries(self.position)
    }

    /// Returns the error of a limit that was exceeded.
    pub(crate) const fn exceeded_limit(&self) -> Option<&ScanError> {
        match &self.state {
            State::Failed(error @ ScanError::Limit { .. }) => Some(error),
            _ => None,
        }
    }

    /// Returns the fewest bytes that the entries take in a ztoc.
    pub(crate) const fn table_size(&self) -> u64 {
        self.toc.ztoc_bytes()
    }

    /// Returns the bytes of memory that the entries take.
    pub(crate) const fn table_memory(&self) -> u64 {
        self.toc.memory()
    }

    /// Makes the tar end here with `error`, unless it has ended before.
    pub(crate) fn fail(&mut self, error: ScanError) {
        if !self.is_done() {
            self.state = State::Failed(error);
        }
    }

    /// Declares the end of the stream. A tar may lack its end-of-archive blocks, and even the
    /// padding of its last entry.
    pub(crate) fn finish(self) -> Result<Toc, ScanError> {
        let part = match self.state {
            State::Failed(error) => return Err(error),
            State::Contents { left: 1.., .. } => Some("the contents of an entry"),
            State::Extension(_) => Some("an extended header"),
            State::SparseMap(_) => Some(SPARSE_MAP_PART),
            State::Header | State::SecondZeroBlock if self.filled > 0 => Some("a header"),
            State::Contents { .. }
            | State::Header
            | State::SecondZeroBlock
            | State::EndOfArchive => None,
        };
        if let Some(part) = part {
            let offset = self.position;
            return Err(ScanError::TarTruncated { offset, part });
        }
        Ok(self.toc.finish(self.position))
    }

    fn read_part(&mut self, bytes: &mut &[u8]) -> Result<(), ScanError> {
        match &mut self.state {
            State::Contents { left, padding } => {
                let skipped = split_front(bytes, *left).len() as u64;
                *left = left.saturating_sub(skipped);
                let padded = split_front(bytes, *padding).len() as u64;
                *padding = padding.saturating_sub(padded);
                if *left == 0 && *padding == 0 {
                    self.state = State::Header;
                }
                self.advance(skipped);
                self.advance(padded);
                Ok(())
            }
            State::Extension(extension) => {
                let payload = split_front(bytes, extension.left);
                self.payload.extend_from_slice(payload);
                extension.left = extension.left.saturating_sub(payload.len() as u64);
                let extension = *extension;
                self.advance(payload.len() as u64);
                self.read_extension(extension)
            }
            State::Header => self.collect_block(bytes, Self::read_header),
            State::SecondZeroBlock => self.collect_block(bytes, Self::read_second_zero_block),
            State::SparseMap(_) => self.collect_block(bytes, Self::read_map_block),
            State::EndOfArchive | State::Failed(_) => Ok(()),
        }
    }

    fn advance(&mut self, bytes: u64) {
        self.position = self.position.saturating_add(bytes);
    }

    /// Collects bytes of a block, and calls `read` once the block is complete.
    fn collect_block(
        &mut self,
        bytes: &mut &[u8],
        read: impl FnOnce(&mut Self) -> Result<(), ScanError>,
    ) -> Result<(), ScanError> {
        let room = self.block.get_mut(self.filled..).unwrap_or_default();
        let front = split_front(bytes, room.len() as u64);
        if let Some(room) = room.get_mut(..front.len()) {
            room.copy_from_slice(front);
        }
        self.filled = self.filled.saturating_add(front.len());
        self.advance(front.len() as u64);
        if self.filled < BLOCK_SIZE {
            return Ok(());
        }
        self.filled = 0;
        read(self)
    }

    fn read_header(&mut self) -> Result<(), ScanError> {
        if self.block.iter().all(|&byte| byte == 0) {
            self.state = State::SecondZeroBlock;
            return Ok(());
        }
        let header = Header::parse(&self.block).map_err(|fault| self.header_error(fault))?;
        // Go checks the size of the header before an extended header may override it.
        let contents = self.content_length(&header)?;
        match header.typeflag {
            typeflag @ (b'x' | b'g' | b'L' | b'K') => {
                self.payload.clear();
                self.read_extension(Extension {
                    typeflag,
                    left: contents.min(MAX_EXTENSION_SIZE.saturating_add(1)),
                    padding: padding_after(contents),
                })
            }
            _ => self.read_entry_header(header),
        }
    }

    fn read_second_zero_block(&mut self) -> Result<(), ScanError> {
        if self.block.iter().all(|&byte| byte == 0) {
            self.state = State::EndOfArchive;
            return Ok(());
        }
        Err(self.header_error(TarFault::LoneZeroBlock))
    }

    /// Applies an extension, or waits for the rest of its payload.
    fn read_extension(&mut self, extension: Extension) -> Result<(), ScanError> {
        if extension.left > 0 {
            self.state = State::Extension(extension);
            return Ok(());
        }
        if self.payload.len() as u64 > MAX_EXTENSION_SIZE {
            return Err(self.too_long_error("an extended header or long name"));
        }
        match extension.typeflag {
            b'L' => self.overrides.long_name = c_string(&self.payload).to_vec(),
            b'K' => self.overrides.long_link = c_string(&self.payload).to_vec(),
            typeflag => {
                let records = pax::parse_records(&self.payload);
                let records = records.map_err(|fault| self.header_error(fault))?;
                if typeflag == b'g' && !self.ignores_unsupported {
                    return Err(ScanError::UnsupportedEntryType {
                        typeflag,
                        name: b"PAX global header".to_vec(),
                        offset: self.position,
                    });
                }
                if typeflag != b'g' {
                    self.overrides.records = records;
                }
            }
        }
        self.skip_contents(0, extension.padding);
        Ok(())
    }

    /// Reads the header of a file, link, directory or device.
    fn read_entry_header(&mut self, mut header: Header) -> Result<(), ScanError> {
        let overrides = mem::take(&mut self.overrides);
        let records = overrides.records;
        pax::apply_records(&records, &mut header).map_err(|fault| self.header_error(fault))?;
        if !overrides.long_name.is_empty() {
            header.name = overrides.long_name;
        }
        if !overrides.long_link.is_empty() {
            header.linkname = overrides.long_link;
        }
        if header.typeflag == 0 {
            // V7 tars mark a directory only by a slash at the end of its name.
            let is_directory = header.name.ends_with(b"/");
            header.typeflag = if is_directory { b'5' } else { b'0' };
        }
        let contents = self.content_length(&header)?;
        if header.typeflag == b'S' && header.format != Format::Gnu {
            return Err(self.header_error(TarFault::SparseFormat));
        }
        let sparse = SparseFormat::detect(&records).filter(|_| header.typeflag != b'S');
        match sparse {
            None => self.push_entry(header, records)?,
            Some(format) => return self.read_sparse_header(header, records, format),
        }
        self.skip_contents(contents, padding_after(contents));
        Ok(())
    }

    /// Adds an entry whose contents start at the current position.
    fn push_entry(&mut self, header: Header, records: Records) -> Result<(), ScanError> {
        let is_unsupported = EntryType::from_typeflag(header.typeflag).is_none();
        if self.ignores_unsupported && is_unsupported && header.typeflag != b'S' {
            return Ok(());
        }
        self.toc.push_entry(header, records, self.position)
    }

    fn skip_contents(&mut self, contents: u64, padding: u64) {
        self.state = if contents == 0 && padding == 0 {
            State::Header
        } else {
            State::Contents {
                left: contents,
                padding,
            }
        };
    }

    fn content_length(&self, header: &Header) -> Result<u64, ScanError> {
        let length = header.content_length();
        length.map_err(|fault| self.header_error(fault))
    }

    const fn header_error(&self, fault: TarFault) -> ScanError {
        let offset = self.position;
        ScanError::TarHeader { offset, fault }
    }

    const fn too_long_error(&self, part: &'static str) -> ScanError {
        ScanError::ExtensionTooLong {
            offset: self.position,
            part,
            limit: MAX_EXTENSION_SIZE,
        }
    }
}

/// Returns the number of bytes from the end of contents of this length to the next block.
const fn padding_after(contents: u64) -> u64 {
    contents.wrapping_neg() & (BLOCK_SIZE as u64).wrapping_sub(1)
}

/// Removes at most `limit` bytes from the front and returns them.
fn split_front<'a>(bytes: &mut &'a [u8], limit: u64) -> &'a [u8] {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (front, rest) = bytes.split_at(limit.min(bytes.len()));
    *bytes = rest;
    front
}
