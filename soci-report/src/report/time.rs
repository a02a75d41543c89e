//! How long the stages took.

use soci_document::Document;

use crate::clean::{clean, shorten};

/// How long a stage took for an image.
#[derive(Clone, Debug)]
pub(crate) struct StageTime {
    /// The stage, such as `index`.
    pub(crate) stage: String,
    /// At least 0.
    pub(crate) seconds: f64,
    /// Bytes read or written.
    pub(crate) bytes: u64,
    /// Bytes of layers that were not read, because their ztocs were reused.
    pub(crate) reused: u64,
}

/// The stages, in the order of the pipe.
const STAGES: [&str; 4] = ["pull", "plan", "index", "push"];

/// The most stages of a document that are reported. There are more only if a user added them.
const MAX_STAGES: usize = 12;

/// Returns the times of the stages, in the order of the pipe. Those of unknown stages follow.
pub(crate) fn stage_times(document: &Document) -> Vec<StageTime> {
    let timing = document.timing.iter();
    let times = timing.map(|(stage, timing)| StageTime {
        stage: shorten(&clean(stage), 24).into_owned(),
        // Infinity and NaN are no JSON, but a number may be negative.
        seconds: timing.seconds.max(0.0),
        bytes: timing.bytes,
        reused: timing.reused.unwrap_or(0),
    });
    let mut times: Vec<StageTime> = times.collect();
    let position = |time: &StageTime| STAGES.iter().position(|stage| *stage == time.stage);
    times.sort_by_key(|time| position(time).unwrap_or(STAGES.len()));
    times.truncate(MAX_STAGES);
    times
}
