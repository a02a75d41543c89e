//! The images that are in work, or that are done and wait for one before them.

use std::any::Any;
use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::thread;

use soci_document::FailedImage;

use crate::Failure;
use crate::io::Processed;

/// The bytes of documents that wait or are in work above which no other image is started, unless
/// none is in work. One image that takes long thus lets thousands of others go on.
const MAX_BYTES: usize = 4 << 20;

/// An image between its line and its document.
pub(super) enum Slot {
    InWork {
        image: String,
    },
    Done {
        image: String,
        processed: Box<Processed>,
    },
    Failed {
        image: Option<String>,
        failure: Failure,
    },
    PassedOn {
        line: Vec<u8>,
        failed: Box<FailedImage>,
    },
    Panicked {
        image: String,
        payload: Box<dyn Any + Send>,
    },
}

/// The images from the first one that is not written on.
#[derive(Default)]
pub(super) struct Window {
    /// Each with the bytes that its document takes.
    slots: VecDeque<(Slot, usize)>,
    /// The number of the first of them.
    first: usize,
    in_work: usize,
    bytes: usize,
}

impl Window {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) const fn count_in_work(&self) -> usize {
        self.in_work
    }

    /// Returns whether another image may be started.
    pub(super) fn has_room(&self, in_flight: NonZeroUsize) -> bool {
        self.in_work < in_flight.get() && (self.bytes < MAX_BYTES || self.is_empty())
    }

    /// Adds an image that needs no work.
    pub(super) fn push(&mut self, slot: Slot) {
        let bytes = match &slot {
            Slot::PassedOn { line, .. } => line.len(),
            _ => 0,
        };
        self.bytes += bytes;
        self.slots.push_back((slot, bytes));
    }

    /// Adds an image whose work begins, and returns its number.
    pub(super) fn push_work(&mut self, image: String, bytes: usize) -> usize {
        self.in_work += 1;
        self.bytes += bytes;
        self.slots.push_back((Slot::InWork { image }, bytes));
        self.first + self.slots.len() - 1
    }

    /// Enters the result of the work on the image with this number.
    pub(super) fn finish(&mut self, number: usize, result: thread::Result<Processed>) {
        self.in_work -= 1;
        let Some((slot, taken)) = self.slots.get_mut(number - self.first) else {
            return;
        };
        let Slot::InWork { image } = slot else {
            return;
        };
        let image = std::mem::take(image);
        let mut size = *taken;
        *slot = match result {
            Ok(processed) => {
                if number > self.first {
                    size = size.max(processed.document_bytes());
                }
                let processed = Box::new(processed);
                Slot::Done { image, processed }
            }
            Err(payload) => Slot::Panicked { image, payload },
        };
        self.bytes = self.bytes - *taken + size;
        *taken = size;
    }

    /// Takes the first image, if it is finished.
    pub(super) fn pop_finished(&mut self) -> Option<Slot> {
        let is_finished = |(slot, _): &mut (Slot, usize)| !matches!(slot, Slot::InWork { .. });
        let (slot, bytes) = self.slots.pop_front_if(is_finished)?;
        self.first += 1;
        self.bytes -= bytes;
        Some(slot)
    }
}
