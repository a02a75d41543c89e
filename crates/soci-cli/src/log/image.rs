//! The image that a thread works on, which a message names if several images are in work.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static CURRENT: RefCell<Option<Arc<str>>> = const { RefCell::new(None) };
}

/// Whether several images were in work at a time in this run.
static HAS_SEVERAL: AtomicBool = AtomicBool::new(false);

/// Lets the messages of this run name their image from now on.
pub(crate) fn name_images() {
    HAS_SEVERAL.store(true, Ordering::Relaxed);
}

/// Returns the image that this thread works on.
pub(crate) fn current_image() -> Option<Arc<str>> {
    CURRENT.with_borrow(Option::clone)
}

/// Enters the image that this thread works on from now on.
pub(crate) fn set_current_image(image: Option<Arc<str>>) {
    CURRENT.set(image);
}

/// Returns the image that a message of this thread is about, if several were in work.
pub(super) fn image_to_name() -> Option<String> {
    let image = HAS_SEVERAL.load(Ordering::Relaxed).then(current_image)?;
    image.map(|image| image.to_string())
}
