//! Progress on a terminal: one line for each image, and below it one for each layer or blob in
//! work.
//!
//! The tools of a pipeline share a terminal. One of them draws at a time: the one that holds the
//! lock of the terminal (see [`terminal`]). The others draw nothing until the lock is free, which
//! it is when the drawing tool has no work or ends.
//!
//! The cursor rests at the start of an empty line above the drawing. So a message of any tool is
//! printed after a code that erases all below the cursor, and does not mix with the drawing of
//! another process; the drawing tool then draws again below the message.

mod lines;
mod state;
mod terminal;

use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use lines::{ImageView, Outcome};
use soci_oci::printable::to_printable;
use state::{ImageState, PartState, State};
use terminal::Terminal;

/// The time between two drawings.
const INTERVAL: Duration = Duration::from_millis(100);

/// The progress of a tool. Cheap to clone.
///
/// Nothing is drawn if stderr is not a terminal, or with `--quiet`.
#[derive(Clone)]
pub struct Progress(Arc<Shared>);

/// The progress of one image. Dropping it takes the image away, unless it was ended by
/// [`ImageProgress::finish`].
#[derive(Debug)]
pub struct ImageProgress {
    progress: Progress,
    id: u64,
}

/// The progress of one layer or blob. Dropping it takes it away; its bytes count only after
/// [`Bar::finish`].
#[derive(Debug)]
pub struct Bar {
    progress: Progress,
    image: u64,
    id: u64,
    position: Arc<AtomicU64>,
}

struct Shared {
    /// The terminal, if stderr is one.
    terminal: Option<Terminal>,
    /// Whether the user wants no progress.
    is_quiet: bool,
    state: Mutex<State>,
    /// Notified when there is something to draw.
    work: Condvar,
}

impl Progress {
    /// Returns the progress that is drawn on stderr if that is a terminal.
    pub(crate) fn on_stderr() -> Self {
        Self(Arc::new(Shared::new(Terminal::of_stderr())))
    }

    /// Returns a progress that is never drawn.
    pub fn hidden() -> Self {
        Self(Arc::new(Shared {
            is_quiet: true,
            ..Shared::new(Terminal::of_stderr())
        }))
    }

    /// Starts the progress of an image with `count` parts of `bytes` bytes in all. `unit` is what
    /// the parts are called, such as `layers`.
    pub fn start_image(
        &self,
        name: &str,
        unit: &'static str,
        count: usize,
        bytes: u64,
    ) -> ImageProgress {
        let mut state = self.lock();
        state.forget_old_images();
        let id = state.take_id();
        let image = ImageState::new(to_printable(name).into_owned(), unit, count, bytes);
        state.images.insert(id, image);
        self.start_drawing(&mut state);
        ImageProgress {
            progress: self.clone(),
            id,
        }
    }

    /// Clears the drawing and frees the terminal. Nothing is drawn any more.
    pub(crate) fn clear(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.erase_drawing();
        self.release();
    }

    /// Runs `write`, which prints to the terminal, while no drawing is there. It is drawn again
    /// soon after.
    pub(crate) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        let mut state = self.lock();
        if self.0.terminal.is_some() {
            // Another tool's drawing is below the cursor, too.
            drop(io::stderr().write_all(terminal::ERASE_BELOW.as_bytes()));
            state.is_drawn = false;
        }
        write()
    }

    /// Writes a message to stderr, in one piece together with the code that erases the drawing.
    pub(crate) fn print(&self, message: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        if self.0.terminal.is_none() {
            return io::stderr().write_all(message);
        }
        state.is_drawn = false;
        let erase = terminal::ERASE_BELOW.as_bytes();
        io::stderr().write_all(&[erase, message].concat())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the drawing thread, or wakes it. If it cannot be started, nothing is drawn.
    fn start_drawing(&self, state: &mut State) {
        if self.0.is_quiet || self.0.terminal.is_none() {
            return;
        }
        if state.thread.is_none() {
            let progress = self.clone();
            let drawing = thread::Builder::new().name("progress".to_owned());
            state.thread = drawing.spawn(move || progress.draw_forever()).ok();
        }
        self.0.work.notify_all();
    }

    fn draw_forever(&self) {
        let mut state = self.lock();
        loop {
            while !state.is_working() || state.is_closed {
                let waited = self.0.work.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
            }
            let waited = self.0.work.wait_timeout(state, INTERVAL);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.is_working() && !state.is_closed {
                self.draw(&mut state);
            }
        }
    }

    /// Draws all images, if no other tool draws.
    fn draw(&self, state: &mut State) {
        let Some(terminal) = &self.0.terminal else {
            return;
        };
        if !terminal.try_lock() {
            return;
        }
        let Some(size) = terminal::size() else { return };
        let views: Vec<ImageView<'_>> = state.images.values().map(ImageState::view).collect();
        let frame = terminal::frame(&lines::format(&views, size));
        // If the terminal is gone, there is nothing to draw on.
        drop(io::stderr().write_all(frame.as_bytes()));
        state.is_drawn = true;
    }

    fn release(&self) {
        if let Some(terminal) = &self.0.terminal {
            terminal.unlock();
        }
    }
}

impl Shared {
    fn new(terminal: Option<Terminal>) -> Self {
        Self {
            terminal,
            is_quiet: false,
            state: Mutex::default(),
            work: Condvar::new(),
        }
    }
}

impl ImageProgress {
    /// Returns the progress of an image that is never drawn.
    pub fn hidden() -> Self {
        Progress(Arc::new(Shared::new(None))).start_image("", "", 0, 0)
    }

    /// Counts a part of `bytes` bytes as done that needed no work.
    pub fn skip_part(&self, bytes: u64) {
        self.update(|image| {
            image.done_count += 1;
            image.done_bytes += bytes;
        });
    }

    /// Starts a part with the name `label` and `size` bytes.
    pub fn start_part(&self, label: &str, size: u64) -> Bar {
        let position = Arc::<AtomicU64>::default();
        let part = PartState {
            label: label.to_owned(),
            size,
            position: Arc::clone(&position),
        };
        let id = self.progress.lock().take_id();
        self.update(|image| drop(image.parts.insert(id, part)));
        Bar {
            progress: self.progress.clone(),
            image: self.id,
            id,
            position,
        }
    }

    /// Ends the image, which is done.
    pub fn finish(self) {
        self.update(|image| image.outcome = Outcome::Done);
    }

    fn update(&self, change: impl FnOnce(&mut ImageState)) {
        let mut state = self.progress.lock();
        state.images.get_mut(&self.id).map(change);
    }
}

impl Drop for ImageProgress {
    fn drop(&mut self) {
        let mut state = self.progress.lock();
        let images = &mut state.images;
        if images
            .get(&self.id)
            .is_some_and(|image| image.outcome == Outcome::InWork)
        {
            images.remove(&self.id);
        }
        // Another tool may draw as long as this one has no work.
        if !state.is_working() {
            state.erase_drawing();
            self.progress.release();
        }
    }
}

impl Bar {
    /// Adds `bytes` to the bytes that are done.
    pub fn advance(&self, bytes: u64) {
        self.position.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Returns the number of bytes that are done, for a transfer that counts them itself.
    pub fn counter(&self) -> &Arc<AtomicU64> {
        &self.position
    }

    /// Ends the part, which is done.
    pub fn finish(self) {
        let mut state = self.progress.lock();
        let Some(image) = state.images.get_mut(&self.image) else {
            return;
        };
        if let Some(part) = image.parts.remove(&self.id) {
            image.done_count += 1;
            image.done_bytes += part.size;
            image.moved_bytes += self.position.load(Ordering::Relaxed).min(part.size);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        let mut state = self.progress.lock();
        if let Some(image) = state.images.get_mut(&self.image) {
            image.parts.remove(&self.id);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
