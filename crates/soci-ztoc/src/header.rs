//! What a ztoc says of itself outside its table of contents: version, tool, sizes and checkpoints.
//! It is read without decoding an entry.

use crate::compression::Compression;
use crate::decode_error::DecodeError;
use crate::field::{read_text, read_unsigned, require};
use crate::flat::{FlatReader, FlatTable};
use crate::ztoc::Ztoc;

/// The parts of a ztoc that are read before its entries. Nothing is allocated for them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ZtocHeader<'a> {
    /// Version of the format.
    pub version: &'a str,
    /// Identifier of the tool that built the ztoc.
    pub build_tool_identifier: &'a str,
    /// Size of the layer in bytes.
    pub compressed_archive_size: u64,
    /// Uncompressed offset at which the tar ends.
    pub uncompressed_archive_size: u64,
    /// Compression of the layer.
    pub algorithm: Compression,
    /// Number of the last span; `-1` if there are no spans.
    pub max_span_id: i32,
    /// The checkpoints in stored form.
    pub checkpoints: &'a [u8],
}

impl<'a> ZtocHeader<'a> {
    /// Reads the header of a ztoc.
    ///
    /// # Errors
    ///
    /// Returns an error if a part of the header is missing or malformed. Entries and span digests
    /// are not read.
    pub fn read(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let reader = FlatReader::new(bytes);
        let root = reader.root_table()?;
        let info = require(root.read_table(5)?, "compression info")?;
        Self::from_tables(&root, &info)
    }

    /// Reads the header from the root table and the table of the compression.
    pub(crate) fn from_tables(
        root: &FlatTable<'a, '_>,
        info: &FlatTable<'a, '_>,
    ) -> Result<Self, DecodeError> {
        let code = info.read_i8(0, Compression::Gzip.to_code())?;
        Ok(Self {
            version: read_text(root, 0, "version")?,
            build_tool_identifier: read_text(root, 1, "build tool identifier")?,
            compressed_archive_size: read_unsigned(root, 2, "compressed archive size")?,
            uncompressed_archive_size: read_unsigned(root, 3, "uncompressed archive size")?,
            algorithm: Compression::from_code(code).ok_or(DecodeError::Algorithm { code })?,
            max_span_id: info.read_i32(1)?,
            checkpoints: require(info.read_bytes(3)?, "checkpoint list")?,
        })
    }
}

impl Ztoc {
    /// Returns the header.
    pub fn header(&self) -> ZtocHeader<'_> {
        ZtocHeader {
            version: &self.version,
            build_tool_identifier: &self.build_tool_identifier,
            compressed_archive_size: self.compressed_archive_size,
            uncompressed_archive_size: self.uncompressed_archive_size,
            algorithm: self.compression_info.algorithm,
            max_span_id: self.compression_info.max_span_id,
            checkpoints: &self.compression_info.checkpoints,
        }
    }
}
