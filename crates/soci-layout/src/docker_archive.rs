//! Reading the archives that `docker save`, `crane pull` and `skopeo copy docker-archive:` write.
//!
//! Such an archive has no manifest of the image. One is made from the list in `manifest.json`:
//! always the same for the same archive.

mod entry;
mod image;
mod names;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use soci_oci::reference::Selector;
use soci_oci::{Descriptor, Digest};

use crate::blob::{Blob, Content};
use crate::docker_archive::entry::Entry;
pub(crate) use crate::docker_archive::entry::MANIFEST_FILE;
use crate::docker_archive::image::{DockerImage, Location};
use crate::error::LayoutError;
use crate::index_json::{self, REF_NAME, Selected};
use crate::read_layout::ReadLayout;
use crate::tar_file::{MemberRange, TarFile};

/// How many images an archive has at most.
const MAX_IMAGES: usize = 1000;

/// How many layers all images of an archive have at most.
const MAX_LAYERS: usize = 20_000;

/// An archive of Docker images, in a tar that may be gzipped.
#[derive(Debug)]
pub struct DockerArchive {
    tar: TarFile,
    entries: Vec<Entry>,
    images: Mutex<Images>,
}

/// What is known of the images so far. A manifest is made when it is first needed.
#[derive(Debug, Default)]
struct Images {
    /// The images, by their position in `manifest.json`.
    made: BTreeMap<usize, Arc<DockerImage>>,
    /// The digests of the compressed members that were read.
    digests: BTreeMap<MemberRange, Digest>,
}

impl DockerArchive {
    /// Opens the tar `path` and reads its `manifest.json`.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be read, is not a tar, or has no usable `manifest.json`.
    pub fn open(path: &Path) -> Result<Self, LayoutError> {
        let tar = TarFile::open(path)?;
        let not_an_archive = |reason: String| LayoutError::NotADockerArchive {
            path: path.to_owned(),
            reason,
        };
        let Some(bytes) = tar.read_small(MANIFEST_FILE)? else {
            let has_index = tar.names().any(|name| name == index_json::FILE.as_bytes());
            let missing = format!("it has no file `{MANIFEST_FILE}`");
            return Err(not_an_archive(if has_index {
                format!("{missing}; it is an OCI image layout, so write `oci-archive:FILE`")
            } else {
                missing
            }));
        };
        let entries: Vec<Entry> = serde_json::from_slice(&bytes)
            .map_err(|error| not_an_archive(format!("`{MANIFEST_FILE}` is malformed: {error}")))?;
        let layers: usize = entries.iter().map(|entry| entry.layers().len()).sum();
        if entries.len() > MAX_IMAGES || layers > MAX_LAYERS {
            let found = format!("{} images with {layers} layers", entries.len());
            return Err(not_an_archive(format!(
                "it has {found}, expected at most {MAX_IMAGES} with {MAX_LAYERS}"
            )));
        }
        Ok(Self {
            tar,
            entries,
            images: Mutex::default(),
        })
    }

    /// Returns an image with its manifest, which is made on the first call.
    fn image(&self, index: usize, entry: &Entry) -> Result<Arc<DockerImage>, LayoutError> {
        // Other threads wait, so that each member is read only once.
        let mut images = self.lock();
        let Images { made, digests } = &mut *images;
        if let Some(image) = made.get(&index) {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(DockerImage::read(&self.tar, entry, digests)?);
        made.insert(index, Arc::clone(&image));
        Ok(image)
    }

    /// Locks the images. A thread that panicked while it held the lock has left them consistent.
    fn lock(&self) -> MutexGuard<'_, Images> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns where a blob is. An image that is malformed has none.
    fn locate(&self, digest: Digest) -> Option<Location> {
        let mut entries = self.entries.iter().enumerate();
        entries.find_map(|(index, entry)| self.image(index, entry).ok()?.locate(digest))
    }

    /// Returns the position of the image that `selector` names.
    fn find(&self, selector: &Selector) -> Result<usize, LayoutError> {
        let found = match selector {
            Selector::Any => (0..self.entries.len()).collect(),
            Selector::Name(name) => names::find_named(name, &self.entries),
            Selector::Digest(digest) => {
                let has_digest = |index: &usize| {
                    let image = self.image(*index, &self.entries[*index]);
                    image.is_ok_and(|image| image.manifest.digest == *digest)
                };
                (0..self.entries.len())
                    .find(has_digest)
                    .into_iter()
                    .collect()
            }
        };
        match found.as_slice() {
            [index] => Ok(*index),
            found => Err(names::no_such_image(
                &self.tar,
                selector,
                found.len(),
                &self.entries,
            )),
        }
    }
}

impl ReadLayout for DockerArchive {
    fn path(&self) -> &Path {
        self.tar.path()
    }

    /// Returns an index without entries: an archive of Docker has no referrers.
    fn read_index(&self) -> Result<Cow<'_, [u8]>, LayoutError> {
        Ok(Cow::Owned(index_json::empty_index()))
    }

    /// Selects an image by one of its names in `manifest.json`, in full (`app:v1`) or by its tag.
    /// Warns if layers of the image are not compressed, since `docker push` would compress them.
    fn select(&self, selector: &Selector) -> Result<Selected, LayoutError> {
        let index = self.find(selector)?;
        let entry = &self.entries[index];
        let image = self.image(index, entry)?;
        image.warn_of_plain_layers(self.path());
        let mut manifest = image.manifest.clone();
        if let Some(tag) = names::choose_tag(selector, entry.repo_tags()) {
            manifest.annotations.insert(REF_NAME.to_owned(), tag);
        }
        Ok(Selected::Manifest(Box::new(manifest)))
    }

    fn has_blob(&self, descriptor: &Descriptor) -> bool {
        let found = self.locate(descriptor.digest);
        found.is_some_and(|location| location.size() == descriptor.size)
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Blob, LayoutError> {
        let path = self.path();
        let location = self.locate(descriptor.digest);
        let location = location.ok_or_else(|| LayoutError::NoSuchBlob {
            digest: descriptor.digest,
            path: path.to_owned(),
        })?;
        if location.size() != descriptor.size {
            let found = format!("{} bytes", location.size());
            return Err(LayoutError::corrupt(descriptor, &found, path));
        }
        match location {
            Location::Member(range) => self.tar.open_member(range),
            Location::Bytes(bytes) => {
                let content = Content::Bytes(Cursor::new(bytes));
                Ok(Blob::new(content, path.to_owned(), descriptor.size))
            }
        }
    }
}
