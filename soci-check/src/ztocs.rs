//! Checks the ztocs and prefetch lists of an image, each once.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::Deserialize;
use soci_cli::{Failure, Permits, Progress, run_parallel};
use soci_document::Proved;
use soci_layout::Layout;
use soci_oci::Digest;
use soci_oci::layer::LayerCompression;
use soci_oci::soci::{SPAN_SIZE, SpanRange};
use soci_transport::{MemoryBudget, Source};
use soci_ztoc::{Compression, PackedZtoc, ReaderViolation};

use crate::findings::Findings;
use crate::layer_access::LayerAccess;
use crate::layers::prove_layer;
use crate::place::{Fetched, Place};
use crate::rule::{Found, Rule};
use crate::rules::ztoc as rules;
use crate::soci_index::{Entries, LayerBlob, parse_span_size};

/// The largest ztoc in bytes: the reference cannot write a larger one.
const MAX_ZTOC: u64 = 1 << 30;

/// The largest prefetch list in bytes.
const MAX_PREFETCH: u64 = 4 << 20;

/// How many findings about one ztoc are kept.
const MAX_FINDINGS: usize = 50;

/// The version of every ztoc.
const ZTOC_VERSION: &str = "0.9";

/// What the check of one tag uses.
pub(crate) struct Resources<'a> {
    /// The store, in which a layer may lie.
    pub(crate) store: &'a Layout,
    /// Where the layers are read from. Absent if no layer is read.
    pub(crate) source: Option<&'a Source>,
    /// Limits the memory of the chunks of all layers that are being read.
    pub(crate) chunk_memory: &'a MemoryBudget,
    /// Limits the memory of the ztocs of all images.
    pub(crate) ztoc_memory: &'a MemoryBudget,
    /// Bounds how many ztocs of all images are checked, and layers read, at a time.
    pub(crate) reading: &'a Permits,
    pub(crate) progress: &'a Progress,
    /// The image, for the progress display.
    pub(crate) name: &'a str,
    /// How many threads check the image.
    pub(crate) jobs: NonZeroUsize,
}

/// The ztocs and prefetch lists of an image, by the digests of layer and blob.
#[derive(Default)]
pub(crate) struct ZtocChecker {
    ztocs: BTreeMap<(Digest, Digest), LayerBlob>,
    prefetch: BTreeMap<(Digest, Digest), LayerBlob>,
}

/// What was found out about the ztocs of an image.
#[derive(Default)]
pub(crate) struct CheckedZtocs {
    /// The ztocs through which a layer can be read, by the digests of layer and ztoc, each with the
    /// number of its spans.
    pub(crate) usable: BTreeMap<(Digest, Digest), usize>,
    pub(crate) proved: Proved,
}

/// What was found out about one ztoc.
struct CheckedZtoc {
    findings: Vec<Found>,
    /// The number of spans. Absent if the ztoc cannot be read.
    spans: Option<usize>,
    /// How many bytes of the layer were read. Absent if it was not.
    proved: Option<u64>,
}

impl ZtocChecker {
    /// Adds the ztocs and prefetch lists of a SOCI index.
    pub(crate) fn add(&mut self, entries: &Entries) {
        for ztoc in &entries.ztocs {
            // What is found for one of two equal entries holds for the other.
            let entry = self.ztocs.entry(ztoc.key()).or_insert_with(|| ztoc.clone());
            entry.disables_xattrs |= ztoc.disables_xattrs;
        }
        for list in &entries.prefetch {
            self.prefetch.insert(list.key(), list.clone());
        }
    }

    /// Returns the access to the layers, unless none is to be read.
    fn open_layers<'a>(&self, resources: &Resources<'a>) -> Option<LayerAccess<'a>> {
        let source = resources.source?;
        let sizes = self.ztocs.values().map(|ztoc| ztoc.layer.size);
        let bytes = sizes.fold(0, u64::saturating_add);
        let (name, count) = (resources.name, self.ztocs.len());
        Some(LayerAccess {
            store: resources.store,
            source,
            memory: resources.chunk_memory,
            progress: resources.progress.start_image(name, "layers", count, bytes),
        })
    }

    /// Checks all ztocs and prefetch lists.
    pub(crate) fn check(
        self,
        place: &Place,
        resources: &Resources<'_>,
        findings: &mut Findings,
    ) -> Result<CheckedZtocs, Failure> {
        let access = self.open_layers(resources);
        let mut tasks: Vec<((Digest, Digest), LayerBlob)> = self.ztocs.into_iter().collect();
        // The largest layer takes the longest.
        tasks.sort_by_key(|(_, ztoc)| std::cmp::Reverse(ztoc.layer.size));
        let reading = resources.reading.share();
        let results = run_parallel(&tasks, resources.jobs, |ztoc, _| {
            let _reading = reading.acquire();
            let size = usize::try_from(ztoc.blob.size.min(MAX_ZTOC)).unwrap_or(usize::MAX);
            let _reservation = resources.ztoc_memory.reserve(size);
            check_ztoc(place, access.as_ref(), ztoc)
        })?;
        if let Some(access) = access {
            access.progress.finish();
        }
        let mut checked = CheckedZtocs::default();
        for (key, result) in results {
            findings.extend(result.findings);
            if let Some(spans) = result.spans {
                checked.usable.insert(key, spans);
            }
            if let Some(bytes) = result.proved {
                checked.proved.ztocs += 1;
                checked.proved.bytes = checked.proved.bytes.saturating_add(bytes);
            }
        }
        for list in self.prefetch.values() {
            check_prefetch(place, list, &checked, findings)?;
        }
        Ok(checked)
    }
}

/// Checks a ztoc, and proves it against its layer if layers are to be read.
fn check_ztoc(
    place: &Place,
    access: Option<&LayerAccess<'_>>,
    entry: &LayerBlob,
) -> Result<CheckedZtoc, Failure> {
    let mut checked = CheckedZtoc {
        findings: Vec::new(),
        spans: None,
        proved: None,
    };
    let ztoc = match read_ztoc(place, entry)? {
        Ok(ztoc) => ztoc,
        Err(found) => {
            checked.findings.push(found);
            return Ok(checked);
        }
    };
    check_header(entry, &ztoc, &mut checked.findings);
    ztoc.visit_reader_violations(|violation| {
        if checked.findings.len() < MAX_FINDINGS {
            let rule = rule_of(&violation);
            checked
                .findings
                .push(found(entry, rule, &violation.to_string()));
        }
    });
    if let Some(access) = access {
        let proof = prove_layer(access, &entry.layer, &ztoc)?;
        checked.findings.extend(proof.findings);
        checked.proved = Some(proof.bytes);
    }
    let is_error = |found: &Found| found.rule.severity == soci_document::Severity::Error;
    if !checked.findings.iter().any(is_error) {
        checked.spans = Some(ztoc.span_count());
    }
    Ok(checked)
}

/// Returns the rule for a rule of the readers.
const fn rule_of(violation: &ReaderViolation) -> &'static Rule {
    if violation.refuses_layer() {
        rules::REFUSED
    } else {
        rules::UNREADABLE_FILE
    }
}

fn found(entry: &LayerBlob, rule: &'static Rule, what: &str) -> Found {
    let (ztoc, layer) = (entry.blob.digest, entry.layer.digest);
    rule.found(format_args!("ztoc `{ztoc}` of layer `{layer}`: {what}"))
        .in_layer(layer)
}

/// Reads and decodes a ztoc.
fn read_ztoc(place: &Place, entry: &LayerBlob) -> Result<Result<PackedZtoc, Found>, Failure> {
    let bytes = match read_listed(place, entry, (MAX_ZTOC, rules::TOO_LARGE), found)? {
        Ok(bytes) => bytes,
        Err(found) => return Ok(Err(found)),
    };
    // The buffer becomes the list of checkpoints, so that these are in memory once.
    let decoded = PackedZtoc::decode(bytes);
    Ok(decoded.map_err(|error| found(entry, rules::MALFORMED, &error.to_string())))
}

/// Reads a blob that a SOCI index lists for a layer. A larger one than the limit, in bytes, is not
/// read, and breaks the rule beside it. `found` describes what is wrong.
fn read_listed(
    place: &Place,
    entry: &LayerBlob,
    (limit, too_large): (u64, &'static Rule),
    found: impl Fn(&LayerBlob, &'static Rule, &str) -> Found,
) -> Result<Result<Vec<u8>, Found>, Failure> {
    if entry.blob.size > limit {
        let what = format!("{} bytes, expected at most {limit}", entry.blob.size);
        return Ok(Err(found(entry, too_large, &what)));
    }
    Ok(match place.read_blob(&entry.blob, limit)? {
        Fetched::Found(bytes) => Ok(bytes),
        Fetched::Missing => Err(found(entry, rules::MISSING, "does not exist")),
        Fetched::Damaged(how) => Err(found(entry, rules::DAMAGED, &how)),
    })
}

/// Compares what a ztoc says of its layer with the layer's descriptor.
fn check_header(entry: &LayerBlob, ztoc: &PackedZtoc, findings: &mut Vec<Found>) {
    let mut add = |rule, what: &str| findings.push(found(entry, rule, what));
    let version = ztoc.version();
    if version != ZTOC_VERSION {
        let what = format!("version `{version}`, expected `{ZTOC_VERSION}`");
        add(rules::VERSION, &what);
    }
    let expected = match LayerCompression::of(&entry.layer.media_type) {
        LayerCompression::Gzip => Some(Compression::Gzip),
        LayerCompression::Tar => Some(Compression::Uncompressed),
        _ => None,
    };
    let own = ztoc.compression();
    if expected != Some(own) {
        let what = format!(
            "is for {own:?}, but the layer has mediaType `{}`",
            entry.layer.media_type
        );
        add(rules::COMPRESSION, &what);
    }
    let (own, size) = (ztoc.compressed_archive_size(), entry.layer.size);
    if own != size {
        let what = format!("is for a layer of {own} bytes, but it has {size}");
        add(rules::LAYER_SIZE, &what);
    }
    if entry.disables_xattrs && !ztoc.can_disable_xattrs() {
        add(
            rules::XATTRS_DISABLED,
            "a file has extended attributes, or a directory is opaque",
        );
    }
    let annotated = entry.blob.annotations.get(SPAN_SIZE);
    if let Some(annotated) = annotated.and_then(|text| parse_span_size(text))
        && let Some(span_size) = ztoc.span_size()
        && annotated != span_size
    {
        let what = format!("spans of {span_size} bytes, but the annotation says {annotated}");
        add(rules::SPAN_SIZE, &what);
    }
}

/// The content of a prefetch list.
#[derive(Deserialize)]
struct PrefetchList {
    version: String,
    prefetch_spans: Vec<SpanRange>,
}

/// Checks a prefetch list.
fn check_prefetch(
    place: &Place,
    entry: &LayerBlob,
    ztocs: &CheckedZtocs,
    findings: &mut Findings,
) -> Result<(), Failure> {
    let list = match read_prefetch(place, entry)? {
        Ok(list) => list,
        Err(found) => {
            findings.add(found);
            return Ok(());
        }
    };
    if list.version != "1.0" || list.prefetch_spans.is_empty() {
        let what = format!(
            "version `{}` with {} ranges",
            list.version,
            list.prefetch_spans.len()
        );
        findings.add(found_in_prefetch(entry, rules::PREFETCH, &what));
    }
    let layer = entry.layer.digest;
    let mut usable = ztocs.usable.iter();
    let spans = usable
        .find(|((of, _), _)| *of == layer)
        .map(|(_, spans)| *spans);
    let is_outside = |range: &&SpanRange| {
        let end = usize::try_from(range.end_span).unwrap_or(usize::MAX);
        range.start_span > range.end_span || spans.is_some_and(|spans| end >= spans)
    };
    if let Some(range) = list.prefetch_spans.iter().find(is_outside) {
        let what = format!("spans {} to {}", range.start_span, range.end_span);
        findings.add(found_in_prefetch(entry, rules::PREFETCH_SPANS, &what));
    }
    Ok(())
}

/// Reads a prefetch list.
fn read_prefetch(place: &Place, entry: &LayerBlob) -> Result<Result<PrefetchList, Found>, Failure> {
    let found = found_in_prefetch;
    let bytes = match read_listed(place, entry, (MAX_PREFETCH, rules::PREFETCH), found)? {
        Ok(bytes) => bytes,
        Err(found) => return Ok(Err(found)),
    };
    let list = serde_json::from_slice::<PrefetchList>(&bytes);
    Ok(list.map_err(|error| found(entry, rules::PREFETCH, &error.to_string())))
}

fn found_in_prefetch(entry: &LayerBlob, rule: &'static Rule, what: &str) -> Found {
    let (list, layer) = (entry.blob.digest, entry.layer.digest);
    rule.found(format_args!(
        "prefetch list `{list}` of layer `{layer}`: {what}"
    ))
    .in_layer(layer)
}
