//! One image of a report.

use soci_document::{Document, SkippedLayers, Stage, Summary};

use crate::clean::clean;
use crate::report::settings::{Setting, settings};
use crate::report::tally::add_up_reasons;
use crate::report::time::{StageTime, stage_times};
use crate::report::{
    Deployment, FailureReport, ManifestReport, PushReport, SkippedManifest, Totals, manifest,
};

/// One image, or the failure of a whole stage.
#[derive(Clone, Debug)]
pub(crate) struct ImageReport {
    /// The reference, as the user wrote it.
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) failure: Option<FailureReport>,
    /// The digest that the reference resolved to.
    pub(crate) digest: Option<String>,
    /// The settings of the plan.
    pub(crate) settings: Vec<Setting>,
    /// The layers of all manifests, each layer once.
    pub(crate) totals: Totals,
    /// The layers without a ztoc by reason.
    pub(crate) reasons: Vec<SkippedLayers>,
    /// The manifests that are indexed.
    pub(crate) manifests: Vec<ManifestReport>,
    pub(crate) skipped_manifests: Vec<SkippedManifest>,
    pub(crate) push: Option<PushReport>,
    pub(crate) deployment: Deployment,
    /// The times of the stages, in the order of the pipe.
    pub(crate) times: Vec<StageTime>,
}

/// How far an image has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Failed,
    PartlyPushed,
    Pushed,
    /// A dry run would have pushed it.
    DryRun,
    /// It was converted before, or is no image.
    Unchanged,
    Indexed,
    Planned,
    Pulled,
}

impl State {
    /// All states, in the order in which a report lists them.
    pub(crate) const ALL: [Self; 8] = [
        Self::Failed,
        Self::PartlyPushed,
        Self::Pushed,
        Self::DryRun,
        Self::Unchanged,
        Self::Indexed,
        Self::Planned,
        Self::Pulled,
    ];

    /// Returns the word for the state.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::PartlyPushed => "pushed in part",
            Self::Pushed => "pushed",
            Self::DryRun => "dry run",
            Self::Unchanged => "unchanged",
            Self::Indexed => "indexed",
            Self::Planned => "planned",
            Self::Pulled => "pulled",
        }
    }

    /// Returns the state of an image that did not fail.
    fn of(summary: &Summary<'_>) -> Self {
        match summary.stage {
            _ if summary.is_dry_run() => Self::DryRun,
            _ if summary.is_unchanged() => Self::Unchanged,
            Stage::Pushed => Self::Pushed,
            Stage::Indexed => Self::Indexed,
            Stage::Planned => Self::Planned,
            Stage::Pulled => Self::Pulled,
        }
    }
}

impl ImageReport {
    /// Returns the report on a document, of which a part may have failed.
    pub(crate) fn new(document: &Document) -> Self {
        let (manifests, skipped_manifests) = manifest::split(document);
        let summary = Summary::of(document);
        let failure = document.error.clone().map(FailureReport::from);
        let state = match (&failure, &document.push) {
            (None, _) => State::of(&summary),
            (Some(_), Some(_)) => State::PartlyPushed,
            (Some(_), None) => State::Failed,
        };
        Self {
            name: clean(document.image.as_str()).into_owned(),
            state,
            failure,
            digest: Some(document.root.digest.to_string()),
            settings: document.plan.as_ref().map(settings).unwrap_or_default(),
            totals: Totals::of(&summary),
            reasons: add_up_reasons(summary.skipped.iter()),
            manifests,
            skipped_manifests,
            push: document.push.as_ref().map(PushReport::new),
            deployment: Deployment::of(&summary, state),
            times: stage_times(document),
        }
    }

    /// Returns the report on an image, or on a whole stage, of which nothing but the failure is
    /// known.
    pub(crate) fn failed(image: Option<&str>, failure: FailureReport) -> Self {
        let name = match image {
            Some(image) => clean(image).into_owned(),
            None => format!("{} (image not known)", failure.stage),
        };
        Self {
            name,
            state: State::Failed,
            failure: Some(failure),
            digest: None,
            settings: Vec::new(),
            totals: Totals::default(),
            reasons: Vec::new(),
            manifests: Vec::new(),
            skipped_manifests: Vec::new(),
            push: None,
            deployment: Deployment::default(),
            times: Vec::new(),
        }
    }

    /// Returns the time of all stages in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        self.times.iter().map(|time| time.seconds).sum()
    }
}
