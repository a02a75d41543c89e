//! A ztoc without its checkpoints in the middle.
//!
//! They are most of a ztoc, and a builder of flatbuffers copies what it is given. So it is given a stand-in, and what refers
//! across the stand-in is mended afterwards.

use flatbuffers::{FlatBufferBuilder, UOffsetT, VOffsetT, Vector, WIPOffset};

use crate::encode::slot;

/// The strictest alignment in a ztoc, in bytes.
const ALIGNMENT: usize = 8;

/// Bytes of an offset or a length.
const WORD: usize = size_of::<UOffsetT>();

/// The fields of the root that are written before the checkpoints, and so lie behind them: version, tool and TOC.
const BEHIND: [VOffsetT; 3] = [0, 1, 4];

/// The bytes of a ztoc but for its checkpoints.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AroundCheckpoints {
    before: Vec<u8>,
    /// A buffer that ends with what comes behind. Only the end was ever written, so only that takes memory.
    buffer: Vec<u8>,
    after: usize,
}

/// Checkpoints for which something shorter stands in, of the same length modulo [`ALIGNMENT`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    length: usize,
    stand_in: usize,
}

impl AroundCheckpoints {
    /// What comes before the checkpoints.
    pub fn before(&self) -> &[u8] {
        &self.before
    }

    /// What comes behind them.
    pub fn after(&self) -> &[u8] {
        self.buffer.get(self.after..).unwrap_or_default()
    }

    /// Bytes of both parts.
    pub(crate) fn size(&self) -> usize {
        self.before().len().saturating_add(self.after().len())
    }
}

impl Gap {
    pub(crate) fn of(checkpoints: &[u8]) -> Self {
        let length = checkpoints.len();
        let stand_in = length.checked_rem(ALIGNMENT).unwrap_or(0);
        Self { length, stand_in }
    }

    /// Bytes of the checkpoints.
    pub(crate) const fn length(self) -> usize {
        self.length
    }

    /// How many bytes fewer the stand-in has.
    pub(crate) const fn width(self) -> usize {
        self.length.saturating_sub(self.stand_in)
    }

    /// Writes the stand-in.
    pub(crate) fn write<'b>(
        self,
        builder: &mut FlatBufferBuilder<'b>,
    ) -> WIPOffset<Vector<'b, u8>> {
        let stand_in = [0_u8; ALIGNMENT];
        builder.create_vector(stand_in.get(..self.stand_in).unwrap_or_default())
    }

    /// Takes the stand-in out of a finished flatbuffer, which starts at `start` of `buffer`; `checkpoints` is where its vector
    /// starts, counted from the end. Nothing is returned where that is no ztoc, or a number becomes too large.
    pub(crate) fn open(
        self,
        buffer: Vec<u8>,
        start: usize,
        checkpoints: UOffsetT,
    ) -> Option<AroundCheckpoints> {
        let vector = buffer.len().checked_sub(checkpoints as usize)?;
        let content = vector.checked_add(WORD)?;
        let mut before = buffer.get(start..content)?.to_vec();
        put(&mut before, vector.checked_sub(start)?, self.length)?;
        // The root's vtable is no other table's, so it lies with the root in front.
        let root = word(&before, 0)?;
        let distance = i32::from_le_bytes(*before.get(root..)?.first_chunk()?);
        let vtable = root.checked_add_signed(isize::try_from(distance.checked_neg()?).ok()?)?;
        for field in BEHIND {
            let entry = before.get(vtable.checked_add(slot(field).into())?..)?;
            let field = u16::from_le_bytes(*entry.first_chunk()?);
            let at = root.checked_add(field.into())?;
            let target = word(&before, at)?.checked_add(self.width())?;
            put(&mut before, at, target)?;
        }
        let after = content.checked_add(self.stand_in)?;
        Some(AroundCheckpoints {
            before,
            buffer,
            after,
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
    usize::try_from(word).ok()
}

fn put(bytes: &mut [u8], at: usize, value: usize) -> Option<()> {
    let word = bytes.get_mut(at..)?.first_chunk_mut()?;
    *word = u32::try_from(value).ok()?.to_le_bytes();
    Some(())
}
