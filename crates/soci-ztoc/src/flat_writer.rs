//! Writes parts of a flatbuffer, which is written from its end to its start.
//!
//! Positions are counted in bytes from the end of the whole flatbuffer, as it grows. A part is
//! written alone if its position is known, and if the tables before it have left their vtables in
//! [`Vtables`]. It does what the builder of the reference (Go flatbuffers 25.12.19) does: values
//! are aligned to their size, and equal vtables are shared.

use std::collections::BTreeMap;

use flatbuffers::VOffsetT;

use crate::flat::slot;

/// Bytes of an offset or of a length.
pub(crate) const OFFSET_SIZE: u64 = 4;

/// The strictest alignment of a value in a ztoc, in bytes.
pub(crate) const MAX_ALIGNMENT: u64 = 8;

/// The most fields of a table.
const MAX_FIELDS: usize = 14;

/// The vtables that were written, with their positions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vtables(BTreeMap<Vec<u8>, u64>);

/// A part of a flatbuffer.
#[derive(Debug)]
pub(crate) struct FlatWriter<'v> {
    /// The part, at the end of the buffer.
    buffer: Vec<u8>,
    /// Index of the first byte of the part.
    head: usize,
    /// The position of the end of the part.
    base: u64,
    vtables: &'v mut Vtables,
}

/// A table that is being written.
#[derive(Debug)]
pub(crate) struct TableWriter<'w, 'v> {
    writer: &'w mut FlatWriter<'v>,
    /// The position at which the table was started.
    tail: u64,
    /// The positions of the fields; 0 for those that are left out.
    fields: [u64; MAX_FIELDS],
}

impl<'v> FlatWriter<'v> {
    /// Starts a part at a position. `buffer` is memory to be used again.
    pub(crate) const fn new(base: u64, buffer: Vec<u8>, vtables: &'v mut Vtables) -> Self {
        Self {
            head: buffer.len(),
            buffer,
            base,
            vtables,
        }
    }

    /// Returns the position of what was written last.
    pub(crate) const fn position(&self) -> u64 {
        let length = self.buffer.len().saturating_sub(self.head) as u64;
        self.base.saturating_add(length)
    }

    /// Returns the bytes of the part.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.head..).unwrap_or_default()
    }

    /// Ends the part, and returns its memory.
    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// Writes bytes in front of the others.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        if self.head < bytes.len() {
            self.grow(bytes.len());
        }
        let start = self.head.saturating_sub(bytes.len());
        if let Some(room) = self.buffer.get_mut(start..self.head) {
            room.copy_from_slice(bytes);
            self.head = start;
        }
    }

    /// Makes room for at least `bytes` bytes in front of the others.
    #[cold]
    fn grow(&mut self, bytes: usize) {
        let added = self.buffer.len().max(bytes).max(1024);
        let old = self.buffer.len();
        self.buffer.resize(old.saturating_add(added), 0);
        let moved = self.head.saturating_add(added);
        self.buffer.copy_within(self.head..old, moved);
        self.head = moved;
    }

    /// Writes zeros so that `alignment` divides the position after `length` further bytes.
    pub(crate) fn align(&mut self, length: u64, alignment: u64) {
        let position = self.position().wrapping_add(length);
        let padding = position.wrapping_neg() & alignment.wrapping_sub(1);
        let zeros = [0; 8];
        let padding = usize::try_from(padding).unwrap_or(0);
        self.push_bytes(zeros.get(..padding).unwrap_or_default());
    }

    /// Writes a number of 32 bits.
    pub(crate) fn push_u32(&mut self, value: u32) {
        self.align(OFFSET_SIZE, OFFSET_SIZE);
        self.push_bytes(&value.to_le_bytes());
    }

    /// Writes the offset of what is at the position `target`.
    pub(crate) fn push_offset(&mut self, target: u64) {
        self.align(OFFSET_SIZE, OFFSET_SIZE);
        let distance = self.position().wrapping_add(OFFSET_SIZE);
        self.push_u32(to_offset(distance.wrapping_sub(target)));
    }

    /// Writes a string and returns its position.
    pub(crate) fn string(&mut self, text: &[u8]) -> u64 {
        self.align((text.len() as u64).saturating_add(1), OFFSET_SIZE);
        self.push_bytes(&[0]);
        self.push_bytes(text);
        self.push_u32(to_offset(text.len() as u64));
        self.position()
    }

    /// Writes a vector of offsets and returns its position.
    pub(crate) fn offsets(&mut self, targets: &[u64]) -> u64 {
        let length = targets.len() as u64;
        self.align(length.saturating_mul(OFFSET_SIZE), OFFSET_SIZE);
        for target in targets.iter().rev() {
            self.push_offset(*target);
        }
        self.push_u32(to_offset(length));
        self.position()
    }

    /// Starts a table.
    pub(crate) const fn table<'w>(&'w mut self) -> TableWriter<'w, 'v> {
        TableWriter {
            tail: self.position(),
            writer: self,
            fields: [0; MAX_FIELDS],
        }
    }
}

impl TableWriter<'_, '_> {
    /// Writes the offset of what is at the position `target`.
    pub(crate) fn offset(&mut self, field: usize, target: u64) {
        self.writer.push_offset(target);
        self.note(field);
    }

    /// Writes a number of 64 bits, unless it is 0.
    pub(crate) fn signed(&mut self, field: usize, value: i64) {
        if value != 0 {
            self.writer.align(8, 8);
            self.writer.push_bytes(&value.to_le_bytes());
            self.note(field);
        }
    }

    /// Writes a number of 32 bits, unless it is 0.
    pub(crate) fn short(&mut self, field: usize, value: u32) {
        if value != 0 {
            self.writer.push_u32(value);
            self.note(field);
        }
    }

    /// Writes a byte.
    pub(crate) fn byte(&mut self, field: usize, value: i8) {
        self.writer.push_bytes(&value.to_le_bytes());
        self.note(field);
    }

    fn note(&mut self, field: usize) {
        if let Some(position) = self.fields.get_mut(field) {
            *position = self.writer.position();
        }
    }

    /// Ends the table and returns its position. Its vtable is written unless an equal one was.
    pub(crate) fn finish(self) -> u64 {
        let writer = self.writer;
        writer.align(OFFSET_SIZE, OFFSET_SIZE);
        let table = writer.position().saturating_add(OFFSET_SIZE);
        let used = self.fields.iter().rposition(|position| *position > 0);
        let used = used.map_or(0, |last| last.saturating_add(1));
        let mut vtable = [0; MAX_FIELDS.saturating_add(2).saturating_mul(2)];
        let length = VOffsetT::try_from(used).map_or(0, slot);
        let size = table.wrapping_sub(self.tail);
        let offsets = self.fields.iter().take(used).map(|&position| {
            if position > 0 {
                table.wrapping_sub(position)
            } else {
                0
            }
        });
        let values = [length.into(), size].into_iter().chain(offsets);
        for (entry, value) in vtable.chunks_exact_mut(2).zip(values) {
            let value = u16::try_from(value).unwrap_or_default();
            entry.copy_from_slice(&value.to_le_bytes());
        }
        let vtable = vtable.get(..length.into()).unwrap_or_default();
        let new = table.saturating_add(vtable.len() as u64);
        let position = writer.vtables.find_or_add(vtable, new);
        let distance = to_offset(position.wrapping_sub(table) & u64::from(u32::MAX));
        writer.push_bytes(&distance.to_le_bytes());
        if position == new {
            writer.push_bytes(vtable);
        }
        table
    }
}

impl Vtables {
    /// Returns the position of a vtable, which is `new` if there was none.
    fn find_or_add(&mut self, vtable: &[u8], new: u64) -> u64 {
        if let Some(position) = self.0.get(vtable) {
            return *position;
        }
        self.0.insert(vtable.to_vec(), new);
        new
    }
}

/// Returns an offset or length as it is stored. A ztoc whose offsets do not fit is refused by its
/// size before.
fn to_offset(value: u64) -> u32 {
    u32::try_from(value).unwrap_or_default()
}
