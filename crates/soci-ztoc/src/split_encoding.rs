//! The bytes of a ztoc without its checkpoints, which lie in the middle.
//!
//! The checkpoints are most of a ztoc, and a flatbuffer builder copies every vector it is given.
//! So the builder is given a short placeholder instead. Afterwards the placeholder is cut out, and
//! the offsets that point across it are corrected.

use flatbuffers::{FlatBufferBuilder, UOffsetT, VOffsetT, Vector, WIPOffset};

use crate::flat::slot;

/// The strictest alignment of a field in a ztoc, in bytes.
const ALIGNMENT: usize = 8;

/// Bytes of an offset or of a vector's length.
const OFFSET_SIZE: usize = size_of::<UOffsetT>();

/// The fields of the root table whose content is written before the checkpoints. A flatbuffer is
/// written from its end, so they come after the checkpoints: version, build tool and table of
/// contents.
const FIELDS_IN_SUFFIX: [VOffsetT; 3] = [0, 1, 4];

/// The bytes of a ztoc before and after its checkpoints.
///
/// [`SplitEncoding::prefix`], the checkpoints and [`SplitEncoding::suffix`], one after the other,
/// are the encoded ztoc.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SplitEncoding {
    prefix: Vec<u8>,
    /// The builder's buffer. The suffix is its end; the part before was never written, so the
    /// system has not given it memory.
    buffer: Vec<u8>,
    suffix_start: usize,
}

/// A short vector of zeros that is written in place of the checkpoints. Its length is that of the
/// checkpoints modulo [`ALIGNMENT`], so everything else is aligned as it will be in the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placeholder {
    /// Bytes of the checkpoints.
    replaced: usize,
    /// Bytes of the placeholder.
    length: usize,
}

impl SplitEncoding {
    /// Returns the bytes before the checkpoints.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// Returns the bytes after the checkpoints.
    pub fn suffix(&self) -> &[u8] {
        self.buffer.get(self.suffix_start..).unwrap_or_default()
    }

    /// Returns the number of bytes in prefix and suffix.
    pub(crate) fn size(&self) -> usize {
        self.prefix().len().saturating_add(self.suffix().len())
    }
}

impl Placeholder {
    pub(crate) fn for_checkpoints(checkpoints: &[u8]) -> Self {
        let replaced = checkpoints.len();
        let length = replaced.checked_rem(ALIGNMENT).unwrap_or(0);
        Self { replaced, length }
    }

    /// Returns the length of the checkpoints in bytes.
    pub(crate) const fn replaced(self) -> usize {
        self.replaced
    }

    /// Returns how many bytes shorter the placeholder is than the checkpoints.
    pub(crate) const fn saved(self) -> usize {
        self.replaced.saturating_sub(self.length)
    }

    pub(crate) fn write<'b>(
        self,
        builder: &mut FlatBufferBuilder<'b>,
    ) -> WIPOffset<Vector<'b, u8>> {
        let zeros = [0_u8; ALIGNMENT];
        builder.create_vector(zeros.get(..self.length).unwrap_or_default())
    }

    /// Cuts the placeholder out of a finished flatbuffer, which starts at `start` of `buffer`.
    /// `checkpoints` is the position of the placeholder, counted from the end of the buffer.
    ///
    /// Returns `None` if the buffer is not that of a ztoc, or if an offset exceeds 32 bits.
    pub(crate) fn cut_out(
        self,
        buffer: Vec<u8>,
        start: usize,
        checkpoints: UOffsetT,
    ) -> Option<SplitEncoding> {
        let vector = buffer.len().checked_sub(checkpoints as usize)?;
        let content = vector.checked_add(OFFSET_SIZE)?;
        let mut prefix = buffer.get(start..content)?.to_vec();
        write_offset(&mut prefix, vector.checked_sub(start)?, self.replaced)?;
        // No other table shares the root's vtable, so the vtable is in the prefix with the root.
        let root = read_offset(&prefix, 0)?;
        let distance = i32::from_le_bytes(*prefix.get(root..)?.first_chunk()?);
        let vtable = root.checked_add_signed(isize::try_from(distance.checked_neg()?).ok()?)?;
        for field in FIELDS_IN_SUFFIX {
            let entry = prefix.get(vtable.checked_add(slot(field).into())?..)?;
            let field = u16::from_le_bytes(*entry.first_chunk()?);
            let position = root.checked_add(field.into())?;
            let target = read_offset(&prefix, position)?.checked_add(self.saved())?;
            write_offset(&mut prefix, position, target)?;
        }
        let suffix_start = content.checked_add(self.length)?;
        Some(SplitEncoding {
            prefix,
            buffer,
            suffix_start,
        })
    }
}

fn read_offset(bytes: &[u8], position: usize) -> Option<usize> {
    let offset = u32::from_le_bytes(*bytes.get(position..)?.first_chunk()?);
    usize::try_from(offset).ok()
}

fn write_offset(bytes: &mut [u8], position: usize, value: usize) -> Option<()> {
    let offset = bytes.get_mut(position..)?.first_chunk_mut()?;
    *offset = u32::try_from(value).ok()?.to_le_bytes();
    Some(())
}
