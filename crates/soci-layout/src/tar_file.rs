//! A tar, plain or gzipped, whose members are read in any order. Nothing is unpacked.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use soci_oci::manifest::MANIFEST_LIMIT;
use soci_ztoc::{Compression, EntryType, FileMetadata, GzipIndex, Limits, Needs, ScanError};
use soci_ztoc::{TarIndex, TarIndexer};

use crate::blob::{Blob, Content};
use crate::error::{Action, IoContext as _, LayoutError, LinkFault};
use crate::first_bytes::{self, FIRST_BYTES};
use crate::regular_file::{self, Opened};

/// How much of the file is read at once while its members are listed, in bytes.
const SCAN_SIZE: usize = 16 << 10;

/// How much of a tar is listed. An archive of images has a few files for each layer.
const LIMITS: Limits = Limits {
    entries: 200_000,
    string_bytes: 64 << 20,
    table_bytes: 64 << 20,
    ztoc_bytes: 1 << 30,
    uncompressed_bytes: 256 << 30,
};

/// The longest path of a member or target of a link, in bytes (`PATH_MAX` of Linux).
const MAX_PATH: usize = 4096;

/// How many links are followed on the way to one member, as Linux does.
const MAX_LINKS: usize = 40;

/// A tar and the list of its members.
#[derive(Clone, Debug)]
pub(crate) struct TarFile {
    path: PathBuf,
    members: BTreeMap<Vec<u8>, Member>,
    /// The checkpoints, if the tar is gzipped.
    gzip: Option<GzipIndex>,
}

/// What the tar has under one path.
#[derive(Clone, Debug)]
enum Member {
    File(MemberRange),
    /// The text of a symbolic link.
    Symlink(Vec<u8>),
    /// The path of another member.
    Hardlink(Vec<u8>),
}

/// Where the contents of a member are in the tar, in uncompressed bytes.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct MemberRange {
    pub(crate) start: u64,
    pub(crate) size: u64,
}

impl TarFile {
    /// Opens the tar `path` and lists its members: of several with the same path, the last. A plain
    /// tar is read at its headers only, a gzipped one as a whole.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, or is no tar.
    pub(crate) fn open(path: &Path) -> Result<Self, LayoutError> {
        let TarIndex { members, gzip } = index_members(path)?;
        let member = |entry: FileMetadata| Some((normalize_name(&entry.name)?, Member::of(entry)?));
        Ok(Self {
            path: path.to_owned(),
            members: members.into_iter().filter_map(member).collect(),
            gzip,
        })
    }

    /// Returns the path of the tar.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the tar is gzipped.
    pub(crate) const fn is_gzipped(&self) -> bool {
        self.gzip.is_some()
    }

    /// Returns the paths of all files and links.
    pub(crate) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.members.keys().map(Vec::as_slice)
    }

    /// Returns where the contents of the file `name` are, or `None` if there is no such file. Links
    /// to other members are followed.
    ///
    /// # Errors
    ///
    /// Returns an error that names the link if it cannot be followed.
    pub(crate) fn find(&self, name: &[u8]) -> Result<Option<MemberRange>, LayoutError> {
        let mut walk = Walk::to(name);
        while let Some(component) = walk.rest.pop_front() {
            match component.as_slice() {
                b"." => continue,
                b".." if walk.found.pop().is_some() => continue,
                b".." => return Err(walk.error(LinkFault::Outside, &self.path)),
                _ => walk.found.push(component),
            }
            let path = walk.found.join(&b'/');
            let target = match self.members.get(&path) {
                Some(Member::Symlink(target) | Member::Hardlink(target)) => target,
                _ if path.len() > MAX_PATH => break,
                _ => continue,
            };
            walk.links += 1;
            walk.last = Link {
                path: path.clone(),
                target: target.clone(),
            };
            match self.members.get(&path) {
                Some(Member::Symlink(target)) if target.starts_with(b"/") => {
                    return Err(walk.error(LinkFault::Outside, &self.path));
                }
                Some(Member::Hardlink(_)) => walk.found.clear(),
                _ => drop(walk.found.pop()),
            }
            if walk.links > MAX_LINKS {
                return Err(walk.error(LinkFault::Loop, &self.path));
            }
            for component in components(target).rev() {
                walk.rest.push_front(component.to_vec());
            }
        }
        match self.members.get(&walk.found.join(&b'/')) {
            Some(Member::File(range)) => Ok(Some(*range)),
            _ if walk.links > 0 => Err(walk.error(LinkFault::Absent, &self.path)),
            _ => Ok(None),
        }
    }

    /// Opens the contents of a member for reading.
    ///
    /// # Errors
    ///
    /// Returns an error if the tar cannot be read.
    pub(crate) fn open_member(&self, range: MemberRange) -> Result<Blob, LayoutError> {
        let mut file = open_regular(&self.path)?;
        let content = match &self.gzip {
            None => {
                let moved = file.seek(SeekFrom::Start(range.start));
                moved.context(Action::Read, &self.path)?;
                Content::File(file)
            }
            Some(gzip) => {
                let opened = gzip.open_at(file, range.start);
                Content::Gzip(Box::new(opened.context(Action::Read, &self.path)?))
            }
        };
        Ok(Blob::new(content, self.path.clone(), range.size))
    }

    /// Returns the contents of the file `name`, or `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file is longer than [`MANIFEST_LIMIT`] or cannot be read, or if a
    /// link cannot be followed.
    pub(crate) fn read_small(&self, name: &str) -> Result<Option<Vec<u8>>, LayoutError> {
        let Some(range) = self.find(name.as_bytes())? else {
            return Ok(None);
        };
        if range.size > MANIFEST_LIMIT {
            let name = name.escape_debug();
            let reason = format!("its `{name}` is longer than 4 MiB");
            return Err(LayoutError::not_a_layout(&self.path, reason));
        }
        self.open_member(range)?.read_to_end().map(Some)
    }
}

impl Member {
    /// Returns a file or link, or `None` for other entries.
    fn of(entry: FileMetadata) -> Option<Self> {
        if entry.linkname.len() > MAX_PATH {
            return None;
        }
        Some(match entry.entry_type {
            EntryType::Regular => Self::File(MemberRange {
                start: entry.uncompressed_offset,
                size: u64::try_from(entry.uncompressed_size).ok()?,
            }),
            EntryType::Symlink => Self::Symlink(entry.linkname),
            EntryType::Hardlink => Self::Hardlink(entry.linkname),
            _ => return None,
        })
    }
}

/// The way to a member through links.
struct Walk {
    /// The components of the path so far, which is not that of a link.
    found: Vec<Vec<u8>>,
    /// The components that come after them.
    rest: VecDeque<Vec<u8>>,
    /// How many links were followed.
    links: usize,
    /// The last of these links. Before the first one, the path that is looked for.
    last: Link,
}

struct Link {
    path: Vec<u8>,
    target: Vec<u8>,
}

impl Walk {
    fn to(name: &[u8]) -> Self {
        Self {
            found: Vec::new(),
            rest: components(name).map(<[u8]>::to_vec).collect(),
            links: 0,
            last: Link {
                path: name.to_vec(),
                target: name.to_vec(),
            },
        }
    }

    /// Returns the error for the last link, in the tar `path`.
    fn error(&self, fault: LinkFault, path: &Path) -> LayoutError {
        let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(200)]).into();
        LayoutError::Link {
            link: shown(&self.last.path),
            target: shown(&self.last.target),
            fault,
            path: path.to_owned(),
        }
    }
}

/// Returns the components of a path, without empty ones.
fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> + Clone {
    let components = path.split(|&byte| byte == b'/');
    components.filter(|component| !component.is_empty())
}

/// Returns a member's path without `./` and slashes at its ends, or `None` if it cannot be that of
/// a file of an image.
fn normalize_name(name: &[u8]) -> Option<Vec<u8>> {
    let mut parts = components(name).filter(|&component| component != b".");
    if name.len() > MAX_PATH || parts.clone().any(|component| component == b"..") {
        return None;
    }
    let first = parts.next()?.to_vec();
    Some(parts.fold(first, |path, part| [&path, part].join(&b'/')))
}

/// Opens the tar `path`. Its members are read in any order, so it must be a regular file.
fn open_regular(path: &Path) -> Result<File, LayoutError> {
    let found = match regular_file::open(path).context(Action::Read, path)? {
        Opened::Regular(file) => return Ok(file),
        Opened::Other(found) => found,
    };
    let advice = match found {
        "a directory" => "the reference of a layout is `oci:DIR`",
        _ => "store the tar in a regular file, since it is not read in order",
    };
    Err(LayoutError::NotATar {
        path: path.to_owned(),
        reason: format!("it is {found}; {advice}"),
    })
}

/// Lists the members of the tar `path`. Its first bytes decide whether it is decompressed.
fn index_members(path: &Path) -> Result<TarIndex, LayoutError> {
    let mut file = open_regular(path)?;
    let length = file.metadata().context(Action::Read, path)?.len();
    let mut first = Vec::new();
    (&mut file)
        .take(FIRST_BYTES)
        .read_to_end(&mut first)
        .context(Action::Read, path)?;
    file.rewind().context(Action::Read, path)?;
    let not_a_tar = |reason: String| LayoutError::NotATar {
        path: path.to_owned(),
        reason,
    };
    let compression = match first_bytes::detect_compression(&first) {
        None => Compression::Uncompressed,
        Some("gzip") => Compression::Gzip,
        Some(other) => {
            return Err(not_a_tar(format!("it is compressed with {other}")));
        }
    };
    let scan_error = |error: ScanError| {
        not_a_tar(match error {
            ScanError::Limit { what, limit } => format!("it has more than {limit} {what}"),
            error => error.to_string(),
        })
    };
    let mut indexer = TarIndexer::new(compression, LIMITS).map_err(scan_error)?;
    let mut buffer = vec![0; SCAN_SIZE];
    let mut position = 0;
    loop {
        let read = read_chunk(&mut file, &mut buffer).context(Action::Read, path)?;
        if read == 0 {
            break;
        }
        position += read as u64;
        match indexer.feed(&buffer[..read]).map_err(scan_error)? {
            Needs::Bytes => {}
            Needs::Nothing => break,
            Needs::SkippedBytes(bytes) => {
                // The end of a file that was cut off is found by reading there.
                let skipped = bytes.min(length.saturating_sub(position));
                indexer.skip(skipped);
                position += skipped;
                let moved = file.seek(SeekFrom::Start(position));
                moved.context(Action::Read, path)?;
            }
        }
    }
    indexer.finish().map_err(scan_error)
}

fn read_chunk(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
