//! The images that are still to be named: arguments, or the lines of stdin, which a thread of its
//! own reads, because reading may wait for the stage before.

use std::collections::VecDeque;
use std::io::BufRead;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use soci_document::Exit;

use super::{Event, Images};
use crate::Failure;
use crate::io::{no_input, no_reference, read_line};

/// An argument, or a line of stdin.
pub(super) enum InputLine {
    Reference(String),
    Line(Vec<u8>),
}

/// The input of a run.
pub(super) struct Input {
    arguments: VecDeque<String>,
    /// Asks the reading thread for a line. `None` if stdin is not read, or has ended.
    requests: Option<Sender<()>>,
    /// Whether a line was asked for and has not come.
    is_awaited: bool,
    /// Whether something has named an image.
    is_seen: bool,
    failure: Option<Failure>,
}

impl Input {
    /// Returns the input of references that are arguments.
    pub(super) fn of_references(references: &[String]) -> Self {
        Self {
            arguments: references.iter().cloned().collect(),
            requests: None,
            is_awaited: false,
            is_seen: true,
            failure: None,
        }
    }

    /// Starts a thread that reads a line each time that it is asked to. It ends with the process
    /// if it still waits for a line.
    pub(super) fn start_reading(
        mut stdin: Box<dyn BufRead + Send>,
        events: Sender<Event>,
    ) -> Result<Self, Failure> {
        let (requests, asked) = channel();
        let read = move || {
            while asked.recv().is_ok() {
                let line = read_line(&mut *stdin);
                if events.send(Event::Line(line)).is_err() {
                    break;
                }
            }
        };
        let started = thread::Builder::new().name("stdin".to_owned()).spawn(read);
        started.map_err(|error| {
            Failure::new(Exit::Io, error).context("cannot start a thread that reads stdin")
        })?;
        Ok(Self {
            requests: Some(requests),
            is_seen: false,
            ..Self::of_references(&[])
        })
    }

    /// Returns the next argument, or asks for the next line of stdin, which comes as an event.
    pub(super) fn next(&mut self) -> Option<InputLine> {
        if let Some(reference) = self.arguments.pop_front() {
            return Some(InputLine::Reference(reference));
        }
        if !self.is_awaited
            && let Some(requests) = &self.requests
        {
            self.is_awaited = requests.send(()).is_ok();
        }
        None
    }

    /// Takes the line that was asked for.
    pub(super) fn receive(&mut self, line: Result<Option<Vec<u8>>, Failure>) -> Option<InputLine> {
        self.is_awaited = false;
        match line {
            Ok(Some(line)) => {
                self.is_seen = true;
                return Some(InputLine::Line(line));
            }
            Ok(None) => {}
            Err(failure) => self.failure = Some(failure),
        }
        self.requests = None;
        None
    }

    /// Returns whether nothing more will come.
    pub(super) fn has_ended(&self) -> bool {
        self.arguments.is_empty() && self.requests.is_none()
    }

    /// Returns the error of stdin, if it could not be read or named nothing.
    pub(super) fn end(self, images: Images<'_>) -> Result<(), Failure> {
        match self.failure {
            Some(failure) => Err(failure),
            None if self.is_seen => Ok(()),
            None if images.takes_references => Err(no_reference()),
            None => Err(no_input()),
        }
    }
}
