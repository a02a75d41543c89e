//! The layers of an image and their ztocs.

use soci_cli::{Failure, parse_reference};
use soci_document::{Document, Exit, Indexing, ManifestEntry};
use soci_layout::{Layout, LayoutError};
use soci_oci::{Descriptor, Platform};
use soci_transport::{Source, TransportError};
use soci_ztoc::Ztoc;
use soci_ztoc::extract::{LayerReader, ReadRange};

use super::index::find_ztocs;
use super::inspector::Inspector;
use crate::findings::Findings;
use crate::image::{Image, Selection};
use crate::place::Place;

/// The largest ztoc in bytes: the reference cannot write a larger one.
const MAX_ZTOC: u64 = 1 << 30;

/// The most bytes of a span, compressed or not, that are read. Whole spans are held in memory.
pub(super) const MAX_SPAN: u64 = 256 << 20;

/// The platform that is shown of an image with several, as `soci-plan` indexes it.
const DEFAULT_PLATFORM: &str = "linux/amd64";

/// An image manifest whose ztocs are shown.
pub(crate) struct InspectedImage {
    /// The image as the user named it.
    pub(super) name: String,
    /// The layers, base first.
    pub(super) layers: Vec<InspectedLayer>,
    store: Layout,
    source: Source,
}

/// A layer, and its ztoc if it has one.
#[derive(Clone, Debug)]
pub(super) struct InspectedLayer {
    pub(super) layer: Descriptor,
    pub(super) ztoc: Option<Descriptor>,
}

impl InspectedImage {
    /// Finds the ztocs of the image that a reference names.
    pub(super) fn of_reference(inspector: &Inspector, text: &str) -> Result<Self, Failure> {
        let reference = parse_reference(text)?;
        let session = &inspector.session;
        session.claim_password_for(reference.reference())?;
        let source = Source::open(session, reference.reference())?;
        let place = Place::Source(source.clone());
        let selection = Selection {
            platforms: inspector.platforms.clone(),
            ..Selection::default()
        };
        let resolved = source.resolve()?;
        let mut findings = Findings::default();
        let image = Image::read(&place, &selection, resolved.into(), &mut findings)?;
        let manifest = choose(&image.manifests, |manifest| manifest.platform.as_ref())?;
        let found = find_ztocs(&place, &source, &image, manifest)?;
        let layers = manifest.manifest.layers().iter().map(|layer| {
            let ztoc = found
                .iter()
                .find(|entry| entry.layer.digest == layer.digest);
            InspectedLayer {
                layer: layer.clone(),
                ztoc: ztoc.map(|entry| entry.blob.clone()),
            }
        });
        Self {
            name: text.to_owned(),
            layers: layers.collect(),
            store: inspector.store.clone(),
            source,
        }
        .restrict_to(inspector.layer.as_deref())
    }

    /// Finds the ztocs that `soci-index` has entered into a document, else those of the image.
    pub(super) fn of_document(inspector: &Inspector, document: &Document) -> Result<Self, Failure> {
        let has_ztoc = |entry: &&ManifestEntry| {
            let mut layers = entry.layers.iter();
            layers.any(|layer| matches!(layer.ztoc, Indexing::Done(_)))
        };
        let is_asked_for = |entry: &&ManifestEntry| {
            let asked = &inspector.platforms;
            let own = entry.platform();
            asked.is_empty() || own.is_some_and(|own| asked.iter().any(|one| one.matches(own)))
        };
        let manifests = document.manifests.iter().filter(has_ztoc);
        let manifests: Vec<&ManifestEntry> = manifests.filter(is_asked_for).collect();
        if manifests.is_empty() {
            return Self::of_reference(inspector, document.image.as_str());
        }
        let session = &inspector.session;
        session.claim_password_for(document.image.reference())?;
        let manifest = choose(&manifests, |manifest| manifest.platform())?;
        let layers = manifest.layers.iter().map(|entry| InspectedLayer {
            layer: entry.descriptor.clone(),
            ztoc: match &entry.ztoc {
                Indexing::Done(ztoc) => Some(ztoc.clone()),
                Indexing::Pending | Indexing::Empty => None,
            },
        });
        Self {
            name: document.image.to_string(),
            layers: layers.collect(),
            store: inspector.store.clone(),
            source: Source::open(session, document.image.reference())?,
        }
        .restrict_to(inspector.layer.as_deref())
    }

    /// Leaves only the layer whose digest begins with `start`.
    fn restrict_to(mut self, start: Option<&str>) -> Result<Self, Failure> {
        let Some(start) = start else {
            return Ok(self);
        };
        let is_asked_for = |layer: &InspectedLayer| {
            let digest = layer.layer.digest.to_string();
            let digits = digest.split_once(':').map_or("", |(_, digits)| digits);
            digest.starts_with(start) || digits.starts_with(start)
        };
        self.layers.retain(is_asked_for);
        self.layers.dedup_by_key(|layer| layer.layer.digest);
        match self.layers.as_slice() {
            [_] => Ok(self),
            [] => Err(Failure::message(
                Exit::NothingMatches,
                format!("the image has no layer `{start}`"),
            )),
            several => Err(Failure::message(
                Exit::Usage,
                format!("{} layers begin with `{start}`", several.len()),
            )),
        }
    }

    /// Reads and decodes a ztoc, from the store or else from the source.
    pub(super) fn read_ztoc(&self, ztoc: &Descriptor) -> Result<Ztoc, Failure> {
        let stored = self
            .store
            .has_blob(ztoc)
            .then(|| self.store.read_blob(ztoc, MAX_ZTOC));
        let bytes = match stored {
            Some(Ok(bytes)) => Some(bytes),
            // Another process may have removed it meanwhile.
            None | Some(Err(LayoutError::NoSuchBlob { .. })) => {
                self.source.read_blob(ztoc, MAX_ZTOC)?
            }
            Some(Err(error)) => return Err(error.into()),
        };
        let digest = ztoc.digest;
        let bytes = bytes.ok_or_else(|| {
            Failure::message(Exit::NotFound, format!("ztoc `{digest}` does not exist"))
        })?;
        let decoded = Ztoc::decode(&bytes);
        decoded.map_err(|error| {
            Failure::new(Exit::BadData, error).context(format!("ztoc `{digest}` is malformed"))
        })
    }

    /// Opens a layer for reading through its ztoc.
    pub(super) fn open_layer<'a>(
        &'a self,
        layer: &'a Descriptor,
        ztoc: &'a Ztoc,
    ) -> Result<LayerReader<'a, LayerRanges<'a>>, Failure> {
        let ranges = LayerRanges { image: self, layer };
        let reader = LayerReader::new(ztoc, ranges);
        let reader = reader.map_err(|error| Failure::new(Exit::BadData, error))?;
        Ok(reader.with_max_span(MAX_SPAN))
    }
}

/// The ranges of a layer in the store, or else in the source.
pub(super) struct LayerRanges<'a> {
    image: &'a InspectedImage,
    layer: &'a Descriptor,
}

/// Why a range cannot be read.
#[derive(Debug)]
pub(super) enum RangeError {
    /// The ztoc names bytes that the layer does not have, or too many.
    Malformed,
    Read(Box<TransportError>),
}

impl ReadRange for LayerRanges<'_> {
    type Error = RangeError;

    fn read_range(&mut self, start: u64, end: u64) -> Result<Vec<u8>, RangeError> {
        if start > end || end > self.layer.size || end - start > MAX_SPAN {
            return Err(RangeError::Malformed);
        }
        let InspectedImage { store, source, .. } = self.image;
        tracing::debug!(layer = %self.layer.digest, "reading bytes {start} to {end}");
        if store.has_blob(self.layer)
            && let Ok(mut blob) = store.open_blob(self.layer)
            && blob.skip(start).is_ok()
        {
            let mut bytes = vec![0; usize::try_from(end - start).unwrap_or(0)];
            let mut filled = 0;
            while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
                match blob.read(rest) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => filled += read,
                }
            }
            if filled == bytes.len() {
                return Ok(bytes);
            }
        }
        let read = source.read_range(self.layer, start..end);
        read.map_err(|error| RangeError::Read(Box::new(error)))
    }
}

/// Returns the only manifest, or that of the default platform.
fn choose<'a, T>(
    manifests: &'a [T],
    platform: impl Fn(&'a T) -> Option<&'a Platform>,
) -> Result<&'a T, Failure> {
    if let [only] = manifests {
        return Ok(only);
    }
    let names = manifests.iter().map(&platform);
    let mut names = names.map(|platform| platform.map(ToString::to_string));
    let default = names.position(|name| name.as_deref() == Some(DEFAULT_PLATFORM));
    let default = default.and_then(|position| manifests.get(position));
    default.ok_or_else(|| {
        let names = manifests.iter().filter_map(platform);
        let names: Vec<String> = names.map(ToString::to_string).collect();
        let failure = match names.as_slice() {
            [] => "the image has no manifest for a container of this platform".to_owned(),
            names => format!("the image has several platforms: {}", names.join(", ")),
        };
        Failure::message(Exit::NothingMatches, failure).hint("choose one with --platform")
    })
}
