//! One entry of a table of contents.

/// What a ztoc holds about one tar entry. Names and link targets are the raw bytes of the tar: not
/// cleaned, and not necessarily UTF-8.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FileMetadata {
    /// Name, after PAX records and GNU long names were applied.
    pub name: Vec<u8>,
    /// Type of the entry.
    pub entry_type: EntryType,
    /// Offset of the contents in the tar, in bytes; for an entry without contents, the offset of
    /// the next header.
    pub uncompressed_offset: u64,
    /// Size according to the header, in bytes. It includes the holes of a sparse file. Entries
    /// without contents may have any size, even a negative one.
    pub uncompressed_size: i64,
    /// Target of a link. Some tars set it for other types too.
    pub linkname: Vec<u8>,
    /// Mode bits as in the tar, including file type bits if the tar has them.
    pub mode: i64,
    /// Owner: the low 32 bits.
    pub uid: u32,
    /// Group: the low 32 bits.
    pub gid: u32,
    /// Name of the owner.
    pub uname: Vec<u8>,
    /// Name of the group.
    pub gname: Vec<u8>,
    /// Modification time as RFC 3339 text in UTC; empty if the year is not within 0 to 9999.
    pub mod_time: String,
    /// Major device number as in the tar, for entries of all types.
    pub devmajor: i64,
    /// Minor device number as in the tar, for entries of all types.
    pub devminor: i64,
    /// All PAX records of the entry, in byte order of their keys. The extended attributes among
    /// them have keys that start with [`XATTR_PREFIX`].
    pub xattrs: Vec<Xattr>,
}

/// One PAX record.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Xattr {
    /// Key, for example `SCHILY.xattr.security.capability` or `mtime`.
    pub key: Vec<u8>,
    /// Value, often binary.
    pub value: Vec<u8>,
}

/// The name of the entry that makes a directory opaque (image specification, "Opaque Whiteout").
const OPAQUE_WHITEOUT: &[u8] = b".wh..wh..opq";

impl FileMetadata {
    /// Returns whether readers must look for extended attributes: the entry has some, or marks an
    /// opaque directory.
    pub(crate) fn needs_xattrs(&self) -> bool {
        let mut keys = self.xattrs.iter().map(|xattr| &xattr.key);
        let is_opaque_whiteout = self.name.ends_with(OPAQUE_WHITEOUT);
        is_opaque_whiteout || keys.any(|key| key.starts_with(XATTR_PREFIX))
    }

    /// Returns the bytes of all texts of the entry.
    pub(crate) fn text_length(&self) -> usize {
        let texts = [&self.name, &self.linkname, &self.uname, &self.gname];
        let texts = texts.into_iter().map(Vec::len);
        let records = self.xattrs.iter();
        let records = records.flat_map(|xattr| [xattr.key.len(), xattr.value.len()]);
        texts
            .chain(records)
            .fold(self.mod_time.len(), usize::saturating_add)
    }

    /// Makes this entry equal to `other`, and uses the memory of its texts again.
    pub(crate) fn assign(&mut self, other: &Self) {
        self.name.clone_from(&other.name);
        self.entry_type = other.entry_type;
        self.uncompressed_offset = other.uncompressed_offset;
        self.uncompressed_size = other.uncompressed_size;
        self.linkname.clone_from(&other.linkname);
        self.mode = other.mode;
        self.uid = other.uid;
        self.gid = other.gid;
        self.uname.clone_from(&other.uname);
        self.gname.clone_from(&other.gname);
        self.mod_time.clone_from(&other.mod_time);
        self.devmajor = other.devmajor;
        self.devminor = other.devminor;
        self.xattrs.clone_from(&other.xattrs);
    }
}

/// Prefix of the PAX keys of extended attributes.
pub const XATTR_PREFIX: &[u8] = b"SCHILY.xattr.";

/// The types of entry that a ztoc can hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EntryType {
    /// A block device.
    Block,
    /// A character device.
    Char,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// A hard link: another name of an earlier entry.
    Hardlink,
    /// A regular file.
    #[default]
    Regular,
    /// A symbolic link.
    Symlink,
}

impl EntryType {
    /// Returns the type for the type flag of a tar header. The flag NUL of V7 tars must have been
    /// replaced before.
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

    /// Returns the name that a ztoc stores.
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

    /// Returns the type that a ztoc stores as `name`.
    pub(crate) const fn parse(name: &[u8]) -> Option<Self> {
        Some(match name {
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

    /// Returns whether contents follow the header. Other entries have none, even if their size is
    /// not 0.
    pub const fn has_contents(self) -> bool {
        matches!(self, Self::Regular)
    }
}

/// Returns a raw name for use in a message, with control characters escaped and invalid UTF-8
/// replaced.
pub(crate) fn display_name(name: &[u8]) -> String {
    String::from_utf8_lossy(name).escape_debug().to_string()
}
