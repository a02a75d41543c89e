//! What `soci-check` found out about the SOCI indexes of an image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use soci_oci::{Digest, Platform};

use crate::IndexVersion;
use crate::model::is_false;

/// What `soci-check` found out about an image and its SOCI indexes.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// The result for a reader of SOCI indexes, wherever it runs.
    pub verdict: Verdict,
    /// Whether a task on AWS Fargate starts lazily.
    pub fargate: FargateAnswer,
    /// The answer for Fargate in words, with its main reason.
    pub answer: String,
    /// `true` if no layer was read, so that the ztocs were not proved against their layers.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fast: bool,
    /// The layers of all manifests that were checked, each once.
    pub layers: LayerCoverage,
    /// The image manifests that were checked.
    pub manifests: Vec<CheckedManifest>,
    /// The converted image under the tag `<tag>-soci`, if the image itself is not converted and
    /// there is such a tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converted: Option<ConvertedTag>,
    /// What was proved by reading layers. Absent if none was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proved: Option<Proved>,
    /// What is wrong or worth knowing, errors first.
    pub findings: Vec<Finding>,
    /// How many more findings there are. Only the first ones of each rule are listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u64,
}

/// The result of a check for a reader of SOCI indexes, wherever it runs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Each manifest has a usable SOCI index of version 2, which covers at least half of the bytes
    /// of its layers.
    Lazy,
    /// Only some manifests have a SOCI index of version 2, or less than half of the bytes are
    /// covered, or there is only an index of version 1.
    Partly,
    /// No layer is loaded lazily. The image starts normally.
    NotLazy,
    /// Something is wrong: a finding is an error.
    Broken,
}

/// Whether a task on AWS Fargate starts lazily.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FargateAnswer {
    /// It does, on each of the platforms of Fargate that the image is for.
    Yes,
    /// It does on some platforms, or most bytes are not loaded lazily.
    Partly,
    /// It does only in AWS accounts that used SOCI on Fargate before version 2.
    #[serde(rename = "version-1-only")]
    Version1Only,
    /// It does not.
    No,
}

/// How many layers are loaded lazily.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerCoverage {
    /// How many layers there are.
    pub count: u64,
    /// Their compressed size in bytes.
    pub bytes: u64,
    /// How many of them have a ztoc in which no error was found.
    pub lazy: u64,
    /// The compressed size of those in bytes.
    pub lazy_bytes: u64,
}

/// An image manifest that was checked.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct CheckedManifest {
    /// The image manifest.
    pub manifest: Digest,
    /// Its platform. Absent if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The SOCI indexes of the manifest, the one that readers take first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<CheckedIndex>,
    /// The layers of the manifest.
    pub layers: LayerCoverage,
}

/// A SOCI index that was checked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct CheckedIndex {
    /// The version of the index.
    pub version: IndexVersion,
    /// The digest of the index.
    pub digest: Digest,
}

/// The converted image of a tag that is not converted itself.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ConvertedTag {
    /// The tag as a full reference, such as `registry.example/app:v1-soci`.
    pub tag: String,
    /// What it names.
    pub digest: Digest,
    /// The result for a reader of SOCI indexes, wherever it runs.
    pub verdict: Verdict,
    /// Whether a task on AWS Fargate starts lazily.
    pub fargate: FargateAnswer,
    /// The layers of all manifests of the converted image, each once.
    pub layers: LayerCoverage,
    /// The image manifests that were checked.
    pub manifests: Vec<CheckedManifest>,
}

/// What was proved by reading layers.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Proved {
    /// How many ztocs were compared with their layers.
    pub ztocs: u64,
    /// How many compressed bytes of layers were read for it.
    pub bytes: u64,
}

/// Something that is wrong or worth knowing.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The rule that is broken, such as `soci-index-missing`; `docs/check.md` lists all.
    pub rule: String,
    /// The image manifest that the finding is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Digest>,
    /// The layer that the finding is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Digest>,
    /// What was found, and what it means.
    pub message: String,
    /// What to do about it. Absent if there is nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How bad a finding is, the worst first.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A reader refuses the index, or a container fails or reads wrong content. The exit status is
    /// 1.
    Error,
    /// The image works, but a part of it or all of it is not loaded lazily.
    Warning,
    /// Worth knowing.
    Note,
}

impl LayerCoverage {
    /// Adds a layer of `bytes` bytes. Sizes in a manifest may be wrong, so that their sum may
    /// exceed the type.
    pub const fn add(&mut self, bytes: u64, is_lazy: bool) {
        self.count = self.count.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
        if is_lazy {
            self.lazy = self.lazy.saturating_add(1);
            self.lazy_bytes = self.lazy_bytes.saturating_add(bytes);
        }
    }

    /// Returns how much of the bytes is loaded lazily, in percent, rounded down.
    pub fn percent(&self) -> u64 {
        let percent = u128::from(self.lazy_bytes) * 100 / u128::from(self.bytes.max(1));
        u64::try_from(percent).unwrap_or(100)
    }
}

impl Severity {
    /// Returns the severity as a word, such as `warning`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Check {
    /// Returns the findings of a severity.
    pub fn findings_of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(move |finding| finding.severity == severity)
    }
}

/// Returns whether a number is 0, so that it is not written.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_what_is_loaded_lazily() {
        let mut coverage = LayerCoverage::default();
        assert_eq!(coverage.percent(), 0, "an image without layers");
        coverage.add(199, true);
        coverage.add(101, false);
        coverage.add(0, true);
        let expected = LayerCoverage {
            count: 3,
            bytes: 300,
            lazy: 2,
            lazy_bytes: 199,
        };
        assert_eq!(coverage, expected);
        assert_eq!(coverage.percent(), 66, "66.3 % are rounded down");
    }

    #[test]
    fn does_not_overflow_on_sizes_that_are_wrong() {
        let mut coverage = LayerCoverage::default();
        coverage.add(u64::MAX, true);
        coverage.add(u64::MAX, true);
        assert_eq!((coverage.count, coverage.percent()), (2, 100));
    }

    #[test]
    fn names_a_severity_as_the_document_does() {
        for severity in [Severity::Error, Severity::Warning, Severity::Note] {
            let json = serde_json::to_string(&severity).expect("JSON");
            assert_eq!(json, format!("\"{}\"", severity.as_str()));
        }
    }

    #[test]
    fn writes_how_many_findings_are_omitted_only_if_there_are_any() {
        let mut check = Check {
            verdict: Verdict::Lazy,
            fargate: FargateAnswer::Yes,
            answer: String::new(),
            fast: false,
            layers: LayerCoverage::default(),
            manifests: Vec::new(),
            converted: None,
            proved: None,
            findings: Vec::new(),
            omitted: 0,
        };
        let write = |check: &Check| serde_json::to_value(check).expect("JSON");
        assert_eq!(write(&check).get("omitted"), None);
        check.omitted = 1;
        assert_eq!(write(&check)["omitted"], 1);
    }
}
