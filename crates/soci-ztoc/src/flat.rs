//! Reads flatbuffers whose writer is not trusted.
//!
//! Every position is checked against the buffer before it is read. All reads are charged to a
//! budget, because offsets may point anywhere: a small buffer could otherwise refer to one large
//! string a million times.

use std::cell::Cell;

use flatbuffers::VOffsetT;

/// Returns the position of a field's entry in a vtable, which starts with two 16-bit sizes.
pub(crate) const fn slot(field: VOffsetT) -> VOffsetT {
    field.saturating_mul(2).saturating_add(4)
}

/// Why a flatbuffer is malformed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FlatError {
    /// Something lies outside the buffer, or outside the table it belongs to.
    OutOfBounds {
        /// The position that was read, in bytes from the start of the buffer.
        at: usize,
    },
    /// Strings or tables are shared so often that their total size is far larger than the buffer.
    Overlapping,
}

type Result<T> = std::result::Result<T, FlatError>;

/// Bytes that may be read for each byte of the buffer. A buffer without sharing needs 1; other
/// writers share equal strings, which needs a little more.
const BUDGET_FACTOR: usize = 4;

/// Bytes that may be read of any buffer.
const BUDGET_BASE: usize = 4096;

/// A flatbuffer, and how many bytes of it may still be read.
#[derive(Debug)]
pub(crate) struct FlatReader<'a> {
    bytes: &'a [u8],
    budget: Cell<usize>,
}

/// A table whose vtable was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlatTable<'a, 'r> {
    reader: &'r FlatReader<'a>,
    position: usize,
    /// The entries of the vtable, without its two sizes.
    fields: &'a [u8],
    /// Size of the table itself in bytes.
    size: usize,
}

/// A vector of offsets whose extent was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FlatVector<'a, 'r> {
    reader: &'r FlatReader<'a>,
    /// Position of the first element.
    position: usize,
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
    pub(crate) fn root_table(&self) -> Result<FlatTable<'a, '_>> {
        self.table_at(self.follow_offset(0)?)
    }

    fn charge_budget(&self, bytes: usize) -> Result<()> {
        let left = self.budget.get().checked_sub(bytes);
        self.budget.set(left.ok_or(FlatError::Overlapping)?);
        Ok(())
    }

    fn slice_at(&self, at: usize, length: usize) -> Result<&'a [u8]> {
        let end = at.checked_add(length);
        let slice = end.and_then(|end| self.bytes.get(at..end));
        slice.ok_or(FlatError::OutOfBounds { at })
    }

    fn array_at<const N: usize>(&self, at: usize) -> Result<[u8; N]> {
        let array = self.slice_at(at, N)?.first_chunk::<N>();
        array.copied().ok_or(FlatError::OutOfBounds { at })
    }

    fn u16_at(&self, at: usize) -> Result<usize> {
        self.array_at(at)
            .map(|bytes| u16::from_le_bytes(bytes).into())
    }

    fn u32_at(&self, at: usize) -> Result<usize> {
        let value = usize::try_from(u32::from_le_bytes(self.array_at(at)?));
        value.ok().ok_or(FlatError::OutOfBounds { at })
    }

    /// Returns the position that the offset at a position refers to. Offsets are relative to
    /// where they are stored.
    fn follow_offset(&self, at: usize) -> Result<usize> {
        at.checked_add(self.u32_at(at)?)
            .ok_or(FlatError::OutOfBounds { at })
    }

    fn table_at(&self, at: usize) -> Result<FlatTable<'a, '_>> {
        let out_of_bounds = FlatError::OutOfBounds { at };
        // A table starts with the signed distance back to its vtable.
        let distance = i64::from(i32::from_le_bytes(self.array_at(at)?));
        let vtable = i64::try_from(at).ok();
        let vtable = vtable.and_then(|at| at.checked_sub(distance));
        let vtable = vtable.and_then(|vtable| usize::try_from(vtable).ok());
        let vtable = vtable.ok_or(out_of_bounds)?;
        let vtable = self.slice_at(vtable, self.u16_at(vtable)?)?;
        let (_, rest) = vtable.split_first_chunk::<2>().ok_or(out_of_bounds)?;
        let (size, fields) = rest.split_first_chunk::<2>().ok_or(out_of_bounds)?;
        let size = usize::from(u16::from_le_bytes(*size));
        self.slice_at(at, size.max(4))?;
        self.charge_budget(4)?;
        Ok(FlatTable {
            reader: self,
            position: at,
            fields,
            size,
        })
    }

    /// Returns the content of the string or byte vector at a position.
    fn bytes_at(&self, at: usize) -> Result<&'a [u8]> {
        let length = self.u32_at(at)?;
        self.charge_budget(length.saturating_add(4))?;
        self.slice_at(at.saturating_add(4), length)
    }
}

impl<'a, 'r> FlatTable<'a, 'r> {
    /// Returns the position of a field that is `width` bytes long, or `None` if the table does not
    /// have it.
    fn field_position(&self, field: usize, width: usize) -> Result<Option<usize>> {
        let entry = self.fields.chunks_exact(2).nth(field);
        let offset = entry.and_then(<[u8]>::first_chunk::<2>);
        let offset = offset.map_or(0, |bytes| usize::from(u16::from_le_bytes(*bytes)));
        if offset == 0 {
            return Ok(None);
        }
        let at = self.position.saturating_add(offset);
        // Fields lie after the distance to the vtable and end within the table.
        let end = offset.saturating_add(width);
        if offset < 4 || end > self.size {
            return Err(FlatError::OutOfBounds { at });
        }
        Ok(Some(at))
    }

    fn read_scalar<const N: usize>(&self, field: usize) -> Result<Option<[u8; N]>> {
        let at = self.field_position(field, N)?;
        at.map(|at| self.reader.array_at(at)).transpose()
    }

    /// Reads a number, which is 0 if the table does not have it.
    pub(crate) fn read_i64(&self, field: usize) -> Result<i64> {
        Ok(self.read_scalar(field)?.map_or(0, i64::from_le_bytes))
    }

    /// Reads a number, which is 0 if the table does not have it.
    pub(crate) fn read_i32(&self, field: usize) -> Result<i32> {
        Ok(self.read_scalar(field)?.map_or(0, i32::from_le_bytes))
    }

    /// Reads a number, which is 0 if the table does not have it.
    pub(crate) fn read_u32(&self, field: usize) -> Result<u32> {
        Ok(self.read_scalar(field)?.map_or(0, u32::from_le_bytes))
    }

    /// Reads a number, which is `default` if the table does not have it.
    pub(crate) fn read_i8(&self, field: usize, default: i8) -> Result<i8> {
        Ok(self.read_scalar(field)?.map_or(default, i8::from_le_bytes))
    }

    /// Returns the position that a field refers to, or `None` if the table does not have it.
    fn follow_field(&self, field: usize) -> Result<Option<usize>> {
        let at = self.field_position(field, 4)?;
        at.map(|at| self.reader.follow_offset(at)).transpose()
    }

    /// Reads a string or a vector of bytes, `None` if the table does not have it.
    pub(crate) fn read_bytes(&self, field: usize) -> Result<Option<&'a [u8]>> {
        let at = self.follow_field(field)?;
        at.map(|at| self.reader.bytes_at(at)).transpose()
    }

    /// Reads a table, `None` if the table does not have it.
    pub(crate) fn read_table(&self, field: usize) -> Result<Option<Self>> {
        let at = self.follow_field(field)?;
        at.map(|at| self.reader.table_at(at)).transpose()
    }

    /// Reads a vector of offsets, which is empty if the table does not have it.
    pub(crate) fn read_vector(&self, field: usize) -> Result<FlatVector<'a, 'r>> {
        let reader = self.reader;
        let Some(at) = self.follow_field(field)? else {
            return Ok(FlatVector {
                reader,
                position: 0,
                length: 0,
            });
        };
        let length = reader.u32_at(at)?;
        let position = at.saturating_add(4);
        let bytes = length.saturating_mul(4);
        reader.slice_at(position, bytes)?;
        reader.charge_budget(bytes)?;
        Ok(FlatVector {
            reader,
            position,
            length,
        })
    }
}

impl<'a, 'r> FlatVector<'a, 'r> {
    /// Returns the number of elements.
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    fn follow_elements(self) -> impl Iterator<Item = Result<usize>> + use<'a, 'r> {
        let elements = (self.position..).step_by(4).take(self.length);
        elements.map(move |at| self.reader.follow_offset(at))
    }

    /// Reads the elements as tables.
    pub(crate) fn read_tables(
        self,
    ) -> impl Iterator<Item = Result<FlatTable<'a, 'r>>> + use<'a, 'r> {
        self.follow_elements()
            .map(move |at| self.reader.table_at(at?))
    }

    /// Reads the elements as strings.
    pub(crate) fn read_strings(self) -> impl Iterator<Item = Result<&'a [u8]>> + use<'a, 'r> {
        self.follow_elements()
            .map(move |at| self.reader.bytes_at(at?))
    }
}
