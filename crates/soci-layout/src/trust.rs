//! What a directory must be before the tools use it as their store.
//!
//! The tools reuse ztocs that they find in the store, and publish them. So a user who can write to
//! the store decides what containers read.

use std::ffi::OsStr;
use std::fs::{self, Metadata, ReadDir};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::geteuid;
use soci_oci::Algorithm;

use crate::error::{Action, IoContext as _, LayoutError};
use crate::store_use::{MARKER, ZTOC_CACHE};
use crate::trust_fault::TrustFault;
use crate::{index_json, marker, temporary};

/// Files that may be in a directory that becomes a store: those of a volume that was just made, or
/// that a version control system keeps an empty directory with.
const NEUTRAL: [&str; 6] = [
    "lost+found",
    ".gitignore",
    ".gitkeep",
    ".keep",
    ".snapshot",
    "CACHEDIR.TAG",
];

/// What NFS clients call a file that was removed while it was open.
const NFS_PREFIX: &str = ".nfs";

/// Which stores are used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StoreTrust {
    /// Stores that belong to this user or to root, and that not every user can write to.
    OwnOrRoot,
    /// All stores, because the user trusts all others who can write to this one.
    Everyone,
}

/// Checks that the directory `root`, if it exists, is a store or can become one, and that it is
/// trusted.
///
/// # Errors
///
/// Returns an error if the directory holds other files but no layout, or if `trust` excludes it.
pub(crate) fn check_store(root: &Path, trust: StoreTrust) -> Result<(), LayoutError> {
    let Ok(metadata) = fs::metadata(root) else {
        // It is created, or an error tells why it cannot be.
        return Ok(());
    };
    if !metadata.is_dir() {
        return Ok(());
    }
    check_content(root)?;
    match trust {
        StoreTrust::Everyone => Ok(()),
        StoreTrust::OwnOrRoot => check_directories(root, &metadata),
    }
}

/// Checks that a directory is a layout, or holds nothing but what a store begins with.
///
/// One listing decides: another tool of the pipe may make the layout at the same time.
fn check_content(root: &Path) -> Result<(), LayoutError> {
    let mut other = None;
    for entry in read_directory(root)? {
        let name = entry.context(Action::Read, root)?.file_name();
        if name == marker::FILE {
            return Ok(());
        }
        if other.is_none() && !may_precede_layout(&name) {
            other = Some(name);
        }
    }
    match other {
        None => Ok(()),
        Some(name) => Err(LayoutError::OtherContent {
            path: root.to_owned(),
            entry: name.to_string_lossy().into_owned(),
        }),
    }
}

/// Opens a directory, again if a signal has interrupted the call.
fn read_directory(path: &Path) -> Result<ReadDir, LayoutError> {
    loop {
        match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            opened => return opened.context(Action::Read, path),
        }
    }
}

/// Returns whether a file may be in a directory without the file `oci-layout`: a file that does not
/// matter, or one of a store that another process is making or was killed over.
fn may_precede_layout(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    NEUTRAL.contains(&name)
        || ["blobs", ZTOC_CACHE, MARKER, index_json::FILE].contains(&name)
        || name.starts_with(temporary::PREFIX)
        || name.starts_with(NFS_PREFIX)
}

/// Checks the owners and the modes of the directories of a store that hold what is reused.
fn check_directories(root: &Path, metadata: &Metadata) -> Result<(), LayoutError> {
    // In a directory with the sticky bit, such as a volume for any user, a user cannot replace what
    // another user has made (`inode(7)`).
    let is_sticky = metadata.mode() & 0o1000 != 0;
    check_directory(root, metadata, is_sticky)?;
    let blobs = Path::new("blobs");
    for name in [
        blobs.to_owned(),
        blobs.join(Algorithm::Sha256.name()),
        blobs.join(Algorithm::Sha512.name()),
        ZTOC_CACHE.into(),
    ] {
        let path = root.join(name);
        if let Ok(metadata) = fs::metadata(&path) {
            check_directory(&path, &metadata, false)?;
        }
    }
    Ok(())
}

fn check_directory(path: &Path, found: &Metadata, is_sticky: bool) -> Result<(), LayoutError> {
    let user = geteuid().as_raw();
    let fault = if ![0, user].contains(&found.uid()) {
        TrustFault::Owner {
            found: found.uid(),
            expected: user,
        }
    } else if found.mode() & 0o002 != 0 && !is_sticky {
        TrustFault::WorldWritable
    } else {
        return Ok(());
    };
    Err(LayoutError::Untrusted {
        path: path.to_owned(),
        fault,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    use std::thread;

    use super::*;
    use crate::Layout;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("an own directory");
    }

    fn open(root: &Path) -> Result<Layout, LayoutError> {
        Layout::open_or_create_store(root, StoreTrust::OwnOrRoot)
    }

    #[test]
    fn a_directory_with_other_files_does_not_become_a_store() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["passwd", "oci-layout.bak", ".bashrc"] {
            fs::write(directory.path().join(name), b"").expect("written");
            let error = open(directory.path()).expect_err(name);
            let is_named =
                matches!(&error, LayoutError::OtherContent { entry, .. } if entry == name);
            assert!(is_named, "{error}");
            let files = fs::read_dir(directory.path()).expect("a directory");
            assert_eq!(files.count(), 1, "a file was made");
            fs::remove_file(directory.path().join(name)).expect("removed");
        }
    }

    #[test]
    fn a_store_that_another_tool_of_the_pipe_is_making_is_not_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        for round in 0..30 {
            let root = directory.path().join(round.to_string());
            thread::scope(|scope| {
                let maker = scope.spawn(|| open(&root).expect("a store"));
                while !maker.is_finished() {
                    check_store(&root, StoreTrust::OwnOrRoot).expect("a store in the making");
                }
            });
        }
    }

    #[test]
    fn a_new_volume_and_a_store_that_was_not_finished_become_a_store() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["lost+found", "blobs", "ztocs"] {
            fs::create_dir(directory.path().join(name)).expect("a directory");
        }
        for name in [".gitkeep", ".unfinished-abc"] {
            fs::write(directory.path().join(name), b"").expect("written");
        }
        assert!(open(directory.path()).expect("a store").is_in_use());
    }

    #[test]
    fn a_store_that_every_user_can_write_to_is_not_trusted() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        set_mode(root, 0o1777);
        drop(open(root).expect("a directory with the sticky bit"));
        for (name, mode, sound) in [("", 0o777, 0o1777), ("blobs", 0o1777, 0o775)] {
            let path = root.join(name);
            set_mode(&path, mode);
            let error = open(root).expect_err(name);
            let is_fault = matches!(
                error,
                LayoutError::Untrusted {
                    fault: TrustFault::WorldWritable,
                    ..
                }
            );
            assert!(is_fault, "{error}");
            drop(Layout::open_or_create_store(root, StoreTrust::Everyone).expect("trusted"));
            set_mode(&path, sound);
        }
        drop(open(root).expect("a directory that a group can write to"));
    }

    /// Only root can give files away, so that other users skip the part about other owners.
    #[test]
    fn a_store_of_another_user_is_not_trusted() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        drop(open(root).expect("a store"));
        for name in ["", "blobs", "blobs/sha256"] {
            let path = root.join(name);
            if chown(&path, Some(12_345), None).is_err() {
                return;
            }
            let error = open(root).expect_err(name);
            assert!(
                error.to_string().contains("belongs to user 12345"),
                "{error}"
            );
            drop(Layout::open_or_create_store(root, StoreTrust::Everyone).expect("trusted"));
            chown(&path, Some(0), None).expect("taken back");
        }
    }
}
