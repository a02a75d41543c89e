//! The span table of a plain tar, which a ztoc stores in place of checkpoints (`TarZinfo` in the
//! reference's schema): a flatbuffer inside the flatbuffer.

use flatbuffers::FlatBufferBuilder;

use crate::flat::{FlatReader, slot};

/// The only version of the table.
const VERSION: i32 = 2;

/// Span size and size of a plain tar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TarZinfo {
    /// Bytes in each span but the last; at least 1.
    pub(crate) span_size: i64,
    /// Bytes in the layer.
    pub(crate) size: u64,
}

impl TarZinfo {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::with_capacity(64);
        let table = builder.start_table();
        builder.push_slot(slot(0), VERSION, 0);
        builder.push_slot(slot(1), self.span_size, 0);
        builder.push_slot(slot(2), self.size, 0);
        let table = builder.end_table(table);
        builder.finish(table, None);
        builder.finished_data().to_vec()
    }

    /// Parses a table. Returns `None` if it is malformed or its span size is less than 1.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let reader = FlatReader::new(bytes);
        let table = reader.root_table().ok()?;
        let span_size = table.read_i64(1).ok()?;
        let size = u64::try_from(table.read_i64(2).ok()?).ok()?;
        (span_size > 0).then_some(Self { span_size, size })
    }
}
