//! One entry of a table of contents.

/// What a ztoc knows about one tar member. Names and links are raw: as in the tar, neither
/// cleaned nor necessarily UTF-8.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileMetadata {
    /// Name after PAX and GNU long names were applied.
    pub name: Vec<u8>,
    /// What the entry is.
    pub entry_type: EntryType,
    /// Bytes from the start of the tar to the start of the contents; for an entry without
    /// contents, to the next header.
    pub uncompressed_offset: u64,
    /// The size the header gives, in bytes. It counts the holes of a sparse file, and is kept for
    /// types that have no contents, where it may even be negative.
    pub uncompressed_size: i64,
    /// Target of a link; some tars set it for other types too.
    pub linkname: Vec<u8>,
    /// Mode bits as the tar writer put them, file type bits included.
    pub mode: i64,
    /// Owner, cut to 32 bits.
    pub uid: u32,
    /// Group, cut to 32 bits.
    pub gid: u32,
    /// Name of the owner.
    pub uname: Vec<u8>,
    /// Name of the group.
    pub gname: Vec<u8>,
    /// RFC 3339 text; empty where the year is not within 0 to 9999.
    pub mod_time: String,
    /// Major device number, for entries of any type.
    pub devmajor: i64,
    /// Minor device number, for entries of any type.
    pub devminor: i64,
    /// All PAX records of the entry, in byte order of their keys; not only extended attributes,
    /// which are those that start with [`XATTR_PREFIX`].
    pub xattrs: Vec<Xattr>,
}

/// One PAX record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Xattr {
    /// Key, for example `SCHILY.xattr.security.capability` or `mtime`.
    pub key: Vec<u8>,
    /// Value, often binary.
    pub value: Vec<u8>,
}

/// What the key of an extended attribute starts with.
pub const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

/// The types of entry that a ztoc can hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryType {
    /// A block device.
    Block,
    /// A character device.
    Char,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// Another name of an earlier entry.
    Hardlink,
    /// A regular file.
    Regular,
    /// A symbolic link.
    Symlink,
}

impl EntryType {
    /// Reads the type flag of a tar header; the old flag NUL must have been replaced before.
    pub(crate) const fn from_typeflag(typeflag: u8) -> Option<Self> {
        Some(match typeflag {
            b'0' => Self::Regular,
            b'1' => Self::Hardlink,
            b'2' => Self::Symlink,
            b'3' => Self::Char,
            b'4' => Self::Block,
            b'5' => Self::Directory,
            b'6' => Self::Fifo,
            _ => return None,
        })
    }

    /// Returns the word that a ztoc stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Char => "char",
            Self::Directory => "dir",
            Self::Fifo => "fifo",
            Self::Hardlink => "hardlink",
            Self::Regular => "reg",
            Self::Symlink => "symlink",
        }
    }

    /// Reads the word that a ztoc stores.
    pub(crate) const fn parse(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"block" => Self::Block,
            b"char" => Self::Char,
            b"dir" => Self::Directory,
            b"fifo" => Self::Fifo,
            b"hardlink" => Self::Hardlink,
            b"reg" => Self::Regular,
            b"symlink" => Self::Symlink,
            _ => return None,
        })
    }

    /// Says whether contents follow the header; the size of any other entry is only a number.
    pub const fn has_contents(self) -> bool {
        matches!(self, Self::Regular)
    }
}

/// Makes a raw name fit for a message: control characters and broken UTF-8 become visible.
pub(crate) fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}
