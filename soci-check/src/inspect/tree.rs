//! The files of an image, as a container sees them: the layers on top of each other.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use soci_cli::Failure;
use soci_document::Exit;
use soci_ztoc::{EntryType, FileMetadata, Ztoc};

use super::image::{InspectedImage, InspectedLayer};
use super::path::{Path, display_path};

/// How many symbolic links are followed, as in Linux (`path_resolution(7)`).
const MAX_LINKS: usize = 40;

/// The prefix of a whiteout, and the name that makes a directory opaque (image specification,
/// "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The layers of an image, of which only those are read that are needed.
pub(super) struct Tree<'a> {
    image: &'a InspectedImage,
    /// In the order of the image, base first.
    layers: Vec<OnceCell<Files>>,
}

/// The files of one layer by their paths. The last entry of a path counts.
struct Files {
    ztoc: Ztoc,
    by_path: BTreeMap<Vec<u8>, usize>,
}

/// A file in a layer.
#[derive(Clone, Copy)]
pub(super) struct Found<'t> {
    pub(super) layer: &'t InspectedLayer,
    pub(super) ztoc: &'t Ztoc,
    /// Index of the entry.
    pub(super) entry: usize,
    /// Number of the layer, from 0 for the base.
    number: usize,
}

/// What is at a path.
enum Node<'t> {
    File(Found<'t>),
    /// A directory without an entry, but with files in it.
    Directory,
    Missing,
}

impl Found<'_> {
    pub(super) fn metadata(&self) -> &FileMetadata {
        &self.ztoc.toc[self.entry]
    }
}

impl<'a> Tree<'a> {
    pub(super) fn new(image: &'a InspectedImage) -> Self {
        Self {
            image,
            layers: image.layers.iter().map(|_| OnceCell::new()).collect(),
        }
    }

    /// Returns the file at a path, after following all links.
    pub(super) fn find(&self, path: &Path) -> Result<Found<'_>, Failure> {
        let mut left: Vec<Vec<u8>> = path.parts().rev().map(<[u8]>::to_vec).collect();
        let mut at = Path::default();
        let mut links = 0;
        let mut found = None;
        while let Some(part) = left.pop() {
            if part == b".." {
                at = at.parent();
                found = None;
                continue;
            }
            let next = at.join(&part);
            let file = match self.look_up(&next)? {
                Node::Missing => return Err(self.missing(path)),
                Node::Directory => {
                    (at, found) = (next, None);
                    continue;
                }
                Node::File(file) => file,
            };
            match file.metadata().entry_type {
                EntryType::Symlink => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(fail(path, "has more than 40 symbolic links"));
                    }
                    let target = &file.metadata().linkname;
                    if target.starts_with(b"/") {
                        at = Path::default();
                    }
                    left.extend(Path::split(target).rev().map(<[u8]>::to_vec));
                    found = None;
                }
                EntryType::Directory => (at, found) = (next, None),
                _ if !left.is_empty() => return Err(self.missing(path)),
                _ => found = Some(self.follow_hardlinks(file, path)?),
            }
        }
        found.ok_or_else(|| fail(path, "is a directory"))
    }

    /// Returns the entry with the contents of a hard link, whose target is an earlier entry of the
    /// layer, or else in a layer below.
    fn follow_hardlinks<'t>(
        &'t self,
        mut file: Found<'t>,
        path: &Path,
    ) -> Result<Found<'t>, Failure> {
        for _ in 0..MAX_LINKS {
            let metadata = file.metadata();
            if metadata.entry_type != EntryType::Hardlink {
                return Ok(file);
            }
            let target = Path::clean(&metadata.linkname);
            let files = self.open(file.number)?;
            let entry = files.and_then(|files| files.find_before(&target, file.entry));
            file = match entry {
                Some(entry) => Found { entry, ..file },
                None => match self.look_below(&target, file.number)? {
                    Node::File(found) => found,
                    Node::Directory | Node::Missing => return Err(self.missing(&target)),
                },
            };
        }
        Err(fail(path, "has more than 40 hard links"))
    }

    /// Looks a path up, whose parents are directories.
    fn look_up(&self, path: &Path) -> Result<Node<'_>, Failure> {
        self.look_below(path, self.layers.len())
    }

    /// Looks a path up in the layers below that of a number.
    fn look_below(&self, path: &Path, end: usize) -> Result<Node<'_>, Failure> {
        let mut is_directory = false;
        for number in (0..end).rev() {
            let Some(files) = self.open(number)? else {
                continue;
            };
            if let Some(&entry) = files.by_path.get(path.as_bytes()) {
                return Ok(Node::File(Found {
                    layer: &self.image.layers[number],
                    ztoc: &files.ztoc,
                    entry,
                    number,
                }));
            }
            is_directory |= files.has_below(path);
            if files.hides_below(path) {
                break;
            }
        }
        Ok(if is_directory {
            Node::Directory
        } else {
            Node::Missing
        })
    }

    /// Reads the ztoc of a layer, unless it was read before. Returns `None` if it has none.
    fn open(&self, number: usize) -> Result<Option<&Files>, Failure> {
        let Some(descriptor) = &self.image.layers[number].ztoc else {
            return Ok(None);
        };
        let cell = &self.layers[number];
        if cell.get().is_none() {
            let files = Files::new(self.image.read_ztoc(descriptor)?);
            // No other value can have been set meanwhile.
            drop(cell.set(files));
        }
        Ok(cell.get())
    }

    /// Returns the layers without a ztoc above a file, in which it may have been replaced.
    pub(super) fn unknown_above(&self, file: &Found<'_>) -> usize {
        let above = self.image.layers.iter().skip(file.number + 1);
        above.filter(|layer| layer.ztoc.is_none()).count()
    }

    fn missing(&self, path: &Path) -> Failure {
        let name = display_path(path);
        let unknown = self
            .image
            .layers
            .iter()
            .filter(|layer| layer.ztoc.is_none());
        let failure = match unknown.count() {
            0 => format!("the image has no file `{name}`"),
            count => format!(
                "no layer with a ztoc has a file `{name}`; {count} of {} layers have none",
                self.image.layers.len()
            ),
        };
        Failure::message(Exit::NotFound, failure).hint("--list writes the files that there are")
    }
}

impl Files {
    fn new(ztoc: Ztoc) -> Self {
        let entries = ztoc.toc.iter().enumerate();
        let by_path = entries.map(|(index, entry)| (Path::clean(&entry.name).into_bytes(), index));
        Self {
            by_path: by_path.collect(),
            ztoc,
        }
    }

    /// Returns the last entry with a path before an index.
    fn find_before(&self, path: &Path, end: usize) -> Option<usize> {
        match self.by_path.get(path.as_bytes()) {
            Some(&index) if index < end => Some(index),
            Some(_) => {
                let entries = self.ztoc.toc.get(..end)?;
                entries
                    .iter()
                    .rposition(|entry| Path::clean(&entry.name) == *path)
            }
            None => None,
        }
    }

    /// Returns whether there are files below a path.
    fn has_below(&self, path: &Path) -> bool {
        let start = [path.as_bytes(), b"/"].concat();
        let mut after = self.by_path.range(start.clone()..);
        after
            .next()
            .is_some_and(|(name, _)| name.starts_with(&start))
    }

    /// Returns whether the layer, which has no entry at a path, hides what lower layers have there:
    /// by a whiteout of it or of a directory above, by an opaque directory above, or by a file in
    /// place of one.
    fn hides_below(&self, path: &Path) -> bool {
        let mut at = path.clone();
        while let Some(name) = at.name() {
            let parent = at.parent();
            let whiteout = parent.join(&[WHITEOUT, name].concat());
            let opaque = parent.join(OPAQUE);
            if self.is_other_than_directory(&at)
                || self.by_path.contains_key(whiteout.as_bytes())
                || self.by_path.contains_key(opaque.as_bytes())
            {
                return true;
            }
            at = parent;
        }
        false
    }

    fn is_other_than_directory(&self, path: &Path) -> bool {
        let index = self.by_path.get(path.as_bytes());
        let entry = index.and_then(|&index| self.ztoc.toc.get(index));
        entry.is_some_and(|entry| entry.entry_type != EntryType::Directory)
    }
}

/// Returns the failure for a path that is no file.
pub(super) fn fail(path: &Path, what: &str) -> Failure {
    Failure::message(Exit::BadData, format!("`{}` {what}", display_path(path)))
}

#[cfg(test)]
mod tests;
