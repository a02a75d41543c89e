//! Checks the manifest of a SOCI index.

use std::collections::BTreeMap;

use soci_document::IndexVersion;
use soci_oci::media_type::{
    OCI_MANIFEST, OCTET_STREAM, SOCI_INDEX_V1, SOCI_INDEX_V2, SOCI_PREFETCH,
};
use soci_oci::soci::{
    BUILD_TOOL_IDENTIFIER, CONFIG, DISABLE_XATTRS, LAYER_DIGEST, LAYER_MEDIA_TYPE, SPAN_SIZE,
};
use soci_oci::{Descriptor, Digest, Manifest};

use crate::findings::Findings;
use crate::image::ImageManifest;
use crate::rule::{Found, Rule};
use crate::rules::soci_index as rules;

/// The values that Go's `strconv.ParseBool` accepts.
const BOOLEANS: [(&str, bool); 12] = [
    ("1", true),
    ("t", true),
    ("T", true),
    ("TRUE", true),
    ("true", true),
    ("True", true),
    ("0", false),
    ("f", false),
    ("F", false),
    ("FALSE", false),
    ("false", false),
    ("False", false),
];

/// The manifest of a SOCI index, and the image that it is for.
pub(crate) struct SociIndex<'a> {
    pub(crate) version: IndexVersion,
    pub(crate) digest: Digest,
    pub(crate) manifest: &'a Manifest,
    pub(crate) bytes: &'a [u8],
    pub(crate) image: &'a ImageManifest,
}

/// An entry of a SOCI index for a layer of the image.
#[derive(Clone)]
pub(crate) struct LayerBlob {
    pub(crate) layer: Descriptor,
    /// The ztoc or prefetch list.
    pub(crate) blob: Descriptor,
    /// Whether readers must not look for extended attributes.
    pub(crate) disables_xattrs: bool,
}

impl LayerBlob {
    /// Returns the digests of the layer and of the ztoc or prefetch list.
    pub(crate) const fn key(&self) -> (Digest, Digest) {
        (self.layer.digest, self.blob.digest)
    }
}

/// The entries of a SOCI index whose layers the image has.
#[derive(Default)]
pub(crate) struct Entries {
    pub(crate) ztocs: Vec<LayerBlob>,
    pub(crate) prefetch: Vec<LayerBlob>,
}

impl SociIndex<'_> {
    /// Checks the manifest, and returns its entries.
    pub(crate) fn check(&self, findings: &mut Findings) -> Entries {
        self.check_config(findings);
        self.check_bytes(findings);
        self.check_subject(findings);
        let tool = self.manifest.annotations.get(BUILD_TOOL_IDENTIFIER);
        if tool.is_none_or(String::is_empty) {
            findings.add(self.found(rules::BUILD_TOOL, "has no build tool identifier"));
        }
        self.check_entries(findings)
    }

    fn found(&self, rule: &'static Rule, what: &str) -> Found {
        rule.found(format_args!("SOCI index `{}` {what}", self.digest))
            .in_manifest(self.image.descriptor.digest)
    }

    fn check_config(&self, findings: &mut Findings) {
        let expected = match self.version {
            IndexVersion::V1 => SOCI_INDEX_V1,
            IndexVersion::V2 => SOCI_INDEX_V2,
        };
        let config = self.manifest.config.as_ref();
        let media_type = config.map_or("", |config| &config.media_type);
        if media_type != expected {
            let what =
                format!("has a configuration of mediaType `{media_type}`, expected `{expected}`");
            findings.add(self.found(rules::VERSION, &what));
        }
        let empty = Descriptor::of(media_type, CONFIG);
        if let Some(config) = config
            && *config != empty
        {
            let what = format!(
                "has the configuration `{}` of {} bytes, expected `{}`",
                config.digest, config.size, empty.digest
            );
            findings.add(self.found(rules::CONFIG, &what));
        }
    }

    /// Compares the bytes with those that a reader writes: its type has no `artifactType`.
    fn check_bytes(&self, findings: &mut Findings) {
        if let Some(artifact_type) = &self.manifest.artifact_type {
            let what = format!("has artifactType `{artifact_type}`");
            findings.add(self.found(rules::ARTIFACT_TYPE, &what));
            return;
        }
        let mut canonical = self.manifest.clone();
        if canonical.media_type != OCI_MANIFEST {
            OCI_MANIFEST.clone_into(&mut canonical.media_type);
        }
        let written = canonical.to_bytes();
        if written != self.bytes {
            let same = written.iter().zip(self.bytes).take_while(|(a, b)| a == b);
            let what = format!(
                "differs at byte {} from what a reader writes: it has {} bytes, and the reader writes {}",
                same.count(),
                self.bytes.len(),
                written.len()
            );
            findings.add(self.found(rules::BYTES, &what));
        }
    }

    fn check_subject(&self, findings: &mut Findings) {
        let subject = self.manifest.subject.as_ref();
        match (self.version, subject) {
            (IndexVersion::V1, None) => findings.add(self.found(rules::SUBJECT, "has no subject")),
            (IndexVersion::V1, Some(subject)) => {
                let image = self.image.descriptor.reduced();
                if *subject != image {
                    let what = format!(
                        "has as subject `{}` of {} bytes and mediaType `{}`, expected `{}` of {} bytes and mediaType `{}`",
                        subject.digest,
                        subject.size,
                        subject.media_type,
                        image.digest,
                        image.size,
                        image.media_type
                    );
                    findings.add(self.found(rules::SUBJECT, &what));
                }
            }
            (IndexVersion::V2, Some(subject)) => {
                let what = format!("has the subject `{}`", subject.digest);
                findings.add(self.found(rules::UNEXPECTED_SUBJECT, &what));
            }
            (IndexVersion::V2, None) => {}
        }
    }

    /// Checks the entries, and returns those for layers that the image has.
    fn check_entries(&self, findings: &mut Findings) -> Entries {
        let mut entries = Entries::default();
        for blob in self.manifest.layers() {
            let is_ztoc = blob.media_type == OCTET_STREAM;
            if !is_ztoc && blob.media_type != SOCI_PREFETCH {
                let what = format!("lists `{}` of mediaType `{}`", blob.digest, blob.media_type);
                findings.add(self.found(rules::UNKNOWN_ENTRY, &what));
                continue;
            }
            let Some(layer) = self.find_layer(blob, findings) else {
                continue;
            };
            let entry = LayerBlob {
                layer: layer.clone(),
                blob: blob.clone(),
                disables_xattrs: self.check_annotations(blob, layer, findings),
            };
            let list = if is_ztoc {
                &mut entries.ztocs
            } else {
                &mut entries.prefetch
            };
            list.push(entry);
        }
        if entries.ztocs.is_empty() {
            findings.add(self.found(rules::EMPTY, "has no ztoc for a layer of the image"));
        }
        self.check_order(&entries, findings);
        entries
    }

    /// Returns the layer of the image that an entry names.
    fn find_layer(&self, blob: &Descriptor, findings: &mut Findings) -> Option<&Descriptor> {
        let named = blob.annotations.get(LAYER_DIGEST);
        let named = named.map_or("", String::as_str);
        let Ok(digest) = named.parse::<Digest>() else {
            let what = format!("lists `{}` for the layer `{named}`", blob.digest);
            findings.add(self.found(rules::LAYER_DIGEST, &what));
            return None;
        };
        let mut layers = self.image.manifest.layers().iter();
        let layer = layers.find(|layer| layer.digest == digest);
        if layer.is_none() {
            let what = format!("lists `{}` for layer `{digest}`", blob.digest);
            findings.add(self.found(rules::OTHER_IMAGE, &what).in_layer(digest));
        }
        layer
    }

    /// Checks the annotations of an entry. Returns whether it disables extended attributes.
    fn check_annotations(
        &self,
        blob: &Descriptor,
        layer: &Descriptor,
        findings: &mut Findings,
    ) -> bool {
        let annotation = |key| blob.annotations.get(key).map(String::as_str);
        let mut add = |rule: &'static Rule, what: &str| {
            let what = format!("lists `{}` {what}", blob.digest);
            findings.add(self.found(rule, &what).in_layer(layer.digest));
        };
        if blob.media_type == OCTET_STREAM {
            let media_type = annotation(LAYER_MEDIA_TYPE).unwrap_or_default();
            if media_type != layer.media_type {
                let what = format!(
                    "for a layer of mediaType `{media_type}`, expected `{}`",
                    layer.media_type
                );
                add(rules::LAYER_MEDIA_TYPE, &what);
            }
        }
        let span_size = annotation(SPAN_SIZE).unwrap_or_default();
        if blob.media_type == OCTET_STREAM && parse_span_size(span_size).is_none() {
            add(
                rules::SPAN_SIZE,
                &format!("with the span size `{span_size}`"),
            );
        }
        let Some(value) = annotation(DISABLE_XATTRS) else {
            return false;
        };
        let boolean = BOOLEANS.iter().find(|(text, _)| *text == value);
        if boolean.is_none() {
            let what = format!("with `{DISABLE_XATTRS}` set to `{value}`");
            add(rules::DISABLE_XATTRS, &what);
        }
        boolean.is_some_and(|(_, value)| *value)
    }

    /// Checks that ztocs stand in the order of the layers, and prefetch lists after them.
    fn check_order(&self, entries: &Entries, findings: &mut Findings) {
        let in_order = |entries: &[LayerBlob]| {
            // A layer that occurs twice is listed twice, and has its first position here.
            let mut layers = self.image.manifest.layers().iter();
            entries
                .iter()
                .all(|entry| layers.any(|layer| layer.digest == entry.layer.digest))
        };
        let types = self.manifest.layers().iter();
        let types: Vec<bool> = types.map(|blob| blob.media_type == SOCI_PREFETCH).collect();
        if !types.is_sorted() || !in_order(&entries.ztocs) || !in_order(&entries.prefetch) {
            findings.add(self.found(rules::ORDER, "lists its entries in another order"));
        }
        let mut ztocs: BTreeMap<Digest, Digest> = BTreeMap::new();
        for entry in &entries.ztocs {
            let earlier = ztocs.insert(entry.layer.digest, entry.blob.digest);
            if earlier.is_some_and(|earlier| earlier != entry.blob.digest) {
                let found = self.found(rules::TWO_ZTOCS, "lists several ztocs for one layer");
                findings.add(found.in_layer(entry.layer.digest));
            }
        }
    }
}

/// Parses the annotation of a span size.
pub(crate) fn parse_span_size(text: &str) -> Option<u64> {
    let is_decimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_decimal)
}
