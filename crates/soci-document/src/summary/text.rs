//! A summary in words, as parts of a line.

use super::{Stage, Summary};
use crate::{HumanSize, HumanSizes, ManifestDecision, PushedIndex};

impl Summary<'_> {
    /// Describes what was pushed, on one line: what to deploy, and what is indexed. The text is
    /// empty before `soci-push`.
    pub fn describe_result(&self) -> String {
        let Some(push) = self.push() else {
            return String::new();
        };
        let deployment = self.describe_deployment();
        if self.is_unchanged() {
            return match deployment.as_str() {
                "" => format!("unchanged: nothing to push{}", self.list_manifest_reasons()),
                deployment => format!("unchanged: nothing to push; deploy {deployment}"),
            };
        }
        let verb = match (push.dry_run, push.uploaded) {
            _ if self.is_partial() => "pushed in part",
            (_, 0) => "already pushed",
            (true, _) => "would push",
            (false, _) => "pushed",
        };
        let deployment = match deployment.as_str() {
            "" => "no tag and no index",
            deployment => deployment,
        };
        format!("{verb} {deployment}: {}", self.describe_layers())
    }

    /// Describes the layers, such as `4 of 6 layers, 195 of 226 MiB, ztocs 4.1 MiB, 2 skipped:
    /// unsupported-compression (zstd), below-min-layer-size`.
    pub fn describe_layers(&self) -> String {
        let counts = self.describe_counts();
        let skipped: u64 = self.skipped.iter().map(|group| group.layers.count).sum();
        if skipped == 0 {
            return counts;
        }
        let reasons: Vec<String> = self.skipped.iter().map(ToString::to_string).collect();
        format!("{counts}, {skipped} skipped: {}", reasons.join(", "))
    }

    /// Describes the layers without those that are skipped, such as `4 of 6 layers, 195 of 226 MiB,
    /// ztocs 4.1 MiB, 1 reused from r.example/base:v1`. An image of the same repository is not
    /// named.
    pub fn describe_counts(&self) -> String {
        let sizes = HumanSizes {
            part: self.indexed.bytes,
            whole: self.all.bytes,
        };
        let (indexed, all) = (self.indexed.count, self.all);
        let mut parts = vec![format!("{indexed} of {}, {sizes}", all.count_layers())];
        if self.stage >= Stage::Indexed && indexed > 0 {
            parts.push(format!("ztocs {}", HumanSize(self.ztoc_bytes)));
        }
        if self.reused.count > 0 {
            let from = self.list_reuse_sources();
            parts.push(format!("{} reused{from}", self.reused.count));
        }
        parts.join(", ")
    }

    /// Lists the images of other repositories that ztocs were taken from, such as ` from
    /// r.example/base:v1 and 2 more`. The text is empty if all ztocs are of this repository.
    pub fn list_reuse_sources(&self) -> String {
        match self.reused_from.as_slice() {
            [] => String::new(),
            [only] => format!(" from {only}"),
            [first, rest @ ..] => format!(" from {first} and {} more", rest.len()),
        }
    }

    /// Describes what to deploy, such as `r.example/app:v1-soci@sha256:… (v2) and sha256:… (v1)`.
    /// The text is empty if nothing was pushed.
    pub fn describe_deployment(&self) -> String {
        let parts = self.list_deployments();
        match parts.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        }
    }

    /// Lists what to deploy: each tag with its digest, and each SOCI index of version 1.
    pub fn list_deployments(&self) -> Vec<String> {
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
            let digest = digest.unwrap_or_default();
            parts.push(format!("{}{digest} ({kind})", tag.tag));
        }
        let version_1: Vec<&PushedIndex> = self.version_1().collect();
        for index in &version_1 {
            // The platform tells several indexes from each other.
            let platform = index.platform.as_ref().filter(|_| version_1.len() > 1);
            let platform = platform.map(|platform| format!(", {platform}"));
            let platform = platform.unwrap_or_default();
            parts.push(format!("{} (v1{platform})", index.digest));
        }
        parts
    }

    /// Lists the reasons for which manifests are left out, each once, such as `: not-an-image`.
    fn list_manifest_reasons(&self) -> String {
        let mut reasons: Vec<String> = Vec::new();
        for entry in &self.document.manifests {
            if let Some(ManifestDecision::Skip {
                reason: Some(reason),
            }) = &entry.plan
            {
                let reason = reason.to_string();
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        match reasons.as_slice() {
            [] => String::new(),
            reasons => format!(": {}", reasons.join(", ")),
        }
    }
}
