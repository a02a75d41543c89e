//! Writes ztocs in which a few bytes stand for much memory, because parts are named many times.

use flatbuffers::{
    FlatBufferBuilder, ForwardsUOffset, TableFinishedWIPOffset, VOffsetT, Vector, WIPOffset,
};

/// A table of a flatbuffer, such as an entry.
pub type Table = WIPOffset<TableFinishedWIPOffset>;

/// A vector of tables.
pub type Tables<'b> = WIPOffset<Vector<'b, ForwardsUOffset<TableFinishedWIPOffset>>>;

/// A text or a list of bytes.
pub type Text<'b> = WIPOffset<Vector<'b, u8>>;

/// The span size in bytes that a bomb claims.
pub const SPAN_SIZE: i64 = 4 << 20;

/// What a bomb says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// The build tool identifier.
    pub tool: &'a str,
    /// The size of the layer in bytes.
    pub layer_size: u64,
    /// The size of the tar in the layer in bytes.
    pub tar_size: u64,
}

/// Writes one ztoc. Parts may be used as often as the caller likes.
#[derive(Default)]
#[must_use]
pub struct BombWriter<'b> {
    builder: FlatBufferBuilder<'b>,
}

impl std::fmt::Debug for BombWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BombWriter").finish_non_exhaustive()
    }
}

const fn slot(field: VOffsetT) -> VOffsetT {
    4 + 2 * field
}

impl<'b> BombWriter<'b> {
    /// Returns a writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes a text.
    pub fn text(&mut self, text: &[u8]) -> Text<'b> {
        self.builder.create_vector(text)
    }

    /// Writes a vector of tables.
    pub fn tables(&mut self, tables: &[Table]) -> Tables<'b> {
        self.builder.create_vector(tables)
    }

    /// Writes a table of two texts: an extended attribute of a key and a value, or an entry of a
    /// name and a type.
    pub fn pair(&mut self, one: Text<'b>, two: Text<'b>) -> Table {
        let table = self.builder.start_table();
        self.builder.push_slot_always(slot(0), one);
        self.builder.push_slot_always(slot(1), two);
        self.builder.end_table(table)
    }

    /// Writes a file with extended attributes.
    pub fn file_with_xattrs(&mut self, name: Text<'b>, xattrs: Tables<'b>) -> Table {
        let kind = self.text(b"reg");
        let table = self.builder.start_table();
        self.builder.push_slot_always(slot(0), name);
        self.builder.push_slot_always(slot(1), kind);
        self.builder.push_slot_always(slot(13), xattrs);
        self.builder.end_table(table)
    }

    /// Finishes the ztoc of a gzip layer with one span, whose digest is named `digests` times.
    #[must_use]
    pub fn finish(mut self, claims: Claims<'_>, entries: &[Table], digests: usize) -> Vec<u8> {
        let (version, tool) = (self.text(b"0.9"), self.text(claims.tool.as_bytes()));
        let entries = self.tables(entries);
        let table = self.builder.start_table();
        self.builder.push_slot_always(slot(0), entries);
        let toc = self.builder.end_table(table);
        let digest = self.text(format!("sha256:{:064}", 0).as_bytes());
        let digests = self.builder.create_vector(&vec![digest; digests]);
        let mut checkpoint = vec![0; 17 + (32 << 10)];
        checkpoint[0] = 10;
        let header = [&1_i32.to_le_bytes()[..], &SPAN_SIZE.to_le_bytes()].concat();
        let checkpoints = self.text(&[header, checkpoint].concat());
        let table = self.builder.start_table();
        self.builder.push_slot_always(slot(2), digests);
        self.builder.push_slot_always(slot(3), checkpoints);
        let info = self.builder.end_table(table);
        let table = self.builder.start_table();
        self.builder.push_slot_always(slot(0), version);
        self.builder.push_slot_always(slot(1), tool);
        self.builder
            .push_slot_always(slot(2), claims.layer_size.cast_signed());
        self.builder
            .push_slot_always(slot(3), claims.tar_size.cast_signed());
        self.builder.push_slot_always(slot(4), toc);
        self.builder.push_slot_always(slot(5), info);
        let root = self.builder.end_table(table);
        self.builder.finish(root, None);
        self.builder.finished_data().to_vec()
    }
}

/// Returns a ztoc that names one small file `count` times, at four bytes each.
#[must_use]
pub fn repeated_entry(claims: Claims<'_>, count: usize) -> Vec<u8> {
    let mut bomb = BombWriter::new();
    let (name, kind) = (bomb.text(b"x"), bomb.text(b"reg"));
    let entry = bomb.pair(name, kind);
    bomb.finish(claims, &vec![entry; count], 1)
}
