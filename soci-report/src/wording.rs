//! Phrases that all formats share.

use soci_document::{HumanSize, HumanSizes, LayerTotal, SkipReason};

use crate::report::{ImageReport, Kind, LayerReport, PushReport, StageTime, Totals};
use crate::units::{Seconds, Share};

/// What stands for a number that does not exist.
pub(crate) const NONE: &str = "–";

/// Returns a part of the layers, such as `4 of 6`.
pub(crate) fn counts(part: LayerTotal, whole: LayerTotal) -> String {
    format!("{} of {}", part.count, whole.count)
}

/// Returns a part of the bytes, such as `195 of 226 MiB`.
pub(crate) fn sizes(part: LayerTotal, whole: LayerTotal) -> String {
    let (part, whole) = (part.bytes, whole.bytes);
    HumanSizes { part, whole }.to_string()
}

/// Returns the share of the bytes.
pub(crate) const fn share(part: LayerTotal, whole: LayerTotal) -> Share {
    Share {
        part: part.bytes,
        whole: whole.bytes,
    }
}

/// Returns a part of the layers and bytes, such as `4 of 6 layers, 195 of 226 MiB (86 %)`.
pub(crate) fn coverage(part: LayerTotal, whole: LayerTotal) -> String {
    format!(
        "{} layer{}, {} ({})",
        counts(part, whole),
        if whole.count == 1 { "" } else { "s" },
        sizes(part, whole),
        share(part, whole)
    )
}

/// Returns a number of layers, such as `2 layers`.
pub(crate) fn layers(count: u64) -> String {
    format!("{count} layer{}", if count == 1 { "" } else { "s" })
}

/// Returns what stands before the cure of layers that are skipped for a reason. Those that are left
/// out on purpose need none.
pub(crate) fn cure_label(reason: SkipReason) -> &'static str {
    match Kind::of_skipped(reason) {
        Kind::LeftOut => "To index them",
        _ => "To do",
    }
}

/// Returns the size of a ztoc.
pub(crate) fn ztoc(layer: &LayerReport) -> String {
    layer
        .ztoc
        .map_or(NONE.to_owned(), |size| HumanSize(size).to_string())
}

/// Returns the least number of spans, such as `≥ 16`.
pub(crate) fn spans(layer: &LayerReport) -> String {
    layer
        .spans
        .map_or(NONE.to_owned(), |count| format!("≥ {count}"))
}

/// The least bytes of a stage that has a rate.
const MIN_BYTES: u64 = 1 << 20;

/// Returns the rate of a stage, such as `23 MiB/s`, if its time is that of moving bytes.
pub(crate) fn rate(time: &StageTime) -> Option<String> {
    if time.seconds < 0.1 || time.bytes < MIN_BYTES {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the rate is positive, and is displayed with three digits"
    )]
    let rate = (time.bytes as f64 / time.seconds) as u64;
    Some(format!("{}/s", HumanSize(rate)))
}

/// Returns what a stage did, such as `index 8.2 s (195 MiB, 24 MiB/s, 31 MiB reused)`.
pub(crate) fn stage_time(time: &StageTime) -> String {
    let size = |bytes| (bytes > 0).then(|| HumanSize(bytes).to_string());
    let reused = size(time.reused).map(|reused| format!("{reused} reused"));
    let details = [size(time.bytes), rate(time), reused];
    let details: Vec<String> = details.into_iter().flatten().collect();
    let seconds = Seconds(time.seconds);
    match details.as_slice() {
        [] => format!("{} {seconds}", time.stage),
        details => format!("{} {seconds} ({})", time.stage, details.join(", ")),
    }
}

/// Returns what was sent, such as `7 blobs and manifests sent (4.1 MiB), 2 were there`.
pub(crate) fn transfer(push: &PushReport) -> String {
    let verb = if push.is_dry_run { "to send" } else { "sent" };
    format!(
        "{} blobs and manifests {verb} ({}), {} were there",
        push.uploaded,
        HumanSize(push.bytes),
        push.existing
    )
}

/// Returns the time of all stages of an image, or a dash if no stage was timed.
pub(crate) fn total_time(image: &ImageReport) -> String {
    match image.times.as_slice() {
        [] => NONE.to_owned(),
        _ => Seconds(image.seconds()).to_string(),
    }
}

/// Returns the size of all ztocs relative to the layers that they index, such as `2 % of their
/// layers`.
pub(crate) fn ztoc_share(totals: &Totals) -> String {
    let share = Share {
        part: totals.ztocs,
        whole: totals.covered.bytes,
    };
    format!("{share} of their layers")
}

/// Returns the size of all ztocs, or a dash without any.
pub(crate) fn ztocs(totals: &Totals) -> String {
    match totals.ztocs {
        0 => NONE.to_owned(),
        size => HumanSize(size).to_string(),
    }
}
