//! Removes files from a store, and tells what was removed.

use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;
use soci_cli::{Failure, Io};
use soci_document::Exit;
use soci_layout::{Action, LayoutError, PrunableStore, Removal};

use crate::choice::{Chosen, Limits, Usage, choose};
use crate::file::File;
use crate::inventory::read_files;
use crate::output::{Count, Counts, RemovedFile, Summary};

/// The form of what is printed to stdout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// One JSON object for each file, and one for the store.
    Json,
    /// A summary.
    Text,
}

/// Whether files are removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    DryRun,
    Remove,
}

/// Prunes one store, as the command line asks for.
pub(crate) struct Pruner {
    pub(crate) limits: Limits,
    pub(crate) mode: Mode,
    pub(crate) format: Format,
}

/// The removal of files from one store.
struct Run<'a> {
    pruner: &'a Pruner,
    store: PrunableStore,
    files: Vec<File>,
    /// Whether each file stays, because a file that needs it stays.
    is_needed: Vec<bool>,
    removed: Counts,
    /// How many files could not be removed.
    failures: u64,
    first_failure: Option<LayoutError>,
}

impl Pruner {
    /// Prunes the store in the directory `root`. A store that does not exist is empty.
    ///
    /// # Errors
    ///
    /// Returns an error if the store cannot be read, if a file cannot be removed, or if stdout
    /// cannot be written.
    pub(crate) fn prune(&self, io: &mut Io, root: &Path) -> Result<(), Failure> {
        if !root.exists() {
            tracing::warn!("there is no store in `{}`", root.display());
            return self.print_summary(io, &self.summarize(root, Counts::default(), &[]));
        }
        let store = PrunableStore::open(root)?;
        let files = read_files(&store)?;
        let mut run = Run {
            pruner: self,
            is_needed: vec![false; files.len()],
            store,
            files,
            removed: Counts::default(),
            failures: 0,
            first_failure: None,
        };
        run.remove_chosen(io)?;
        let summary = self.summarize(root, run.removed, &run.files);
        self.print_summary(io, &summary)?;
        match run.first_failure {
            None => Ok(()),
            Some(error) => Err(describe_failures(error, run.failures)),
        }
    }

    fn summarize<'a>(&self, root: &'a Path, removed: Counts, files: &[File]) -> Summary<'a> {
        let mut kept = Count::default();
        for file in files {
            kept.add(file.size());
        }
        let total = removed.total();
        kept.files -= total.files;
        kept.bytes -= total.bytes;
        let max_size = self.limits.max_size;
        Summary {
            store: root,
            fits: max_size.map(|max_size| kept.bytes <= max_size),
            removed,
            kept,
            dry_run: self.mode == Mode::DryRun,
        }
    }

    /// Prints and logs what became of the store.
    fn print_summary(&self, io: &mut Io, summary: &Summary<'_>) -> Result<(), Failure> {
        match self.format {
            Format::Json => print_json(io, summary)?,
            Format::Text => io.write_text(&summary.to_text())?,
        }
        summary.log();
        Ok(())
    }

    fn print_removed(&self, io: &mut Io, file: &File) -> Result<(), Failure> {
        match self.format {
            Format::Json => print_json(io, &RemovedFile::new(file, self.mode == Mode::DryRun)),
            Format::Text => Ok(()),
        }
    }
}

impl Run<'_> {
    /// Chooses and removes files.
    fn remove_chosen(&mut self, io: &mut Io) -> Result<(), Failure> {
        let usage = if self.store.is_idle() {
            Usage::Idle
        } else {
            Usage::InUse
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the age of a file decides whether it is removed"
        )]
        let now = SystemTime::now();
        let chosen = choose(&self.files, self.pruner.limits, usage, now);
        let depth = |chosen: &Chosen| self.files[chosen.position].depth;
        let levels: Vec<&[Chosen]> = chosen.chunk_by(|a, b| depth(a) == depth(b)).collect();
        for level in levels {
            for chosen in level {
                self.remove(io, *chosen)?;
            }
            // A file is gone for good before those that it needs are removed.
            self.store.sync()?;
        }
        Ok(())
    }

    /// Removes a file, unless a file that needs it stays or a tool has used it meanwhile.
    fn remove(&mut self, io: &mut Io, chosen: Chosen) -> Result<(), Failure> {
        let Chosen { position, when } = chosen;
        if self.is_needed[position] {
            return Ok(());
        }
        let file = &self.files[position];
        let removal = match self.pruner.mode {
            Mode::DryRun => Ok(Removal::Removed),
            Mode::Remove => self.store.remove(&file.stored, when),
        };
        match removal {
            Ok(Removal::Removed) => {
                self.removed.add(file);
                return self.pruner.print_removed(io, file);
            }
            Ok(Removal::Absent) => return Ok(()),
            Ok(Removal::InUse) => {}
            // Another process holds the lock for a minute, so it is not waited for once more.
            Err(
                error @ LayoutError::File {
                    action: Action::Lock,
                    ..
                },
            ) => return Err(error.into()),
            Err(error) => {
                self.failures += 1;
                self.first_failure.get_or_insert(error);
            }
        }
        self.keep_what_is_needed_by(position);
        Ok(())
    }

    /// Keeps the files that a file needs, because that file stays.
    fn keep_what_is_needed_by(&mut self, position: usize) {
        let mut remaining = self.files[position].needs.clone();
        while let Some(needed) = remaining.pop() {
            if !std::mem::replace(&mut self.is_needed[needed], true) {
                remaining.extend(&self.files[needed].needs);
            }
        }
    }
}

fn print_json(io: &mut Io, line: &impl Serialize) -> Result<(), Failure> {
    let mut line = serde_json::to_string(line)
        .map_err(|error| Failure::new(Exit::Internal, error).context("cannot print the result"))?;
    line.push('\n');
    io.write_text(&line)
}

/// Returns the failure for files that could not be removed, of which `error` is the first.
fn describe_failures(error: LayoutError, count: u64) -> Failure {
    let failure = Failure::from(error);
    match count {
        1 => failure,
        count => failure.context(format!("{count} files could not be removed; the first one")),
    }
}
