//! What a report tells, before it is text, Markdown or HTML.

mod failure;
mod image;
mod layer;
mod manifest;
mod push;
mod settings;
mod tally;
mod time;

pub(crate) use failure::FailureReport;
pub(crate) use image::{ImageReport, State};
pub(crate) use layer::{Kind, LayerReport};
pub(crate) use manifest::{ManifestReport, SkippedManifest};
pub(crate) use push::{Deployment, PushReport};
pub(crate) use tally::{Kinds, Totals, is_wanted};
pub(crate) use time::StageTime;

use soci_document::SkippedLayers;

use crate::report::tally::add_up_reasons;
use crate::units::Count;

/// A report on the images of one run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The images, in the order in which their documents came.
    pub(crate) images: Vec<ImageReport>,
}

impl Report {
    /// Returns the totals of all images. A layer of two images counts twice.
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for image in &self.images {
            totals.add(&image.totals);
        }
        totals
    }

    /// Returns the images that failed, as a whole or in part, with their positions.
    pub(crate) fn failed(&self) -> impl Iterator<Item = (usize, &ImageReport)> {
        let images = self.images.iter().enumerate();
        images.filter(|(_, image)| image.failure.is_some())
    }

    /// Returns the skipped layers of all images by reason.
    pub(crate) fn reasons(&self) -> Vec<SkippedLayers> {
        add_up_reasons(self.images.iter().flat_map(|image| &image.reasons))
    }

    /// Returns the states that images are in, each with the number of its images.
    pub(crate) fn states(&self) -> Vec<(State, usize)> {
        let states = State::ALL.into_iter().map(|state| {
            let images = self.images.iter();
            (state, images.filter(|image| image.state == state).count())
        });
        states.filter(|(_, count)| *count > 0).collect()
    }

    /// Returns how many images are in each state, such as `3 images: 1 failed, 2 pushed`.
    pub(crate) fn headline(&self) -> String {
        let states = self.states().into_iter();
        let states: Vec<String> = states
            .map(|(state, count)| format!("{count} {}", state.name()))
            .collect();
        format!("{}: {}", self.count(), states.join(", "))
    }

    /// Returns the number of images in words.
    pub(crate) fn count(&self) -> Count {
        Count(self.images.len(), "image")
    }

    /// Returns the time of all stages of all images, in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        let times = self.images.iter().flat_map(|image| &image.times);
        times.map(|time| time.seconds).sum()
    }
}
