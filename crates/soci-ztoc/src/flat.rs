//! Reads flatbuffers that nobody vouches for.
//!
//! Every position is checked against the buffer before it is used. What is read is charged to a
//! budget, since offsets may point anywhere: a small buffer could otherwise name one large string
//! a million times.

use std::cell::Cell;

use flatbuffers::VOffsetT;

/// Returns the position of a field's offset in a vtable, which starts with two 16-bit sizes.
pub(crate) const fn slot(field: VOffsetT) -> VOffsetT {
    field.saturating_mul(2).saturating_add(4)
}

/// A flatbuffer that breaks the rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FlatError {
    /// Something lies outside the buffer, or outside the table it belongs to.
    OutOfBounds {
        /// Where the buffer was being read, in bytes from its start.
        at: usize,
    },
    /// Strings or tables are shared so often that their sum is far larger than the buffer.
    Overlapping,
}

type Result<T> = std::result::Result<T, FlatError>;

/// How much may be read, as a multiple of the buffer's length. Plain buffers need 1; sharing of
/// equal strings, which other writers may do, a little more.
const BUDGET_FACTOR: usize = 4;

/// Bytes that any buffer may cost.
const BUDGET_BASE: usize = 4096;

/// A buffer and what may still be read of it.
#[derive(Debug)]
pub(crate) struct FlatReader<'a> {
    bytes: &'a [u8],
    budget: Cell<usize>,
}

/// A table whose vtable was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlatTable<'a, 'r> {
    reader: &'r FlatReader<'a>,
    at: usize,
    /// The vtable's entries, without its two sizes.
    fields: &'a [u8],
    /// Bytes of the table itself.
    size: usize,
}

/// A vector of offsets whose extent was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlatVector<'a, 'r> {
    reader: &'r FlatReader<'a>,
    at: usize,
    length: usize,
}

impl<'a> FlatReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let budget = bytes.len().saturating_mul(BUDGET_FACTOR);
        Self {
            bytes,
            budget: Cell::new(budget.saturating_add(BUDGET_BASE)),
        }
    }

    /// Returns the root table.
    pub(crate) fn root(&self) -> Result<FlatTable<'a, '_>> {
        self.table(self.target(0)?)
    }

    fn charge(&self, cost: usize) -> Result<()> {
        let left = self.budget.get().checked_sub(cost);
        self.budget.set(left.ok_or(FlatError::Overlapping)?);
        Ok(())
    }

    fn slice(&self, at: usize, length: usize) -> Result<&'a [u8]> {
        let end = at.checked_add(length);
        let slice = end.and_then(|end| self.bytes.get(at..end));
        slice.ok_or(FlatError::OutOfBounds { at })
    }

    fn array<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        let array = self.slice(at, N)?.first_chunk::<N>();
        array.copied().ok_or(FlatError::OutOfBounds { at })
    }

    fn u16(&self, at: usize) -> Result<usize> {
        self.array(at).map(|bytes| u16::from_le_bytes(bytes).into())
    }

    fn u32(&self, at: usize) -> Result<usize> {
        let value = u32::from_le_bytes(self.array(at)?);
        usize::try_from(value)
            .ok()
            .ok_or(FlatError::OutOfBounds { at })
    }

    /// Follows the offset stored at a position, which counts from there.
    fn target(&self, at: usize) -> Result<usize> {
        at.checked_add(self.u32(at)?)
            .ok_or(FlatError::OutOfBounds { at })
    }

    fn table(&self, at: usize) -> Result<FlatTable<'a, '_>> {
        let out = FlatError::OutOfBounds { at };
        let distance = i64::from(i32::from_le_bytes(self.array(at)?));
        let vtable = i64::try_from(at).ok();
        let vtable = vtable.and_then(|at| at.checked_sub(distance));
        let vtable = vtable.and_then(|vtable| usize::try_from(vtable).ok());
        let vtable = vtable.ok_or(out)?;
        let vtable = self.slice(vtable, self.u16(vtable)?)?;
        let (_, rest) = vtable.split_first_chunk::<2>().ok_or(out)?;
        let (size, fields) = rest.split_first_chunk::<2>().ok_or(out)?;
        let size = usize::from(u16::from_le_bytes(*size));
        self.slice(at, size.max(4))?;
        self.charge(4)?;
        Ok(FlatTable {
            reader: self,
            at,
            fields,
            size,
        })
    }

    fn bytes_at(&self, at: usize) -> Result<&'a [u8]> {
        let length = self.u32(at)?;
        self.charge(length.saturating_add(4))?;
        self.slice(at.saturating_add(4), length)
    }
}

impl<'a, 'r> FlatTable<'a, 'r> {
    /// Position of a field of the given width, `None` where it is left out.
    fn field(&self, field: usize, width: usize) -> Result<Option<usize>> {
        let entry = self.fields.chunks_exact(2).nth(field);
        let offset = entry.and_then(<[u8]>::first_chunk::<2>);
        let offset = offset.map_or(0, |bytes| usize::from(u16::from_le_bytes(*bytes)));
        if offset == 0 {
            return Ok(None);
        }
        let at = self.at.saturating_add(offset);
        // Fields follow the distance to the vtable and end within the table.
        let end = offset.saturating_add(width);
        if offset < 4 || end > self.size {
            return Err(FlatError::OutOfBounds { at });
        }
        Ok(Some(at))
    }

    fn scalar<const N: usize>(&self, field: usize) -> Result<Option<[u8; N]>> {
        let at = self.field(field, N)?;
        at.map(|at| self.reader.array(at)).transpose()
    }

    /// Reads a number whose default is 0.
    pub(crate) fn i64(&self, field: usize) -> Result<i64> {
        Ok(self.scalar(field)?.map_or(0, i64::from_le_bytes))
    }

    /// Reads a number whose default is 0.
    pub(crate) fn i32(&self, field: usize) -> Result<i32> {
        Ok(self.scalar(field)?.map_or(0, i32::from_le_bytes))
    }

    /// Reads a number whose default is 0.
    pub(crate) fn u32(&self, field: usize) -> Result<u32> {
        Ok(self.scalar(field)?.map_or(0, u32::from_le_bytes))
    }

    /// Reads a number with a default of its own.
    pub(crate) fn i8(&self, field: usize, default: i8) -> Result<i8> {
        Ok(self.scalar(field)?.map_or(default, i8::from_le_bytes))
    }

    fn target(&self, field: usize) -> Result<Option<usize>> {
        let at = self.field(field, 4)?;
        at.map(|at| self.reader.target(at)).transpose()
    }

    /// Reads a string or a vector of bytes, `None` where it is left out.
    pub(crate) fn bytes(&self, field: usize) -> Result<Option<&'a [u8]>> {
        let at = self.target(field)?;
        at.map(|at| self.reader.bytes_at(at)).transpose()
    }

    /// Reads a table, `None` where it is left out.
    pub(crate) fn table(&self, field: usize) -> Result<Option<Self>> {
        let at = self.target(field)?;
        at.map(|at| self.reader.table(at)).transpose()
    }

    /// Reads a vector of offsets, empty where it is left out.
    pub(crate) fn vector(&self, field: usize) -> Result<FlatVector<'a, 'r>> {
        let reader = self.reader;
        let Some(at) = self.target(field)? else {
            return Ok(FlatVector {
                reader,
                at: 0,
                length: 0,
            });
        };
        let length = reader.u32(at)?;
        let at = at.saturating_add(4);
        let bytes = length.saturating_mul(4);
        reader.slice(at, bytes)?;
        reader.charge(bytes)?;
        Ok(FlatVector { reader, at, length })
    }
}

impl<'a, 'r> FlatVector<'a, 'r> {
    /// Number of elements.
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    fn targets(self) -> impl Iterator<Item = Result<usize>> + use<'a, 'r> {
        let elements = (self.at..).step_by(4).take(self.length);
        elements.map(move |at| self.reader.target(at))
    }

    /// Returns the elements as tables.
    pub(crate) fn tables(self) -> impl Iterator<Item = Result<FlatTable<'a, 'r>>> + use<'a, 'r> {
        self.targets().map(move |at| self.reader.table(at?))
    }

    /// Returns the elements as strings.
    pub(crate) fn strings(self) -> impl Iterator<Item = Result<&'a [u8]>> + use<'a, 'r> {
        self.targets().map(move |at| self.reader.bytes_at(at?))
    }
}
