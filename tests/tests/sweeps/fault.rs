//! A fault at one call, and the check of its outcome.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
};

use soci_testkit::process::{Finished, Sandbox};

use crate::{
    calls::{Call, Kind, Object, parse},
    sound::{check_files, is_unfinished},
    stage::{Baseline, Stage, comparable, files, is_failure, is_whole},
};

/// A fault of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// The call fails with this error.
    Error(&'static str),
    /// The tool is killed at the call.
    Kill,
}

/// The point of a fault: one call, or the calls with the same number in several threads.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    calls: Vec<Call>,
    /// Whether strace selects the call by its file, instead of by its number.
    by_file: bool,
}

/// The outcome of a fault.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Outcome {
    /// The tool succeeds, since it does not depend on the call.
    Success,
    /// The tool succeeds with its full output, or fails with an error message.
    Either,
    /// The tool fails with the exit status for I/O errors.
    Failure,
}

impl Point {
    /// Returns the name of the call.
    pub(crate) fn call_name(&self) -> &str {
        &self.calls[0].name
    }

    /// Returns a point for each of the wanted calls of a run.
    ///
    /// strace counts the calls of each thread separately. A call is selected by its file if the
    /// file has the same name in every run. A call for an unfinished file is selected by its
    /// number, unless a call of the loader has that number.
    pub(crate) fn all(baseline: &Baseline, wanted: impl Fn(&Call) -> bool) -> Vec<Self> {
        let calls = &baseline.calls;
        let loader: BTreeSet<(&str, usize)> = calls
            .iter()
            .filter(|call| call.is_made_by_loader())
            .map(|call| (call.name.as_str(), call.number))
            .collect();
        let mut points: BTreeMap<_, Self> = BTreeMap::new();
        for call in calls.iter().filter(|call| call.is_relevant()) {
            let is_random = matches!(&call.object, Object::File(path) if is_unfinished(path));
            let by_file = matches!(call.object, Object::File(_)) && !is_random;
            if !by_file && loader.contains(&(call.name.as_str(), call.number)) {
                continue;
            }
            let is_hit = |other: &&Call| {
                let same = if by_file {
                    other.object == call.object && other.number_on_file == call.number_on_file
                } else {
                    other.number == call.number
                };
                same && other.name == call.name
            };
            let key = if by_file {
                (&call.name, Some(&call.object), call.number_on_file)
            } else {
                (&call.name, None, call.number)
            };
            points.entry(key).or_insert_with(|| Self {
                calls: calls.iter().filter(is_hit).cloned().collect(),
                by_file,
            });
        }
        let is_wanted = |point: &Self| point.calls.iter().any(&wanted);
        points.into_values().filter(is_wanted).collect()
    }

    /// Returns the options with which strace injects the fault.
    fn strace_options(&self, fault: Fault, sandbox: &Sandbox) -> Vec<String> {
        let call = &self.calls[0];
        let name = &call.name;
        let what = match fault {
            Fault::Error(error) => format!("error={error}"),
            Fault::Kill => "signal=SIGKILL".to_owned(),
        };
        let mut options = vec![format!("--trace={name}")];
        let number = match &call.object {
            Object::File(path) if self.by_file => {
                // A tool uses relative or absolute paths, depending on its arguments.
                let here = if path.as_os_str().is_empty() {
                    Path::new(".")
                } else {
                    path.as_path()
                };
                for path in [here, &sandbox.path().join(path)] {
                    options.push(format!("--trace-path={}", path.display()));
                }
                call.number_on_file
            }
            _ => call.number,
        };
        options.push(format!("--inject={name}:{what}:when={number}"));
        options
    }

    /// Runs a stage with the fault, and again without it. Returns a description of the first wrong
    /// outcome.
    pub(crate) fn check(
        &self,
        fault: Fault,
        stage: &Stage,
        baseline: &Baseline,
    ) -> Result<(), String> {
        let sandbox = stage.sandbox();
        let ended = stage
            .traced(&sandbox, &self.strace_options(fault, &sandbox))
            .run();
        let trace = fs::read_to_string(sandbox.path().join("trace")).expect("what strace wrote");
        let failure = |what: String| {
            Err(format!(
                "{}: {self}, {fault:?}: {what}\n{}",
                stage.title, ended.stderr
            ))
        };
        let happened = match fault {
            Fault::Error(_) => trace.contains("(INJECTED)"),
            Fault::Kill => trace.contains("+++ killed by SIGKILL +++"),
        };
        if !happened {
            return failure("the call was not made".to_owned());
        }
        if !is_whole(&ended, baseline) {
            return failure(format!("a part of a document: {}", ended.text()));
        }
        if let Fault::Error(error) = fault
            && let Err(what) = self.check_exit(error, &ended, baseline)
            && !self.has_hit_stderr(&trace, sandbox.path())
        {
            return failure(what);
        }
        if let Err(what) = check_files(&sandbox, fault, stage, baseline) {
            return failure(what);
        }
        let again = stage.tool(&sandbox).run();
        if again.code() != 0 || comparable(&again.stdout) != comparable(&baseline.stdout) {
            return failure(format!(
                "the next run ends with {}: {}",
                again.code(),
                again.stderr
            ));
        }
        if files(sandbox.path()) != baseline.files {
            return failure("the next run leaves other files".to_owned());
        }
        Ok(())
    }

    /// Returns whether the fault has hit a message. The thread that writes it may do so in a call
    /// that has the number of the call of another thread.
    fn has_hit_stderr(&self, trace: &str, root: &Path) -> bool {
        let point = &self.calls[0];
        let is_hit = |call: &Call| call.name == point.name && call.number == point.number;
        let mut calls = parse(trace, root).into_iter();
        !self.by_file && calls.any(|call| is_hit(&call) && call.object == Object::Stderr)
    }

    /// Checks exit status and message.
    fn check_exit(&self, error: &str, ended: &Finished, baseline: &Baseline) -> Result<(), String> {
        let expected = self.expected_outcome(error);
        let code = ended.code();
        match code {
            0 if expected == Outcome::Failure => return Err("the tool succeeds".to_owned()),
            0 if ended.stdout.is_empty() && !baseline.stdout.is_empty() => {
                return Err("success without a document".to_owned());
            }
            0 => return Ok(()),
            74 if expected != Outcome::Success => {}
            code => return Err(format!("exit status {code}")),
        }
        let is_of_stdout = self.calls.iter().any(|call| call.object == Object::Stdout);
        let is_empty = is_of_stdout && ended.stdout.is_empty();
        if !is_empty && !is_failure(ended) {
            return Err("a failure without the line of a failed image".to_owned());
        }
        let is_named = |call: &Call| match (&call.object, &call.purpose) {
            (Object::Stdout, _) => ended.stderr.contains("cannot write to stdout"),
            (_, Object::File(path)) => ended.stderr.contains(&first_component(path)),
            _ => false,
        };
        if ended.stderr.contains("cannot ") && self.calls.iter().any(is_named) {
            Ok(())
        } else {
            Err("the message does not name what failed".to_owned())
        }
    }

    /// Returns the expected outcome of an error: the worst one of the calls of this point.
    fn expected_outcome(&self, error: &str) -> Outcome {
        let outcome = |call: &Call| {
            let is_cache =
                matches!(&call.purpose, Object::File(path) if path.starts_with("store/ztocs"));
            if is_cache || call.object == Object::Stderr || error == "EINTR" {
                return Outcome::Success;
            }
            match call.kind {
                Kind::Change if !call.fails_normally => Outcome::Failure,
                Kind::Change | Kind::List | Kind::Read => Outcome::Either,
            }
        };
        let worst = self.calls.iter().map(outcome).max();
        worst.expect("a point has a call")
    }
}

/// Returns the first component of a path, such as `store`.
fn first_component(path: &Path) -> String {
    let first = path.iter().next().unwrap_or_default();
    first.to_string_lossy().into_owned()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error(error) => error,
            Self::Kill => "SIGKILL",
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = if self.by_file {
            "by its file"
        } else {
            "by its number"
        };
        write!(f, "{by}:")?;
        for call in &self.calls {
            let Call {
                thread,
                name,
                number,
                object,
                purpose,
                ..
            } = call;
            write!(
                f,
                " {name} {number} of {thread} on {object:?} for {purpose:?};"
            )?;
        }
        Ok(())
    }
}
