//! Examines what one image consists of, and puts the findings into words.

use soci_cli::Failure;
use soci_document::{Check, ConvertedTag, FargateAnswer, LayerCoverage, Verdict};

use crate::answer::{Answer, Circumstances, answer, describe_layers};
use crate::findings::Findings;
use crate::place::Place;
use crate::rules::use_of_index::{NOT_CONVERTED, ZSTD_LAYER};
use crate::surroundings::{RegistryKind, check_use};
use crate::tag::{CheckedTag, Tag, summarise};
use crate::ztocs::{Resources, ZtocChecker};

/// An image that is checked.
pub(crate) struct Examination<'a> {
    pub(crate) place: &'a Place,
    pub(crate) registry: RegistryKind,
    /// What the answer is about.
    pub(crate) tag: Tag<'a>,
    pub(crate) other: Other<'a>,
}

/// What is checked beside the tag that the answer is about.
pub(crate) enum Other<'a> {
    None,
    /// The image from which the tag was converted, for its SOCI indexes of version 1.
    Original(Tag<'a>),
    /// The converted image of the tag, and its own tag as a full reference.
    Converted(Tag<'a>, String),
}

impl Examination<'_> {
    /// Checks the manifests, SOCI indexes and ztocs, and returns the result.
    pub(crate) fn run(
        &self,
        resources: &Resources<'_>,
        mut findings: Findings,
    ) -> Result<Check, Failure> {
        let jobs = resources.jobs;
        let own = self.tag.check_manifests(jobs, &mut findings)?;
        let others = match &self.other {
            Other::None => Vec::new(),
            Other::Original(tag) | Other::Converted(tag, _) => {
                tag.check_manifests(jobs, &mut findings)?
            }
        };
        // Version 1 and 2 share their ztocs, and each is proved once.
        let mut ztocs = ZtocChecker::default();
        let of_manifests = own.iter().chain(&others);
        for index in of_manifests.flat_map(|of_manifest| &of_manifest.found) {
            ztocs.add(&index.entries);
        }
        let checked = ztocs.check(self.place, resources, &mut findings)?;
        let (own, others) = (summarise(&own, &checked), summarise(&others, &checked));
        self.registry.check(&mut findings);
        let converted = match &self.other {
            Other::Converted(tag, name) => {
                check_use(tag.image, &others, &mut findings);
                let what = format!("the tag is not converted, but `{name}` is");
                let hint = format!("deploy `{name}`");
                findings.add(NOT_CONVERTED.found(what).hint(hint));
                Some(self.describe_converted(name, tag, &others, &findings))
            }
            Other::None | Other::Original(_) => {
                check_use(self.tag.image, &own, &mut findings);
                None
            }
        };
        let mut answer = self.answer(&own, &findings);
        if let Some(converted) = &converted
            && answer.verdict != Verdict::Broken
        {
            answer.text = describe_converted_answer(converted, &answer);
        }
        let mut manifests = own.manifests;
        if let Other::Original(_) = self.other {
            manifests.extend(others.manifests);
        }
        Ok(Check {
            verdict: answer.verdict,
            fargate: answer.fargate,
            answer: answer.text,
            fast: resources.source.is_none(),
            layers: own.layers,
            manifests,
            converted,
            proved: resources.source.map(|_| checked.proved),
            omitted: findings.omitted(),
            findings: findings.into_sorted(),
        })
    }

    fn answer(&self, tag: &CheckedTag, findings: &Findings) -> Answer {
        answer(
            tag,
            &Circumstances {
                registry: &self.registry,
                errors: findings.errors(),
                first_error: findings.first_error(),
                zstd: findings.first_of(ZSTD_LAYER),
            },
        )
    }

    fn describe_converted(
        &self,
        name: &str,
        tag: &Tag<'_>,
        checked: &CheckedTag,
        findings: &Findings,
    ) -> ConvertedTag {
        let answer = self.answer(checked, findings);
        ConvertedTag {
            tag: name.to_owned(),
            digest: tag.image.root.digest,
            verdict: answer.verdict,
            fargate: answer.fargate,
            layers: checked.layers,
            manifests: checked.manifests.clone(),
        }
    }
}

/// Returns the answer for a tag that is not converted, but whose converted image has a tag of its
/// own.
fn describe_converted_answer(converted: &ConvertedTag, own: &Answer) -> String {
    use FargateAnswer::{No, Partly, Version1Only, Yes};
    let layers = describe_layers(&converted.layers);
    let tag = &converted.tag;
    let beginning = match own.fargate {
        Version1Only => {
            "only in AWS accounts that used SOCI before version 2, the tag starts lazily on Fargate"
        }
        Yes | Partly | No => "no, the tag does not start lazily on Fargate: it is not converted",
    };
    match converted.fargate {
        Yes | Version1Only => format!("{beginning}; deploy {tag}, which does: {layers}"),
        Partly => format!("{beginning}; deploy {tag}, which does in part: {layers}"),
        No => format!("{beginning}, and {tag} does not either"),
    }
}

/// Returns the result for an image of which nothing can be read.
pub(crate) fn describe_unreadable(findings: Findings) -> Check {
    let first = findings.first_error();
    let cause = first.map_or("", |error| &error.message);
    Check {
        verdict: Verdict::Broken,
        fargate: FargateAnswer::No,
        answer: format!("no, the tag does not start lazily on Fargate: {cause}"),
        fast: false,
        layers: LayerCoverage::default(),
        manifests: Vec::new(),
        converted: None,
        proved: None,
        omitted: findings.omitted(),
        findings: findings.into_sorted(),
    }
}
