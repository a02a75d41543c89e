//! A converted image in memory, of which a test changes one part. What names the part is changed
//! with it, so that its digest is right.

use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use serde_json::{Value, json};
use soci_cli::{Permits, Progress};
use soci_document::{Check, ImageReference};
use soci_layout::Layout;
use soci_oci::convert::{Indexed, Source as Original, convert};
use soci_oci::manifest::Root;
use soci_oci::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, OCTET_STREAM};
use soci_oci::soci::{CONFIG, soci_index_v1, soci_index_v2, ztoc_descriptor};
use soci_oci::{Descriptor, Digest, Manifest, Platform};
use soci_testkit::golden;
use soci_transport::{MemoryBudget, MemoryImage, Session, Source};
use tempfile::TempDir;

use crate::check::named::NamedImage;
use crate::checker::{Checker, Depth};

const TAR: &str = "application/vnd.oci.image.layer.v1.tar";

/// The layers, each of a golden case with a small ztoc.
const LAYERS: [&str; 2] = ["tar-plain-short", "mt-oci-tar"];

/// A change of a manifest.
type Edit = fn(&mut Value);

/// A change of bytes.
type BytesEdit<'a> = &'a dyn Fn(&mut Vec<u8>);

/// The changes that a test makes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Edits<'a> {
    /// The SOCI index of version 2.
    pub(crate) soci_index: Option<Edit>,
    /// The bytes of the SOCI index, after the other change.
    pub(crate) soci_index_bytes: Option<BytesEdit<'a>>,
    /// The image manifest.
    pub(crate) manifest: Option<Edit>,
    /// The bytes of the image manifest, after the other change.
    pub(crate) manifest_bytes: Option<BytesEdit<'a>>,
    /// The image index.
    pub(crate) root: Option<Edit>,
    /// The SOCI index of version 1, which exists only if it is changed.
    pub(crate) version_1: Option<Edit>,
    /// The bytes of the first ztoc.
    pub(crate) ztoc: Option<BytesEdit<'a>>,
}

/// A converted image.
pub(crate) struct Fixture {
    pub(crate) image: MemoryImage,
    pub(crate) root: Descriptor,
    pub(crate) manifest: Descriptor,
    pub(crate) soci_index: Descriptor,
    pub(crate) ztocs: Vec<Descriptor>,
    pub(crate) layers: Vec<Descriptor>,
}

impl Fixture {
    /// Returns a converted image, `app:v1-soci`, and its original, `app:v1`.
    pub(crate) fn new(edits: &Edits<'_>) -> Self {
        let mut image = MemoryImage::default();
        let config = json!({"architecture": "amd64", "os": "linux"}).to_string();
        let config = image.add_blob(OCI_CONFIG, config.as_bytes());
        image.add_blob("application/json", CONFIG);
        let (mut layers, mut ztocs) = (Vec::new(), Vec::new());
        for (number, case) in layer_cases().iter().enumerate() {
            let layer = image.add_blob(TAR, case.layer);
            let mut bytes = case.ztoc.expect("a ztoc").to_vec();
            if let Some(edit) = edits.ztoc.filter(|_| number == 0) {
                edit(&mut bytes);
            }
            let ztoc = image.add_blob(OCTET_STREAM, &bytes);
            ztocs.push(ztoc_descriptor(
                &layer,
                ztoc.digest,
                ztoc.size,
                case.span_size(),
            ));
            layers.push(layer);
        }
        let manifest = Manifest {
            schema_version: 2,
            media_type: OCI_MANIFEST.to_owned(),
            artifact_type: None,
            config: Some(config),
            layers: Some(layers.clone()),
            subject: None,
            annotations: std::iter::once(("mine".to_owned(), "kept".to_owned())).collect(),
        };
        let bytes = manifest.to_bytes();
        let original = image.add_tag("v1", OCI_MANIFEST, &bytes);
        if let Some(edit) = edits.version_1 {
            let bytes = soci_index_v1(&ztocs, &original, "tool").to_bytes();
            image.add_blob(OCI_MANIFEST, &change(&bytes, Some(edit)));
        }
        let soci_index = soci_index_v2(&ztocs, "tool").to_bytes();
        let mut soci_index = change(&soci_index, edits.soci_index);
        if let Some(edit) = edits.soci_index_bytes {
            edit(&mut soci_index);
        }
        let soci_index = image.add_blob(OCI_MANIFEST, &soci_index);
        let (manifest, root) = convert_image(&original, manifest, &soci_index);
        let mut manifest_bytes = change(&manifest, edits.manifest);
        if let Some(edit) = edits.manifest_bytes {
            edit(&mut manifest_bytes);
        }
        let manifest_digest = Digest::of(&manifest);
        let manifest = image.add_blob(OCI_MANIFEST, &manifest_bytes);
        let root = replace(&root, manifest_digest, &manifest);
        let root = image.add_tag("v1-soci", OCI_INDEX, &change(&root, edits.root));
        Self {
            image,
            root,
            manifest,
            soci_index,
            ztocs,
            layers,
        }
    }

    /// Checks what a tag names, and reads no layer.
    pub(crate) fn check(&self, tag: &str) -> Check {
        let image = format!("123456789012.dkr.ecr.us-east-1.amazonaws.com/app:{tag}");
        let image: ImageReference = image.parse().expect("a reference");
        let backend = Arc::new(self.image.clone());
        let source = Source::with_backend(image.reference().clone(), backend);
        let checker = Checker {
            session: Session::new(soci_registry::ClientOptions::default()),
            store: empty_store(),
            platforms: Vec::new(),
            depth: Depth::Fast,
            jobs: NonZeroUsize::MIN,
            reading: Permits::new(NonZeroUsize::MIN),
            chunk_memory: MemoryBudget::new(1 << 20),
            ztoc_memory: MemoryBudget::new(1 << 20),
            shows_summaries: false,
        };
        let named = NamedImage::new(&checker, &source, &image);
        let (_, check) = named
            .check_tag(&image, &Progress::hidden())
            .expect("a check");
        check
    }
}

/// Returns the golden cases of the layers.
fn layer_cases() -> &'static [golden::LayerCase; 2] {
    static CASES: OnceLock<[golden::LayerCase; 2]> = OnceLock::new();
    CASES.get_or_init(|| LAYERS.map(golden::layer))
}

/// Returns a store in which nothing lies.
fn empty_store() -> Layout {
    static STORE: OnceLock<(TempDir, Layout)> = OnceLock::new();
    let (_, store) = STORE.get_or_init(|| {
        let directory = TempDir::new().expect("a directory");
        let store = Layout::open_or_create(&directory.path().join("store")).expect("a store");
        (directory, store)
    });
    store.clone()
}

/// Returns the bytes of the converted manifest and of the image index.
fn convert_image(
    original: &Descriptor,
    manifest: Manifest,
    soci_index: &Descriptor,
) -> (Vec<u8>, Vec<u8>) {
    let platform = Platform::new("linux", "amd64", "");
    let manifests = std::iter::once((original.digest, manifest.clone())).collect();
    let indexed = Indexed {
        manifest: original.digest,
        platform: platform.clone(),
        soci_index: soci_index.clone(),
    };
    let source = Original {
        root: original,
        content: Root::Manifest(Box::new(manifest)),
        platform: Some(platform),
        manifests: &manifests,
        indexes: &std::collections::BTreeMap::new(),
        missing: &std::collections::BTreeSet::new(),
    };
    let converted = convert(source, &[indexed]);
    let [(_, manifest)] = &converted.manifests[..] else {
        panic!("{} manifests", converted.manifests.len());
    };
    (manifest.clone(), converted.bytes)
}

/// Returns a manifest after a change.
fn change(bytes: &[u8], edit: Option<Edit>) -> Vec<u8> {
    let Some(edit) = edit else {
        return bytes.to_vec();
    };
    let mut value: Value = serde_json::from_slice(bytes).expect("JSON");
    edit(&mut value);
    value.to_string().into_bytes()
}

/// Replaces what an image index says of a manifest that was changed.
fn replace(root: &[u8], old: Digest, new: &Descriptor) -> Vec<u8> {
    let text = String::from_utf8(root.to_vec()).expect("UTF-8");
    let text = text.replace(&old.to_string(), &new.digest.to_string());
    let mut root: Value = serde_json::from_str(&text).expect("JSON");
    root["manifests"][0]["size"] = new.size.into();
    root.to_string().into_bytes()
}
