//! What is known of the images of a run.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use super::lines::{ImageView, Outcome, PartView};
use super::terminal;

/// How many images that are done are remembered.
const REMEMBERED_IMAGES: usize = 50;

/// The images of a run, and what the terminal shows of them.
#[derive(Default)]
pub(super) struct State {
    pub(super) images: BTreeMap<u64, ImageState>,
    pub(super) next_id: u64,
    /// The drawing thread, once it was started.
    pub(super) thread: Option<JoinHandle<()>>,
    /// Whether the terminal shows a drawing of this process.
    pub(super) is_drawn: bool,
    /// Set once a signal ends the process: nothing is drawn any more.
    pub(super) is_closed: bool,
}

/// One image. The counts are those of its layers or blobs.
pub(super) struct ImageState {
    pub(super) name: String,
    pub(super) unit: &'static str,
    pub(super) started: Instant,
    pub(super) outcome: Outcome,
    pub(super) total_count: u64,
    pub(super) total_bytes: u64,
    pub(super) done_count: u64,
    pub(super) done_bytes: u64,
    /// The part of `done_bytes` that was read or sent.
    pub(super) moved_bytes: u64,
    pub(super) parts: BTreeMap<u64, PartState>,
}

/// One layer or blob in work.
pub(super) struct PartState {
    pub(super) label: String,
    pub(super) size: u64,
    pub(super) position: Arc<AtomicU64>,
}

impl State {
    pub(super) fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Erases the drawing, if the terminal shows one.
    pub(super) fn erase_drawing(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            drop(io::stderr().write_all(terminal::ERASE_DRAWING.as_bytes()));
        }
    }

    /// Returns whether an image is in work.
    pub(super) fn is_working(&self) -> bool {
        let mut images = self.images.values();
        images.any(|image| image.outcome == Outcome::InWork)
    }

    pub(super) fn forget_old_images(&mut self) {
        while self.images.len() >= REMEMBERED_IMAGES {
            let done = self.images.iter();
            let mut done = done.filter(|(_, image)| image.outcome != Outcome::InWork);
            let Some((&oldest, _)) = done.next() else {
                break;
            };
            self.images.remove(&oldest);
        }
    }
}

impl ImageState {
    /// Returns an image of which nothing is done yet.
    pub(super) fn new(name: String, unit: &'static str, count: usize, bytes: u64) -> Self {
        Self {
            name,
            unit,
            started: Instant::now(),
            outcome: Outcome::InWork,
            total_count: count as u64,
            total_bytes: bytes,
            done_count: 0,
            done_bytes: 0,
            moved_bytes: 0,
            parts: BTreeMap::new(),
        }
    }

    pub(super) fn view(&self) -> ImageView<'_> {
        let parts: Vec<PartView<'_>> = self.parts.values().map(PartState::view).collect();
        let active: u64 = parts.iter().map(|part| part.done).sum();
        let seconds = self.started.elapsed().as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            reason = "a rate is shown with two digits"
        )]
        let rate = (self.moved_bytes + active) as f64 / seconds.max(0.001);
        ImageView {
            name: &self.name,
            unit: self.unit,
            outcome: self.outcome,
            done_count: self.done_count,
            total_count: self.total_count,
            done_bytes: (self.done_bytes + active).min(self.total_bytes),
            total_bytes: self.total_bytes,
            rate,
            parts,
        }
    }
}

impl PartState {
    pub(super) fn view(&self) -> PartView<'_> {
        PartView {
            label: &self.label,
            done: self.position.load(Ordering::Relaxed).min(self.size),
            total: self.size,
        }
    }
}
