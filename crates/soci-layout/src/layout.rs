//! A layout in a folder.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use soci_oci::{Descriptor, Digest};

use crate::blob::{Blob, BlobWriter};
use crate::error::{Action, During as _, LayoutError};
use crate::temporary::{self, Replace};

/// The content of `oci-layout`.
pub(crate) const OCI_LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// An OCI image layout in a folder.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
    /// How long the lock of `index.json` is waited for.
    pub(crate) patience: Duration,
}

/// How long the lock of `index.json` is waited for: whoever holds it writes one small file.
const PATIENCE: Duration = Duration::from_mins(1);

/// How much of a blob is read at once, in bytes.
const PIECE: usize = 256 << 10;

/// What `oci-layout` says.
#[derive(Deserialize)]
struct Marker {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

impl Layout {
    /// Opens the layout in the folder `root`.
    ///
    /// # Errors
    ///
    /// Fails where the folder is not there, or is not an OCI image layout of version 1.
    pub fn open(root: &Path) -> Result<Self, LayoutError> {
        let marker = root.join("oci-layout");
        let text = match fs::read(&marker) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && root.is_dir() => {
                return Err(not_a_layout(root, "it has no file `oci-layout`"));
            }
            other => other.during(Action::Read, &marker)?,
        };
        check_marker(&text, root)?;
        Ok(Self {
            root: root.to_owned(),
            patience: PATIENCE,
        })
    }

    /// Opens the layout in the folder `root`, or makes an empty one there. Leftovers of killed processes are removed.
    ///
    /// # Errors
    ///
    /// Fails where the folder cannot be made, or holds something else.
    pub fn open_or_create(root: &Path) -> Result<Self, LayoutError> {
        let blobs = root.join("blobs/sha256");
        temporary::make_folder(&blobs)?;
        let layout = Self {
            root: root.to_owned(),
            patience: PATIENCE,
        };
        let marker = root.join("oci-layout");
        if !marker.exists() {
            // The marker carries the layout's lock, so it must never be replaced.
            let mut file = temporary::start(root, &marker)?;
            file.write_all(OCI_LAYOUT.as_bytes())
                .during(Action::Write, &marker)?;
            file.publish(&marker, 0o644, Replace::Nothing)?;
        }
        layout.initialize_index()?;
        temporary::sweep(root);
        Self::open(root)
    }

    /// Returns the layout's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the file in which a blob lies.
    pub fn blob_path(&self, digest: Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// Says whether a blob of the right length is there. Its content is checked when it is read.
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        fs::symlink_metadata(self.blob_path(descriptor.digest))
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == descriptor.size)
    }

    /// Opens a blob to read it.
    ///
    /// # Errors
    ///
    /// Fails where the blob is not there, is not a plain file, or has another length.
    pub fn blob(&self, descriptor: &Descriptor) -> Result<Blob, LayoutError> {
        let path = self.blob_path(descriptor.digest);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let open = || rustix::fs::open(&path, flags, Mode::empty());
        let file = match rustix::io::retry_on_intr(open) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => {
                return Err(LayoutError::NoSuchBlob {
                    digest: descriptor.digest,
                    path: self.root.clone(),
                });
            }
            Err(rustix::io::Errno::LOOP) => {
                return Err(self.corrupt(descriptor, "a symbolic link".to_owned()));
            }
            Err(error) => return Err(error.into()).during(Action::Read, &path),
        };
        let metadata = file.metadata().during(Action::Read, &path)?;
        if !metadata.is_file() || metadata.len() != descriptor.size {
            let found = if metadata.is_file() {
                format!("{} bytes", metadata.len())
            } else {
                "no plain file".to_owned()
            };
            return Err(self.corrupt(descriptor, found));
        }
        Blob::new(file, path, 0, descriptor.size)
    }

    /// Reads a blob of at most `limit` bytes and checks its digest.
    ///
    /// # Errors
    ///
    /// Fails where the blob is not there, too long, or not what its descriptor says.
    pub fn read_blob(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, LayoutError> {
        self.blob(descriptor)?.verified(descriptor, limit)
    }

    /// Reads a blob to its end and checks its digest, however long it is.
    ///
    /// # Errors
    ///
    /// Fails where the blob is not there, or is not what its descriptor says.
    pub fn verify(&self, descriptor: &Descriptor) -> Result<(), LayoutError> {
        let mut blob = self.blob(descriptor)?;
        let mut hash = Sha256::new();
        let mut piece = vec![0; PIECE];
        loop {
            let read = blob.read(&mut piece)?;
            if read == 0 {
                break;
            }
            hash.update(&piece[..read]);
        }
        let found = Digest::from_bytes(hash.finalize().into());
        if found == descriptor.digest {
            return Ok(());
        }
        Err(self.corrupt(descriptor, format!("digest `{found}`")))
    }

    /// Writes `bytes` as a blob, unless it is there and sound.
    ///
    /// # Errors
    ///
    /// Fails where the blob cannot be written and made durable.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<Digest, LayoutError> {
        Ok(self.write_blob_of(&[bytes])?.digest)
    }

    /// Writes `parts`, one behind the other, as a blob, unless it is there and sound. Returns its digest and size.
    ///
    /// # Errors
    ///
    /// As [`Layout::write_blob`].
    pub fn write_blob_of(&self, parts: &[&[u8]]) -> Result<Descriptor, LayoutError> {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        let digest = Digest::from_bytes(hash.finalize().into());
        let size = parts.iter().map(|part| part.len() as u64).sum();
        let descriptor = Descriptor::new("", digest, size);
        let path = self.blob_path(digest);
        if self.has(&descriptor) && self.verify(&descriptor).is_ok() {
            // Whoever has written it may not have come so far.
            temporary::sync_entry(&path)?;
        } else {
            let mut file = temporary::start(&self.root, &path)?;
            for part in parts {
                file.write_all(part).during(Action::Write, &path)?;
            }
            file.publish(&path, 0o444, Replace::Any)?;
        }
        Ok(descriptor)
    }

    /// Starts to write the blob `expected`, piece by piece.
    ///
    /// # Errors
    ///
    /// Fails where no file can be made in the layout.
    pub fn blob_writer(&self, expected: &Descriptor) -> Result<BlobWriter, LayoutError> {
        let path = self.blob_path(expected.digest);
        Ok(BlobWriter {
            file: temporary::start(&self.root, &path)?,
            path,
            expected: expected.clone(),
            hash: Sha256::new(),
            written: 0,
        })
    }

    /// Writes the file `name` in a folder of the caller's own, whole or not at all. Readers of layouts ignore such folders.
    ///
    /// # Errors
    ///
    /// Fails where it cannot be written and made durable.
    pub fn write_aside(&self, folder: &str, name: &str, content: &[u8]) -> Result<(), LayoutError> {
        let folder = self.root.join(folder);
        temporary::make_folder(&folder)?;
        self.publish(&folder.join(name), content)
    }

    /// Writes a file of the layout, whole or not at all.
    pub(crate) fn publish(&self, path: &Path, content: &[u8]) -> Result<(), LayoutError> {
        let mut file = temporary::start(&self.root, path)?;
        file.write_all(content).during(Action::Write, path)?;
        file.publish(path, 0o644, Replace::Any)
    }

    fn corrupt(&self, descriptor: &Descriptor, found: String) -> LayoutError {
        let Descriptor {
            digest: expected,
            size,
            ..
        } = *descriptor;
        LayoutError::Corrupt {
            expected,
            size,
            found,
            path: self.root.clone(),
        }
    }
}

/// Checks the content of `oci-layout`.
pub(crate) fn check_marker(text: &[u8], place: &Path) -> Result<(), LayoutError> {
    match serde_json::from_slice::<Marker>(text) {
        Ok(marker) if marker.version.starts_with("1.") => Ok(()),
        Ok(marker) => Err(not_a_layout(
            place,
            &format!(
                "it is of version {}, expected 1.0.0",
                marker.version.escape_debug()
            ),
        )),
        Err(_) => Err(not_a_layout(place, "its file `oci-layout` is malformed")),
    }
}

/// Says why something is not a layout.
pub(crate) fn not_a_layout(place: &Path, reason: &str) -> LayoutError {
    LayoutError::NotALayout {
        path: place.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_document::{Classify as _, Exit};

    fn layout() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().expect("a folder");
        let layout = Layout::open_or_create(&folder.path().join("store")).expect("a layout");
        (folder, layout)
    }

    fn unfinished(layout: &Layout) -> usize {
        let names = fs::read_dir(layout.root()).expect("the folder").flatten();
        names
            .filter(|entry| {
                entry
                    .file_name()
                    .to_string_lossy()
                    .starts_with(".unfinished")
            })
            .count()
    }

    #[test]
    fn gives_back_what_it_took() {
        let (_folder, layout) = layout();
        let descriptor = Descriptor::of("", b"content");
        assert!(!layout.has(&descriptor));
        assert!(matches!(
            layout.blob(&descriptor),
            Err(LayoutError::NoSuchBlob { .. })
        ));
        assert_eq!(
            layout.write_blob(b"content").expect("written"),
            descriptor.digest
        );
        assert!(layout.has(&descriptor));
        assert_eq!(
            layout.read_blob(&descriptor, 100).expect("read"),
            b"content"
        );
        assert!(matches!(
            layout.read_blob(&descriptor, 3),
            Err(LayoutError::TooLarge { .. })
        ));
        assert_eq!(unfinished(&layout), 0);
    }

    #[test]
    fn keeps_nothing_of_a_wrong_blob() {
        let (_folder, layout) = layout();
        let expected = Descriptor::of("", b"content");
        for wrong in [&b"contenT"[..], b"conten", b"content and more", b""] {
            let mut writer = layout.blob_writer(&expected).expect("a writer");
            let result = writer.write(wrong).and_then(|()| writer.commit());
            assert!(
                matches!(result, Err(LayoutError::Corrupt { .. })),
                "{wrong:?}"
            );
        }
        assert!(!layout.has(&expected));
        assert_eq!(unfinished(&layout), 0);
    }

    #[test]
    fn heals_a_blob_that_was_damaged() {
        let (_folder, layout) = layout();
        let descriptor = Descriptor::of("", b"content");
        fs::write(layout.blob_path(descriptor.digest), b"damaged").expect("written");
        assert!(matches!(
            layout.read_blob(&descriptor, 100),
            Err(LayoutError::Corrupt { .. })
        ));
        layout.write_blob(b"content").expect("written");
        assert_eq!(
            layout.read_blob(&descriptor, 100).expect("read"),
            b"content"
        );
    }

    #[test]
    fn follows_no_links() {
        let (folder, layout) = layout();
        let secret = folder.path().join("secret");
        fs::write(&secret, b"content").expect("written");
        let descriptor = Descriptor::of("", b"content");
        std::os::unix::fs::symlink(&secret, layout.blob_path(descriptor.digest)).expect("a link");
        assert!(matches!(
            layout.blob(&descriptor),
            Err(LayoutError::Corrupt { .. })
        ));
    }

    #[test]
    fn refuses_what_is_not_a_layout() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(matches!(
            Layout::open(folder.path()),
            Err(LayoutError::NotALayout { .. })
        ));
        fs::write(
            folder.path().join("oci-layout"),
            r#"{"imageLayoutVersion":"2.0.0"}"#,
        )
        .expect("written");
        assert!(matches!(
            Layout::open(folder.path()),
            Err(LayoutError::NotALayout { .. })
        ));
        let absent = Layout::open(&folder.path().join("absent")).expect_err("no folder");
        assert_eq!(absent.exit(), Exit::NotFound);
        fs::write(folder.path().join("file"), b"").expect("written");
        let file = Layout::open_or_create(&folder.path().join("file")).expect_err("a file");
        assert_eq!(file.exit(), Exit::StoreUnwritable);
    }
}
