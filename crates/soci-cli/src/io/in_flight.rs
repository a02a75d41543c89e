//! Several images in work at a time, whose documents leave in the order of the input.
//!
//! The thread that calls reads no input and does no work. It gives each image to a thread of its
//! own, and writes the results in order. So an image that takes long holds up no work on others,
//! and a document leaves as soon as all before it have left.

mod input;
#[cfg(test)]
mod tests;
mod window;

use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};

use soci_document::{Document, Exit, Line, MalformedLine};
use soci_oci::Reference;
use soci_oci::printable::hide_credentials;

use self::input::{Input, InputLine};
use self::window::{Slot, Window};
use super::{Io, Named, Processed};
use crate::{Failure, Progress, log};

/// How many images a tool works on at a time unless the user says otherwise. A registry answers a
/// request in 5 to 30 ms, of which a tool is busy for less than one.
pub const IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(10).expect("not zero");

/// The work on one image.
pub struct Work<'a> {
    is_alone: bool,
    run: Box<dyn FnOnce(&Progress) -> Processed + Send + 'a>,
}

impl<'a> Work<'a> {
    /// Returns work that may be done while other images are in work.
    pub fn beside_others<P: Into<Processed>>(
        run: impl FnOnce(&Progress) -> Result<P, Failure> + Send + 'a,
    ) -> Self {
        Self {
            is_alone: false,
            run: Box::new(|progress| run(progress).map_or_else(Processed::from, Into::into)),
        }
    }

    /// Returns work that reads an image, or what it names: beside others if it is in a registry, and
    /// alone if it is in a layout or archive, of which the last one is kept open.
    pub fn reading<P: Into<Processed>>(
        image: &Reference,
        run: impl FnOnce(&Progress) -> Result<P, Failure> + Send + 'a,
    ) -> Self {
        match image {
            Reference::Registry(_) => Self::beside_others(run),
            Reference::Layout { .. }
            | Reference::Archive { .. }
            | Reference::DockerArchive { .. } => Self::alone(run),
        }
    }

    /// Returns work that is done while no other image is in work, because it shares something with
    /// the work on others, such as an archive that each of them writes as a whole.
    pub fn alone<P: Into<Processed>>(
        run: impl FnOnce(&Progress) -> Result<P, Failure> + Send + 'a,
    ) -> Self {
        Self {
            is_alone: true,
            ..Self::beside_others(run)
        }
    }
}

/// What names an image of several in work.
#[derive(Debug)]
pub enum Request<'a> {
    /// A reference, not parsed yet.
    Reference(&'a str),
    /// A document.
    Document(Box<Document>),
}

/// The images that a tool is to work on.
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    /// References from the command line. Without any, the lines of stdin name the images.
    pub references: &'a [String],
    /// What the lines of stdin hold, such as `documents`.
    pub input: &'static str,
    /// Whether a line of stdin may hold a reference.
    pub takes_references: bool,
    /// How many images are in work at a time, at most.
    pub in_flight: NonZeroUsize,
}

/// What the thread that writes waits for.
pub(super) enum Event {
    /// The next line of the input, or `None` at its end.
    Line(Result<Option<Vec<u8>>, Failure>),
    /// The work on the image with this number has ended.
    Done(usize, Box<thread::Result<Processed>>),
}

/// Work that waits until no other image is in work.
struct Waiting<'a> {
    number: usize,
    image: Arc<str>,
    work: Work<'a>,
}

/// A run of a tool over its images.
struct Run<'io, 'a> {
    io: &'io mut Io,
    images: Images<'io>,
    input: Input,
    window: Window,
    events: Sender<Event>,
    waiting: Option<Waiting<'a>>,
    /// Whether the image in work must be the only one.
    is_alone: bool,
}

impl Io {
    /// Prepares each document of stdin in the order of the input, does the work on up to
    /// `in_flight` images at a time, and writes the results in the order of the input. A failure
    /// is printed when its image is written. Images that failed in an earlier stage are passed on.
    ///
    /// # Errors
    ///
    /// Returns an error if stdin has no line, or if stdin or stdout fails.
    pub fn work_on_documents<'a>(
        &mut self,
        in_flight: NonZeroUsize,
        mut prepare: impl FnMut(Document) -> Result<Work<'a>, Failure>,
    ) -> Result<(), Failure> {
        let images = Images {
            references: &[],
            input: "documents",
            takes_references: false,
            in_flight,
        };
        self.work_on(images, |request| match request {
            Request::Document(document) => prepare(*document),
            Request::Reference(_) => Err(Failure::message(Exit::Internal, "no document")),
        })
    }

    /// As [`Io::work_on_documents`], for images that references name, too. A line of stdin that
    /// starts with `{` is a document.
    ///
    /// # Errors
    ///
    /// Returns an error if nothing names an image, or if stdin or stdout fails.
    pub fn work_on<'a>(
        &mut self,
        images: Images<'_>,
        prepare: impl FnMut(Request<'_>) -> Result<Work<'a>, Failure>,
    ) -> Result<(), Failure> {
        let (events, received) = channel();
        let input = if images.references.is_empty() {
            self.announce_input(images.input);
            let stdin = std::mem::replace(&mut self.input, Box::new(std::io::empty()));
            Input::start_reading(stdin, events.clone())?
        } else {
            Input::of_references(images.references)
        };
        let run = Run {
            io: self,
            images,
            input,
            window: Window::default(),
            events,
            waiting: None,
            is_alone: false,
        };
        thread::scope(|scope| run.run(scope, &received, prepare))
    }
}

impl<'a> Run<'_, 'a> {
    /// Works on all images. Work that has started is always done to its end.
    fn run<'scope>(
        mut self,
        scope: &'scope Scope<'scope, '_>,
        received: &Receiver<Event>,
        mut prepare: impl FnMut(Request<'_>) -> Result<Work<'a>, Failure>,
    ) -> Result<(), Failure>
    where
        'a: 'scope,
    {
        loop {
            self.write_finished()?;
            self.start_waiting(scope);
            if self.can_start_another() {
                match self.input.next() {
                    Some(line) => {
                        self.take(scope, line, &mut prepare);
                        continue;
                    }
                    None if self.window.is_empty() && self.input.has_ended() => {
                        return self.input.end(self.images);
                    }
                    None => {}
                }
            }
            // The channel cannot close, because this holds a sender.
            match received.recv() {
                Ok(Event::Line(line)) => {
                    if let Some(line) = self.input.receive(line) {
                        self.take(scope, line, &mut prepare);
                    }
                }
                Ok(Event::Done(number, result)) => {
                    self.is_alone = false;
                    self.window.finish(number, *result);
                }
                Err(_) => return Ok(()),
            }
        }
    }

    /// Returns whether there is room for another image.
    fn can_start_another(&self) -> bool {
        self.waiting.is_none() && !self.is_alone && self.window.has_room(self.images.in_flight)
    }

    /// Writes what is finished and has nothing unfinished before it.
    fn write_finished(&mut self) -> Result<(), Failure> {
        while let Some(slot) = self.window.pop_finished() {
            match slot {
                Slot::PassedOn { line, failed } => self.io.pass_on(&line, &failed)?,
                Slot::Failed { image, failure } => self.io.fail_image(image.as_deref(), failure)?,
                Slot::Done { image, processed } => self.io.write_image(&image, *processed)?,
                Slot::Panicked { image, payload } => {
                    self.io.current_image = Some(image);
                    panic::resume_unwind(payload)
                }
                Slot::InWork { .. } => {}
            }
        }
        Ok(())
    }

    /// Parses and prepares what a line or an argument names, and starts the work on it.
    fn take<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        line: InputLine,
        prepare: &mut impl FnMut(Request<'_>) -> Result<Work<'a>, Failure>,
    ) where
        'a: 'scope,
    {
        let (image, bytes, work) = match self.parse(line) {
            Ok(NamedImage::Reference(reference)) => {
                let work = prepare(Request::Reference(&reference));
                (
                    hide_credentials(&reference).into_owned(),
                    reference.len(),
                    work,
                )
            }
            Ok(NamedImage::Document(document, bytes)) => {
                let image = document.image.to_string();
                (image, bytes, prepare(Request::Document(document)))
            }
            Err(slot) => return self.window.push(slot),
        };
        match work {
            Ok(work) => {
                let name = Arc::from(image.as_str());
                let number = self.window.push_work(image, bytes);
                self.waiting = Some(Waiting {
                    number,
                    image: name,
                    work,
                });
                self.start_waiting(scope);
            }
            Err(failure) => {
                let image = Some(image);
                self.window.push(Slot::Failed { image, failure });
            }
        }
    }

    /// Returns what a line names, or what is written for it if there is nothing to work on.
    fn parse(&self, line: InputLine) -> Result<NamedImage, Slot> {
        let line = match line {
            InputLine::Reference(reference) => return Ok(NamedImage::Reference(reference)),
            InputLine::Line(line) => line,
        };
        if self.images.takes_references {
            match Named::of_line(&line) {
                Ok(Named::Reference(reference)) => {
                    return Ok(NamedImage::Reference(reference.to_owned()));
                }
                Ok(Named::Document(_)) => {}
                Err(failure) => {
                    let image = None;
                    return Err(Slot::Failed { image, failure });
                }
            }
        }
        match Line::parse(&line) {
            Ok(Line::Document(document)) => Ok(NamedImage::Document(document, line.len())),
            Ok(Line::Failed(failed)) => Err(Slot::PassedOn { line, failed }),
            Err(MalformedLine { image, error }) => Err(Slot::Failed {
                image,
                failure: error.into(),
            }),
        }
    }

    /// Starts the work that waits, unless it must wait for other work to end.
    fn start_waiting<'scope>(&mut self, scope: &'scope Scope<'scope, '_>)
    where
        'a: 'scope,
    {
        let is_idle = self.window.count_in_work() <= 1;
        let may_start = |waiting: &mut Waiting<'_>| !waiting.work.is_alone || is_idle;
        let Some(waiting) = self.waiting.take_if(may_start) else {
            return;
        };
        let Waiting {
            number,
            image,
            work,
        } = waiting;
        self.is_alone = work.is_alone;
        if !is_idle {
            log::name_images();
        }
        let progress = self.io.progress.clone();
        let events = self.events.clone();
        let task = Arc::new(Mutex::new(Some(move || {
            log::set_current_image(Some(image));
            let run = AssertUnwindSafe(|| (work.run)(&progress));
            // The receiver is gone if the run has ended with an error.
            let result = Box::new(panic::catch_unwind(run));
            drop(events.send(Event::Done(number, result)));
        })));
        let shared = Arc::clone(&task);
        let take = |task: &Mutex<Option<_>>| {
            let mut task = task.lock().unwrap_or_else(PoisonError::into_inner);
            task.take()
        };
        let started = thread::Builder::new().spawn_scoped(scope, move || {
            if let Some(task) = take(&shared) {
                task();
            }
        });
        // If the system refuses another thread, this one does the work.
        if started.is_err()
            && let Some(task) = take(&task)
        {
            task();
        }
    }
}

/// What a line names.
enum NamedImage {
    Reference(String),
    /// A document, and the length of its line in bytes.
    Document(Box<Document>, usize),
}
