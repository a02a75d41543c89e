//! What a proof can find.

use std::fmt;

use crate::entry::display_name;
use crate::error::ScanError;

/// The longest part of a name, in bytes, that a finding keeps. A name may have a megabyte.
const MAX_NAME: usize = 256;

/// The rules that a proof looks for, in kebab case, with the severity of breaking each.
pub const RULES: &[(&str, Severity)] = &[
    ("layer-unreadable", Severity::Error),
    ("ztoc-size", Severity::Error),
    ("ztoc-tar-size", Severity::Error),
    ("ztoc-tar-end", Severity::Note),
    ("ztoc-first-span", Severity::Error),
    ("ztoc-span-start", Severity::Error),
    ("ztoc-span-offset", Severity::Error),
    ("ztoc-window", Severity::Error),
    ("ztoc-window-unused", Severity::Note),
    ("ztoc-span-digest", Severity::Error),
    ("ztoc-entry-name", Severity::Error),
    ("ztoc-entry-type", Severity::Error),
    ("ztoc-entry-offset", Severity::Error),
    ("ztoc-entry-size", Severity::Error),
    ("ztoc-entry-link", Severity::Error),
    ("ztoc-entry-mode", Severity::Error),
    ("ztoc-entry-owner", Severity::Error),
    ("ztoc-entry-group", Severity::Error),
    ("ztoc-entry-owner-name", Severity::Warning),
    ("ztoc-entry-group-name", Severity::Warning),
    ("ztoc-entry-time", Severity::Error),
    ("ztoc-entry-device", Severity::Error),
    ("ztoc-entry-xattr", Severity::Error),
    ("ztoc-entry-record", Severity::Note),
    ("ztoc-entry-missing", Severity::Error),
    ("ztoc-entry-unknown", Severity::Error),
    ("ztoc-entry-owner-too-large", Severity::Error),
    ("ztoc-entry-order", Severity::Note),
];

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Nothing a reader uses is affected.
    Note,
    /// The ztoc is wrong in something that the SOCI snapshotter does not use.
    Warning,
    /// A reader gets wrong bytes, wrong metadata or an I/O error.
    Error,
}

/// The start of a raw name, for messages. Displayed with control characters escaped, invalid UTF-8
/// replaced, and `…` if the name goes on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ShortName {
    start: Vec<u8>,
    is_cut: bool,
}

impl ShortName {
    pub(crate) fn new(name: &[u8]) -> Self {
        Self {
            start: name.get(..MAX_NAME).unwrap_or(name).to_vec(),
            is_cut: name.len() > MAX_NAME,
        }
    }
}

impl fmt::Display for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&display_name(&self.start))?;
        f.write_str(if self.is_cut { "…" } else { "" })
    }
}

/// A difference between a ztoc and its layer. `entry` is an index in [`Ztoc::toc`](crate::Ztoc),
/// and `span` the number of a span.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFinding {
    /// The layer itself cannot be read, so the rest of it was not compared.
    #[error("the layer cannot be read: {0}")]
    Layer(ScanError),
    /// The size of the layer is not the one in the ztoc.
    #[error("the layer has {found} bytes, but the ztoc says {recorded}")]
    LayerSize {
        /// The size in the ztoc, in bytes.
        recorded: u64,
        /// The size of the layer, in bytes.
        found: u64,
    },
    /// The ztoc claims a longer tar than the layer has, or a shorter one than its files need.
    #[error("the tar ends at uncompressed offset {found}, but the ztoc says {recorded}")]
    TarSize {
        /// The end in the ztoc.
        recorded: u64,
        /// The end of the tar, after its end-of-archive blocks.
        found: u64,
        /// Whether a reader is affected: the ztoc claims bytes that do not exist, or leaves out
        /// contents.
        is_harmful: bool,
    },
    /// The first span does not start at the start of the tar.
    #[error(
        "the first span starts at uncompressed offset {found}, so that no span has what is before"
    )]
    FirstSpan {
        /// The uncompressed offset at which it starts.
        found: u64,
    },
    /// A checkpoint is not at the start of a deflate block.
    #[error(
        "span {span} starts at bit {unused_bits} before byte {offset} of the layer, where no deflate block starts"
    )]
    Boundary {
        /// Number of the span.
        span: u64,
        /// The compressed offset in the checkpoint.
        offset: u64,
        /// The unused bits of the byte before `offset` in the checkpoint.
        unused_bits: u8,
    },
    /// The uncompressed offset of a checkpoint is wrong.
    #[error("span {span} starts at uncompressed offset {found}, but the ztoc says {recorded}")]
    SpanOffset {
        /// Number of the span.
        span: u64,
        /// The offset in the ztoc.
        recorded: u64,
        /// The right offset.
        found: u64,
    },
    /// The window of a checkpoint is not the output before it.
    #[error(
        "the window of span {span} is not the tar before it: {differing} of its bytes differ, and {outcome}"
    )]
    Window {
        /// Number of the span.
        span: u64,
        /// How many bytes of the window differ.
        differing: u64,
        /// What inflating the span with this window gives.
        outcome: WindowOutcome,
    },
    /// The digest of a span is wrong.
    #[error("the digest of span {span} is not that of bytes {start} to {end} of the layer")]
    SpanDigest {
        /// Number of the span.
        span: u64,
        /// Compressed offset of its first byte.
        start: u64,
        /// Compressed offset after its last byte.
        end: u64,
    },
    /// An entry of the ztoc has another value than the tar.
    #[error(
        "entry {entry} `{name}` has another {field} than in the tar: {recorded}, expected {found}"
    )]
    Field {
        /// Index of the entry.
        entry: u64,
        /// Its name in the tar.
        name: ShortName,
        /// What differs.
        field: EntryField,
        /// The value in the ztoc.
        recorded: ShortName,
        /// The value in the tar.
        found: ShortName,
    },
    /// The tar has an entry that the ztoc does not have.
    #[error(
        "the tar has an entry `{name}` with contents at uncompressed offset {offset}, which the ztoc does not have"
    )]
    Missing {
        /// Its name.
        name: ShortName,
        /// Uncompressed offset of its contents.
        offset: u64,
    },
    /// The ztoc has an entry that the tar does not have.
    #[error(
        "entry {entry} `{name}` is not in the tar: nothing has its contents at uncompressed offset {offset}"
    )]
    Unknown {
        /// Index of the entry.
        entry: u64,
        /// Its name.
        name: ShortName,
        /// Uncompressed offset of its contents in the ztoc.
        offset: u64,
    },
    /// The owner or group in the tar does not fit the 32 bits of the ztoc.
    #[error(
        "entry {entry} `{name}` has an owner or group beyond 32 bits in the tar, which a ztoc cannot hold"
    )]
    OwnerTooLarge {
        /// Index of the entry.
        entry: u64,
        /// Its name.
        name: ShortName,
    },
    /// The entries are in another order than in the tar. Readers sort them.
    #[error("the entries are not in the order of the tar")]
    EntryOrder,
}

/// What inflating a span from its checkpoint gives if the window differs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WindowOutcome {
    /// The right bytes, because the span refers to none of the bytes that differ.
    #[error("the span inflates to the right bytes all the same")]
    SameBytes,
    /// Other bytes.
    #[error("the span inflates to wrong bytes")]
    OtherBytes,
    /// An error, or too few bytes.
    #[error("the span does not inflate")]
    Fails,
}

/// A field of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryField {
    /// The name.
    #[error("name")]
    Name,
    /// The type.
    #[error("type")]
    Type,
    /// The uncompressed offset of the contents.
    #[error("offset of its contents")]
    Offset,
    /// The size.
    #[error("size")]
    Size,
    /// The target of a link.
    #[error("link target")]
    Linkname,
    /// The mode bits.
    #[error("mode")]
    Mode,
    /// The number of the owner.
    #[error("owner")]
    Uid,
    /// The number of the group.
    #[error("group")]
    Gid,
    /// The name of the owner.
    #[error("owner name")]
    Uname,
    /// The name of the group.
    #[error("group name")]
    Gname,
    /// The modification time, as an instant.
    #[error("modification time")]
    ModTime,
    /// A device number.
    #[error("device number")]
    Device,
    /// An extended attribute.
    #[error("extended attribute")]
    Xattr,
    /// Another record of the extended header, which readers do not use.
    #[error("extended header record")]
    Record,
}

impl EntryField {
    /// Returns the name in rules, such as `mod-time`.
    const fn rule(self) -> &'static str {
        match self {
            Self::Name => "ztoc-entry-name",
            Self::Type => "ztoc-entry-type",
            Self::Offset => "ztoc-entry-offset",
            Self::Size => "ztoc-entry-size",
            Self::Linkname => "ztoc-entry-link",
            Self::Mode => "ztoc-entry-mode",
            Self::Uid => "ztoc-entry-owner",
            Self::Gid => "ztoc-entry-group",
            Self::Uname => "ztoc-entry-owner-name",
            Self::Gname => "ztoc-entry-group-name",
            Self::ModTime => "ztoc-entry-time",
            Self::Device => "ztoc-entry-device",
            Self::Xattr => "ztoc-entry-xattr",
            Self::Record => "ztoc-entry-record",
        }
    }
}

impl ProofFinding {
    /// Returns the rule that the ztoc breaks, one of [`RULES`].
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Layer(_) => "layer-unreadable",
            Self::LayerSize { .. } => "ztoc-size",
            Self::TarSize {
                is_harmful: false, ..
            } => "ztoc-tar-end",
            Self::TarSize { .. } => "ztoc-tar-size",
            Self::FirstSpan { .. } => "ztoc-first-span",
            Self::Boundary { .. } => "ztoc-span-start",
            Self::SpanOffset { .. } => "ztoc-span-offset",
            Self::Window {
                outcome: WindowOutcome::SameBytes,
                ..
            } => "ztoc-window-unused",
            Self::Window { .. } => "ztoc-window",
            Self::SpanDigest { .. } => "ztoc-span-digest",
            Self::Field { field, .. } => field.rule(),
            Self::Missing { .. } => "ztoc-entry-missing",
            Self::Unknown { .. } => "ztoc-entry-unknown",
            Self::OwnerTooLarge { .. } => "ztoc-entry-owner-too-large",
            Self::EntryOrder => "ztoc-entry-order",
        }
    }

    /// Returns how bad the finding is.
    pub fn severity(&self) -> Severity {
        let rule = self.rule();
        let found = RULES.iter().find(|(name, _)| *name == rule);
        found.map_or(Severity::Error, |(_, severity)| *severity)
    }
}
