//! One image of an archive, and the manifest that is made for it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use soci_oci::manifest::MANIFEST_LIMIT;
use soci_oci::media_type::{OCI_CONFIG, OCI_MANIFEST};
use soci_oci::{Algorithm, Descriptor, Digest, Hasher, Manifest, go_json};

use crate::blob::CHUNK_SIZE;
use crate::docker_archive::entry::{Entry, MANIFEST_FILE};
use crate::error::LayoutError;
use crate::first_bytes::{FIRST_BYTES, detect_compression};
use crate::tar_file::{MemberRange, TarFile};

/// The media type of a plain layer; compressed ones have a suffix.
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image with its manifest.
#[derive(Debug)]
pub(crate) struct DockerImage {
    /// The descriptor of the manifest.
    pub(crate) manifest: Descriptor,
    /// Where the manifest, the configuration and the layers are.
    locations: BTreeMap<Digest, Location>,
    /// How many layers there are, and how many of them are not compressed.
    layers: usize,
    plain_layers: usize,
}

/// Where a blob is.
#[derive(Clone, Debug)]
pub(crate) enum Location {
    /// In the tar.
    Member(MemberRange),
    /// In memory.
    Bytes(Vec<u8>),
}

/// What is read of a configuration.
#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    /// The digests of the layers as plain tars.
    diff_ids: Option<Vec<Digest>>,
}

impl Location {
    /// Returns the size of the blob in bytes.
    pub(crate) const fn size(&self) -> u64 {
        match self {
            Self::Member(range) => range.size,
            Self::Bytes(bytes) => bytes.len() as u64,
        }
    }
}

impl DockerImage {
    /// Reads the configuration of an image and the compressed layers whose digests are not in
    /// `digests`, and makes the manifest. The digests of plain layers stand in the configuration.
    pub(crate) fn read(
        tar: &TarFile,
        entry: &Entry,
        digests: &mut BTreeMap<MemberRange, Digest>,
    ) -> Result<Self, LayoutError> {
        let malformed = |reason: String| LayoutError::NotADockerArchive {
            path: tar.path().to_owned(),
            reason,
        };
        let name = entry.config.escape_debug();
        let range = find(tar, &entry.config)?;
        if range.size > MANIFEST_LIMIT {
            return Err(malformed(format!("`{name}` is longer than 4 MiB")));
        }
        let config = tar.open_member(range)?.read_to_end()?;
        let parsed: Config = serde_json::from_slice(&config)
            .map_err(|error| malformed(format!("configuration `{name}` is malformed: {error}")))?;
        let diff_ids = parsed.rootfs.diff_ids.unwrap_or_default();
        let (found, expected) = (entry.layers().len(), diff_ids.len());
        if found != expected {
            return Err(malformed(format!(
                "`{MANIFEST_FILE}` lists {found} layers, but configuration `{name}` {expected}"
            )));
        }
        let config = Descriptor::of(OCI_CONFIG, &config);
        let mut image = Self {
            manifest: config.clone(),
            locations: BTreeMap::from([(config.digest, Location::Member(range))]),
            layers: found,
            plain_layers: 0,
        };
        let layers = entry.layers().iter().zip(diff_ids);
        let layers = layers.map(|(path, diff_id)| image.add_layer(tar, path, diff_id, digests));
        let layers = layers.collect::<Result<_, _>>()?;
        image.set_manifest(config, layers);
        Ok(image)
    }

    /// Adds a layer and returns its descriptor.
    fn add_layer(
        &mut self,
        tar: &TarFile,
        path: &str,
        diff_id: Digest,
        digests: &mut BTreeMap<MemberRange, Digest>,
    ) -> Result<Descriptor, LayoutError> {
        let range = find(tar, path)?;
        let first = MemberRange {
            size: range.size.min(FIRST_BYTES),
            ..range
        };
        let first = tar.open_member(first)?.read_to_end()?;
        let compression = detect_compression(&first);
        let digest = match (compression, digests.get(&range)) {
            (None, _) => diff_id,
            (Some(_), Some(digest)) => *digest,
            (Some(_), None) => {
                let digest = hash_member(tar, range)?;
                digests.insert(range, digest);
                digest
            }
        };
        self.plain_layers += usize::from(compression.is_none());
        self.locations.insert(digest, Location::Member(range));
        let suffix = compression.map_or_else(String::new, |name| format!("+{name}"));
        let media_type = format!("{OCI_LAYER}{suffix}");
        Ok(Descriptor::new(&media_type, digest, range.size))
    }

    fn set_manifest(&mut self, config: Descriptor, layers: Vec<Descriptor>) {
        let manifest = Manifest {
            schema_version: 2,
            media_type: OCI_MANIFEST.to_owned(),
            artifact_type: None,
            config: Some(config),
            layers: Some(layers),
            subject: None,
            annotations: BTreeMap::new(),
        };
        let bytes = go_json::to_vec(&manifest);
        self.manifest = Descriptor::of(OCI_MANIFEST, &bytes);
        let digest = self.manifest.digest;
        self.locations.insert(digest, Location::Bytes(bytes));
    }

    /// Returns where a blob of the image is.
    pub(crate) fn locate(&self, digest: Digest) -> Option<Location> {
        self.locations.get(&digest).cloned()
    }

    /// Warns of layers whose digests are not those that `docker push` would give them. `path` is
    /// the archive.
    pub(crate) fn warn_of_plain_layers(&self, path: &Path) {
        let Self {
            layers,
            plain_layers,
            ..
        } = self;
        if *plain_layers > 0 {
            let path = path.display();
            tracing::warn!(target: "soci", "`{path}`: {plain_layers} of {layers} layers are not compressed; they are taken as they are, so they and the image have other digests than `docker push` would give them");
        }
    }
}

/// Returns where the file `name` is in the tar, which must have it.
fn find(tar: &TarFile, name: &str) -> Result<MemberRange, LayoutError> {
    tar.find(name.as_bytes())?
        .ok_or_else(|| LayoutError::NotADockerArchive {
            path: tar.path().to_owned(),
            reason: format!(
                "`{MANIFEST_FILE}` names `{}`, which is not in it",
                name.escape_debug()
            ),
        })
}

/// Returns the digest of a member.
fn hash_member(tar: &TarFile, range: MemberRange) -> Result<Digest, LayoutError> {
    let mut blob = tar.open_member(range)?;
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut buffer = vec![0; CHUNK_SIZE];
    loop {
        let read = blob.read(&mut buffer)?;
        if read == 0 {
            return Ok(hasher.finish());
        }
        hasher.update(&buffer[..read]);
    }
}
