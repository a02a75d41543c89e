//! A summary in words, as parts of a line.

use super::{Stage, Summary};
use crate::{HumanSize, HumanSizes, PushedIndex};

impl Summary<'_> {
    /// Describes the layers, such as `4 of 6 layers, 195 of 226 MiB, ztocs 4.1 MiB, 2 skipped:
    /// unsupported-compression (zstd), below-min-layer-size`.
    pub fn describe_layers(&self) -> String {
        let sizes = HumanSizes {
            part: self.indexed.bytes,
            whole: self.all.bytes,
        };
        let (indexed, all) = (self.indexed.count, self.all.count);
        let mut parts = vec![format!("{indexed} of {}, {sizes}", count_layers(all))];
        if self.stage >= Stage::Indexed && indexed > 0 {
            parts.push(format!("ztocs {}", HumanSize(self.ztoc_bytes)));
        }
        if self.reused.count > 0 {
            parts.push(format!("{} reused", self.reused.count));
        }
        let skipped: u64 = self.skipped.iter().map(|group| group.layers.count).sum();
        if skipped > 0 {
            let reasons: Vec<String> = self.skipped.iter().map(ToString::to_string).collect();
            parts.push(format!("{skipped} skipped: {}", reasons.join(", ")));
        }
        parts.join(", ")
    }

    /// Describes what to deploy, such as `r.example/app:v1-soci@sha256:… (v2) and sha256:… (v1)`.
    /// The text is empty if nothing was pushed.
    pub fn describe_deployment(&self) -> String {
        let kind = if self.is_converted() {
            "v2"
        } else {
            "not converted"
        };
        let mut parts: Vec<String> = Vec::new();
        // An image that was named by its digest has no tag to derive one from.
        if let (Some(_), [], Some(digest)) = (self.push(), self.tags(), self.converted()) {
            parts.push(format!("{digest} (v2, without a tag)"));
        }
        for tag in self.tags() {
            let digest = tag.digest.map(|digest| format!("@{digest}"));
            parts.push(format!(
                "{}{} ({kind})",
                tag.tag,
                digest.unwrap_or_default()
            ));
        }
        let version_1: Vec<&PushedIndex> = self.version_1().collect();
        for index in &version_1 {
            // The platform tells several indexes from each other.
            let platform = index.platform.as_ref().filter(|_| version_1.len() > 1);
            let platform = platform.map(|platform| format!(", {platform}"));
            parts.push(format!(
                "{} (v1{})",
                index.digest,
                platform.unwrap_or_default()
            ));
        }
        match parts.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

/// Returns a number of layers in words: `1 layer`, `6 layers`.
pub(crate) fn count_layers(count: u64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} layer{plural}")
}
