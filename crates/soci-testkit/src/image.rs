//! Small images for tests, as OCI image layouts.
//!
//! An `Image` is for one platform. `write_layout` writes one image, or several with an image
//! index. `Registry::push`(crate::registry::Registry::push) copies a layout to a registry.

use std::{fmt::Write as _, fs, io::Write as _, path::Path};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256, Sha512};

/// The prefix of the media types of the OCI image specification.
pub(crate) const OCI: &str = "application/vnd.oci.image";
const DOCKER: &str = "application/vnd.docker";

/// The media types of a manifest, its configuration and its layers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// Those of Docker's schema 2.
    Docker,
    /// Those of the OCI image specification.
    #[default]
    Oci,
}

/// A layer, with its media type in both formats and the digest of its tar.
#[derive(Clone, Debug)]
#[must_use]
pub struct Layer {
    bytes: Vec<u8>,
    diff_id: String,
    oci_suffix: &'static str,
    docker_suffix: &'static str,
}

impl Layer {
    /// Returns a gzip layer of regular files, given as pairs of a path and its content.
    pub fn gzip(files: &[(&str, &[u8])]) -> Self {
        Self::compress_gzip(Compression::default(), files)
    }

    /// Returns the size of the layer in bytes.
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Returns a gzip layer with stored deflate blocks, which has about the size of its content.
    pub fn stored(files: &[(&str, &[u8])]) -> Self {
        Self::compress_gzip(Compression::none(), files)
    }

    fn compress_gzip(level: Compression, files: &[(&str, &[u8])]) -> Self {
        let tar = write_tar(files);
        let mut encoder = GzEncoder::new(Vec::new(), level);
        encoder.write_all(&tar).expect("a buffer");
        Self::from_bytes(encoder.finish().expect("a buffer")).with_diff_id_of(&tar)
    }

    /// Returns an uncompressed layer.
    pub fn plain(files: &[(&str, &[u8])]) -> Self {
        let tar = write_tar(files);
        Self {
            oci_suffix: "",
            docker_suffix: "",
            ..Self::from_bytes(tar.clone()).with_diff_id_of(&tar)
        }
    }

    /// Returns a zstd layer of raw blocks.
    pub fn zstd(files: &[(&str, &[u8])]) -> Self {
        let tar = write_tar(files);
        Self {
            oci_suffix: "+zstd",
            docker_suffix: ".zstd",
            ..Self::from_bytes(zstd_frame(&tar)).with_diff_id_of(&tar)
        }
    }

    /// Returns a layer of these bytes, with the media type of a gzip layer.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self {
            diff_id: digest(&bytes),
            bytes,
            oci_suffix: "+gzip",
            docker_suffix: ".gzip",
        }
    }

    /// Sets the media type to that of a gzip layer, even if the bytes are of another format.
    pub fn labelled_gzip(self) -> Self {
        Self {
            oci_suffix: "+gzip",
            docker_suffix: ".gzip",
            ..self
        }
    }

    /// Sets the media type to that of a plain tar, even if the bytes are of another format.
    pub fn labelled_tar(self) -> Self {
        Self {
            oci_suffix: "",
            docker_suffix: "",
            ..self
        }
    }

    /// Returns a layer with the same media type whose bytes are those that `change` makes of these.
    pub fn with_bytes(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(&mut self.bytes);
        self
    }

    /// Sets the digest of the tar.
    fn with_diff_id_of(self, tar: &[u8]) -> Self {
        Self {
            diff_id: digest(tar),
            ..self
        }
    }

    fn media_type(&self, format: Format) -> String {
        match format {
            Format::Oci => format!("{OCI}.layer.v1.tar{}", self.oci_suffix),
            Format::Docker => format!("{DOCKER}.image.rootfs.diff.tar{}", self.docker_suffix),
        }
    }
}

/// The image for one platform.
#[derive(Clone, Debug)]
#[must_use]
pub struct Image {
    platform: Map<String, Value>,
    format: Format,
    layers: Vec<Layer>,
    attested: bool,
}

impl Image {
    /// Returns an image without layers, for `os/arch` or `os/arch/variant`.
    pub fn new(platform: &str) -> Self {
        let fields = ["os", "architecture", "variant"].map(str::to_owned);
        let platform = fields
            .into_iter()
            .zip(platform.split('/').map(Value::from))
            .collect();
        Self {
            platform,
            format: Format::Oci,
            layers: Vec::new(),
            attested: false,
        }
    }

    /// Adds a layer after the others.
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Adds layers after the others.
    pub fn layers(mut self, layers: impl IntoIterator<Item = Layer>) -> Self {
        self.layers.extend(layers);
        self
    }

    /// Sets the media types. The default is [`Format::Oci`].
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Adds an attestation manifest as `BuildKit` does, which needs an index.
    pub fn attested(mut self) -> Self {
        self.attested = true;
        self
    }
}

/// Writes an OCI layout with one root, which is tagged `latest`, and returns the root's descriptor.
///
/// The root is a manifest for one image without an attestation, and otherwise an index in the first
/// image's format.
pub fn write_layout(directory: &Path, images: &[Image]) -> Value {
    let layout = Layout { directory };
    fs::create_dir_all(directory.join("blobs/sha256")).expect("a writable directory");
    fs::write(
        directory.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .expect("a writable directory");
    let mut manifests: Vec<Value> = images
        .iter()
        .flat_map(|image| layout.add_image(image))
        .collect();
    let mut root = if let [_] = manifests[..] {
        manifests.remove(0)
    } else {
        let media_type = match images.first().map(|image| image.format) {
            Some(Format::Docker) => format!("{DOCKER}.distribution.manifest.list.v2+json"),
            _ => format!("{OCI}.index.v1+json"),
        };
        layout.add_json(
            &media_type,
            &json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}),
        )
    };
    let descriptor = root.clone();
    root["annotations"] = json!({"org.opencontainers.image.ref.name": "latest"});
    let index = json!({"schemaVersion": 2, "manifests": [root]});
    fs::write(directory.join("index.json"), index.to_string()).expect("a writable directory");
    descriptor
}

/// Returns the digest of bytes, such as `sha256:e3b0…`.
pub fn digest(bytes: &[u8]) -> String {
    format_digest("sha256:", &Sha256::digest(bytes))
}

/// Returns the SHA-512 digest of bytes, such as `sha512:cf83…`.
pub fn digest_sha512(bytes: &[u8]) -> String {
    format_digest("sha512:", &Sha512::digest(bytes))
}

/// Returns whether bytes have this digest.
pub fn has_digest(bytes: &[u8], expected: &str) -> bool {
    if expected.starts_with("sha512:") {
        digest_sha512(bytes) == expected
    } else {
        digest(bytes) == expected
    }
}

fn format_digest(prefix: &str, hash: &[u8]) -> String {
    hash.iter().fold(prefix.to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string");
        text
    })
}

/// Gives every blob of a layout a SHA-512 digest, and returns that of its root.
pub fn rehash_layout(layout: &Path) -> String {
    let path = layout.join("index.json");
    let mut index: Value =
        serde_json::from_slice(&fs::read(&path).expect("a layout")).expect("JSON");
    fs::create_dir_all(layout.join("blobs/sha512")).expect("a writable directory");
    let root = &mut index["manifests"][0];
    rehash(layout, root);
    let digest = root["digest"].as_str().expect("a digest").to_owned();
    fs::write(&path, index.to_string()).expect("a writable directory");
    fs::remove_dir_all(layout.join("blobs/sha256")).expect("a writable directory");
    digest
}

/// Gives the blob of a descriptor, and all blobs that it names, a SHA-512 digest.
fn rehash(layout: &Path, descriptor: &mut Value) {
    let blobs = layout.join("blobs");
    let old = descriptor["digest"].as_str().expect("a digest");
    let mut bytes = fs::read(blobs.join(old.replace(':', "/"))).expect("a blob");
    let media_type = descriptor["mediaType"].as_str().unwrap_or_default();
    if media_type.contains("manifest.v") || media_type.contains("index.v") {
        let mut manifest: Value = serde_json::from_slice(&bytes).expect("JSON");
        for field in ["layers", "manifests"] {
            let named = manifest.get_mut(field).and_then(Value::as_array_mut);
            named
                .into_iter()
                .flatten()
                .for_each(|child| rehash(layout, child));
        }
        if let Some(config) = manifest.get_mut("config") {
            rehash(layout, config);
        }
        bytes = manifest.to_string().into_bytes();
    }
    let new = digest_sha512(&bytes);
    fs::write(blobs.join(new.replace(':', "/")), &bytes).expect("a writable directory");
    descriptor["digest"] = new.into();
    descriptor["size"] = bytes.len().into();
}

/// Returns a gzip layer with a file of `length` incompressible bytes. Each seed gives another
/// layer.
pub fn random_layer(seed: u64, length: usize) -> Layer {
    let name = format!("srv/data-{seed}");
    Layer::gzip(&[("etc/name", b"content"), (&name, &noise(seed, length))])
}

/// Returns incompressible bytes, which depend only on the seed (xorshift64*).
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

struct Layout<'a> {
    directory: &'a Path,
}

impl Layout<'_> {
    /// Writes a blob, and returns its descriptor.
    fn add(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = digest(bytes);
        let path = self.directory.join("blobs").join(digest.replace(':', "/"));
        fs::write(path, bytes).expect("a writable directory");
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    fn add_json(&self, media_type: &str, value: &Value) -> Value {
        self.add(media_type, value.to_string().as_bytes())
    }

    /// Returns the descriptors that the image adds to an index: its own, and the one of its
    /// attestation.
    fn add_image(&self, image: &Image) -> Vec<Value> {
        let layers = image
            .layers
            .iter()
            .map(|layer| self.add(&layer.media_type(image.format), &layer.bytes));
        let layers: Vec<Value> = layers.collect();
        let diff_ids: Vec<&str> = image
            .layers
            .iter()
            .map(|layer| layer.diff_id.as_str())
            .collect();
        let mut config = Value::Object(image.platform.clone());
        config["config"] = json!({});
        config["rootfs"] = json!({"type": "layers", "diff_ids": diff_ids});
        let (config_type, manifest_type) = match image.format {
            Format::Oci => (
                format!("{OCI}.config.v1+json"),
                format!("{OCI}.manifest.v1+json"),
            ),
            Format::Docker => (
                format!("{DOCKER}.container.image.v1+json"),
                format!("{DOCKER}.distribution.manifest.v2+json"),
            ),
        };
        let config = self.add_json(&config_type, &config);
        let mut descriptor = self.add_manifest(&manifest_type, &config, &layers);
        descriptor["platform"] = Value::Object(image.platform.clone());
        let attestation = image.attested.then(|| self.add_attestation(&descriptor));
        [descriptor].into_iter().chain(attestation).collect()
    }

    fn add_attestation(&self, subject: &Value) -> Value {
        let unknown = json!({"architecture": "unknown", "os": "unknown"});
        let statement = self.add_json(
            "application/vnd.in-toto+json",
            &json!({"subject": [subject["digest"]]}),
        );
        let mut config = unknown.clone();
        config["rootfs"] = json!({"type": "layers", "diff_ids": [statement["digest"]]});
        let config = self.add_json(&format!("{OCI}.config.v1+json"), &config);
        let mut descriptor =
            self.add_manifest(&format!("{OCI}.manifest.v1+json"), &config, &[statement]);
        descriptor["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": subject["digest"]});
        descriptor["platform"] = unknown;
        descriptor
    }

    fn add_manifest(&self, media_type: &str, config: &Value, layers: &[Value]) -> Value {
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers});
        self.add_json(media_type, &manifest)
    }
}

fn write_tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(content.len().try_into().expect("a size"));
        archive
            .append_data(&mut header, path, *content)
            .expect("a buffer");
    }
    archive.into_inner().expect("a buffer")
}

/// Returns a zstd frame of raw blocks (RFC 8878, section 3.1.1).
///
/// The header of each block has its size, the type 0, and whether it is the last one.
fn zstd_frame(content: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 100_000;
    // A window of 128 KiB, without a size and a checksum.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    let blocks = content.chunks(BLOCK).count();
    for (index, block) in content.chunks(BLOCK).enumerate() {
        let size = u32::try_from(block.len()).expect("a small block");
        let header = size << 3 | u32::from(index + 1 == blocks);
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame
}
