//! Files of a layout in a directory, which may be symbolic links to other files of the layout.
//!
//! A link that leads out of the layout is an error, so that a hostile layout cannot name files
//! outside of it. The layout's directory may itself be reached through links, because the user
//! chose it.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use soci_oci::manifest::MANIFEST_LIMIT;

use crate::error::{Action, IoContext as _, LayoutError, LinkFault};
use crate::regular_file::name_other_type;

/// Opens the file `name` of the layout `root` for reading. It may be of any type; a named pipe is
/// not waited for.
///
/// # Errors
///
/// Returns an error if the file does not exist or cannot be read, or if a link to it cannot be
/// followed.
pub(crate) fn open(root: &Path, name: &Path) -> Result<File, LayoutError> {
    let path = locate(root, name)?;
    // The path has no links any more. A file that another process has replaced by a link meanwhile
    // is not opened. Without O_NONBLOCK, opening a named pipe would wait for a writer.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = flags.bits().cast_signed();
    let mut options = File::options();
    let opened = options.read(true).custom_flags(flags).open(path);
    opened.context(Action::Read, &root.join(name))
}

/// Opens the file `name` of the layout `root` to lock it: for writing as well, if that is
/// permitted, because file systems over a network lock only such files exclusively.
///
/// # Errors
///
/// Returns the same errors as [`open`].
pub(crate) fn open_to_lock(root: &Path, name: &Path) -> Result<File, LayoutError> {
    let path = locate(root, name)?;
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = File::options();
    let opened = options
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path);
    match opened {
        Err(error) if is_read_only(&error) => open(root, name),
        opened => opened.context(Action::Read, &root.join(name)),
    }
}

/// Returns whether an error means that a file may be read but not written.
pub(crate) fn is_read_only(error: &io::Error) -> bool {
    use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
}

/// Reads the regular file `name` of the layout `root`, which must not be longer than
/// [`MANIFEST_LIMIT`].
///
/// # Errors
///
/// Returns the same errors as [`open`], and an error if the file is too long or no regular file.
pub(crate) fn read_small(root: &Path, name: &str) -> Result<Vec<u8>, LayoutError> {
    let file = open(root, Path::new(name))?;
    let metadata = file.metadata().context(Action::Read, &root.join(name))?;
    if let Some(found) = name_other_type(metadata.file_type()) {
        let reason = format!("its `{name}` is {found}, expected a regular file");
        return Err(LayoutError::not_a_layout(root, reason));
    }
    let mut bytes = Vec::new();
    file.take(MANIFEST_LIMIT + 1)
        .read_to_end(&mut bytes)
        .context(Action::Read, &root.join(name))?;
    if bytes.len() as u64 > MANIFEST_LIMIT {
        let reason = format!("its `{name}` is longer than 4 MiB");
        return Err(LayoutError::not_a_layout(root, reason));
    }
    Ok(bytes)
}

/// Follows the links on the way to the file or directory `name` of the layout `root`. Returns its
/// absolute path, which contains no links.
///
/// # Errors
///
/// Returns an error if the file does not exist, or if a link to it cannot be followed.
pub(crate) fn locate(root: &Path, name: &Path) -> Result<PathBuf, LayoutError> {
    let base = root.canonicalize().context(Action::Read, root)?;
    let path = base.join(name);
    match path.canonicalize() {
        Ok(real) if real.starts_with(&base) => Ok(real),
        Ok(_) => Err(link_error(root, &base, name, LinkFault::Outside)),
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            Err(link_error(root, &base, name, LinkFault::Loop))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound && has_link(&base, name) => {
            Err(link_error(root, &base, name, LinkFault::Absent))
        }
        Err(error) => Err(error).context(Action::Read, &root.join(name)),
    }
}

/// Returns the paths of the layout on the way to `name`, such as `blobs`, `blobs/sha256` and
/// `blobs/sha256/e3b0…`.
fn prefixes(name: &Path) -> impl Iterator<Item = PathBuf> {
    let grow = |path: &mut PathBuf, component: Component<'_>| {
        path.push(component);
        Some(path.clone())
    };
    name.components().scan(PathBuf::new(), grow)
}

fn has_link(base: &Path, name: &Path) -> bool {
    prefixes(name).any(|prefix| base.join(prefix).is_symlink())
}

/// Returns the error for the first link on the way to `name` that cannot be followed.
fn link_error(root: &Path, base: &Path, name: &Path, fault: LinkFault) -> LayoutError {
    let leads_inside = |path: &Path| {
        let real = path.canonicalize();
        real.is_ok_and(|real| real.starts_with(base))
    };
    let link = prefixes(name).find(|prefix| !leads_inside(&base.join(prefix)));
    let link = link.unwrap_or_else(|| name.to_owned());
    let target = fs::read_link(base.join(&link)).unwrap_or_default();
    LayoutError::Link {
        link: link.display().to_string(),
        target: target.display().to_string(),
        fault,
        path: root.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Returns a directory with the layout `layout`, which has the file `files/a`, and the file
    /// `outside` beside it.
    fn layout() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("layout");
        fs::create_dir_all(root.join("files")).expect("a directory");
        fs::write(root.join("files/a"), b"content").expect("written");
        fs::write(directory.path().join("outside"), b"secret").expect("written");
        (directory, root)
    }

    #[test]
    fn follows_links_that_stay_in_the_layout() {
        let (_directory, root) = layout();
        symlink("files/a", root.join("relative")).expect("a link");
        symlink(root.join("files/a"), root.join("absolute")).expect("a link");
        symlink("../layout/files/a", root.join("through-the-parent")).expect("a link");
        symlink("files", root.join("folder")).expect("a link");
        symlink("relative", root.join("twice")).expect("a link");
        for name in [
            "relative",
            "absolute",
            "through-the-parent",
            "folder/a",
            "twice",
        ] {
            assert_eq!(read_small(&root, name).expect(name), b"content");
        }
    }

    #[test]
    fn follows_links_to_the_layout_itself() {
        let (directory, root) = layout();
        let alias = directory.path().join("alias");
        symlink(&root, &alias).expect("a link");
        symlink(alias.join("files/a"), root.join("by-the-alias")).expect("a link");
        for name in ["files/a", "by-the-alias"] {
            assert_eq!(read_small(&alias, name).expect(name), b"content");
        }
    }

    #[test]
    fn names_a_link_that_cannot_be_followed() {
        let (directory, root) = layout();
        symlink("../outside", root.join("out")).expect("a link");
        symlink(directory.path(), root.join("parent")).expect("a link");
        symlink("nowhere", root.join("dangling")).expect("a link");
        symlink("two", root.join("one")).expect("a link");
        symlink("one", root.join("two")).expect("a link");
        for (name, link, fault) in [
            ("out", "out", LinkFault::Outside),
            ("parent/outside", "parent", LinkFault::Outside),
            ("dangling", "dangling", LinkFault::Absent),
            ("one", "one", LinkFault::Loop),
        ] {
            let error = read_small(&root, name).expect_err(name);
            let found = matches!(&error, LayoutError::Link { link: found, fault: kind, .. } if found == link && *kind == fault);
            assert!(found, "{name}: {error}");
        }
        let absent = read_small(&root, "absent").expect_err("no file");
        assert!(matches!(absent, LayoutError::File { .. }), "{absent}");
    }
}
