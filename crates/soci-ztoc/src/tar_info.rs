//! What a ztoc stores in place of checkpoints for a plain tar: a flatbuffer of its own.

use flatbuffers::FlatBufferBuilder;

use crate::flat::{FlatReader, slot};

/// The only version there is.
const VERSION: i32 = 2;

/// Span size and size of a plain tar.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TarInfo {
    /// Bytes per span, at least 1.
    pub(crate) span_size: i64,
    /// Bytes in all.
    pub(crate) size: u64,
}

impl TarInfo {
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

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let reader = FlatReader::new(bytes);
        let table = reader.root().ok()?;
        let span_size = table.i64(1).ok()?;
        let size = u64::try_from(table.i64(2).ok()?).ok()?;
        (span_size > 0).then_some(Self { span_size, size })
    }
}
