//! One layer of a report.

use soci_document::{Indexing, LayerEntry, LayerReason, SkipReason};

use crate::clean::{clean, shorten};

/// The longest reference that a report shows, in characters.
const MAX_REFERENCE: usize = 300;

/// One layer of a manifest.
#[derive(Clone, Debug)]
pub(crate) struct LayerReport {
    /// The digest in full.
    pub(crate) digest: String,
    /// The digest, shortened as in messages.
    pub(crate) short_digest: String,
    /// The compressed size in bytes.
    pub(crate) size: u64,
    pub(crate) kind: Kind,
    /// Why the layer is skipped.
    pub(crate) reason: Option<SkipReason>,
    /// The image that the ztoc was taken from, without control characters.
    pub(crate) reused_from: Option<String>,
    /// The size of the ztoc in bytes.
    pub(crate) ztoc: Option<u64>,
    /// The least number of spans: the compressed size divided by the span size, which counts
    /// uncompressed bytes. `None` if the layer has no ztoc and will have none.
    pub(crate) spans: Option<u64>,
}

impl LayerReport {
    /// Returns the report on a layer. The span size is that of the plan, in bytes.
    pub(crate) fn new(layer: &LayerEntry, span_size: Option<u64>) -> Self {
        let (kind, reason) = classify(layer);
        let size = layer.descriptor.size;
        let spans = |span_size: u64| (span_size > 0).then(|| size.div_ceil(span_size).max(1));
        Self {
            digest: layer.descriptor.digest.to_string(),
            short_digest: layer.descriptor.digest.short(),
            size,
            kind,
            reason,
            reused_from: layer
                .reused_from
                .as_deref()
                .map(|from| shorten(&clean(from), MAX_REFERENCE).into_owned()),
            ztoc: layer.ztoc.as_done().map(|ztoc| ztoc.size),
            spans: span_size.filter(|_| kind.is_covered()).and_then(spans),
        }
    }

    /// Returns what became of the layer, such as `indexed`, `skipped: mislabelled` or `reused from
    /// r.example/base:v1`.
    pub(crate) fn outcome(&self) -> String {
        let kind = self.kind.name();
        match (&self.reason, &self.reused_from) {
            (Some(reason), _) => format!("{kind}: {reason}"),
            (None, Some(from)) => format!("{kind} from {from}"),
            (None, None) => kind.to_owned(),
        }
    }
}

/// Returns what became of a layer, and why it is skipped.
fn classify(layer: &LayerEntry) -> (Kind, Option<SkipReason>) {
    if let Some(reason) = SkipReason::of(layer) {
        return (Kind::of_skipped(reason), Some(reason));
    }
    let kind = match (&layer.ztoc, layer.plan) {
        (Indexing::Done(_), _) if layer.reused.is_some() => Kind::Reused,
        (Indexing::Done(_), _) => Kind::Indexed,
        // A document that was edited by hand may lack the reason.
        (Indexing::Empty, _) => Kind::Skipped,
        (Indexing::Pending, Some(_)) => Kind::Planned,
        (Indexing::Pending, None) => Kind::Undecided,
    };
    (kind, None)
}

/// What became of a layer.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Kind {
    /// It has a ztoc that was built in this run.
    Indexed,
    /// It has a ztoc of an earlier run, and was not read.
    Reused,
    /// The plan is to index it.
    Planned,
    /// It is left out because the user wants it so: it is small, or excluded.
    LeftOut,
    /// It is skipped because it cannot be indexed.
    Skipped,
    /// There is no decision yet.
    Undecided,
}

impl Kind {
    /// All kinds, in the order in which a report lists them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Indexed,
        Self::Reused,
        Self::Planned,
        Self::LeftOut,
        Self::Skipped,
        Self::Undecided,
    ];

    /// Returns the kind of a layer that is skipped for a reason.
    pub(crate) const fn of_skipped(reason: SkipReason) -> Self {
        match reason {
            SkipReason::Planned(
                LayerReason::AlreadyIndexed
                | LayerReason::BelowMinLayerSize
                | LayerReason::Excluded,
            ) => Self::LeftOut,
            SkipReason::Planned(_) | SkipReason::Found(_) => Self::Skipped,
        }
    }

    /// Returns the word for the kind.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Indexed => "indexed",
            Self::Reused => "reused",
            Self::Planned => "planned",
            Self::LeftOut => "left out",
            Self::Skipped => "skipped",
            Self::Undecided => "undecided",
        }
    }

    /// Returns whether such a layer has a ztoc, or will have one.
    pub(crate) const fn is_covered(self) -> bool {
        matches!(self, Self::Indexed | Self::Reused | Self::Planned)
    }
}
