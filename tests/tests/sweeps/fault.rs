//! One fault at one call: what must come of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
};

use soci_testkit::process::{Finished, Sandbox};

use crate::{
    calls::{Call, Kind, Object},
    sound::{is_unfinished, sound},
    stage::{Stage, Undisturbed, comparable, files, is_whole},
};

/// What happens at a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// It fails with this error.
    Error(&'static str),
    /// The tool is killed.
    Kill,
}

/// Where a fault happens: at one call, or at those that have the same number in several threads.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    calls: Vec<Call>,
    by_file: bool,
}

/// What may come of a fault.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Outcome {
    /// The tool goes on: what failed was no more than a help.
    Success,
    /// Either of the others, as long as it is honest.
    Either,
    /// The tool fails with I/O.
    Failure,
}

impl Point {
    /// Returns what the call is called that the fault happens at.
    pub(crate) fn call(&self) -> &str {
        &self.calls[0].name
    }

    /// Returns the points for the calls of `kind`, each once.
    ///
    /// strace counts the calls of each thread by themselves. A call whose file has the same name in every run is found by
    /// it; one on an unfinished file, by its number, unless that is the number of a call which loads the program.
    pub(crate) fn all(undisturbed: &Undisturbed, wanted: impl Fn(&Call) -> bool) -> Vec<Self> {
        let calls = &undisturbed.calls;
        let loader: BTreeSet<(&str, usize)> = calls
            .iter()
            .filter(|call| call.is_of_the_loader())
            .map(|call| (call.name.as_str(), call.number))
            .collect();
        let mut points: BTreeMap<_, Self> = BTreeMap::new();
        for call in calls.iter().filter(|call| call.is_of_interest()) {
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

    /// Returns the options by which strace brings the fault about.
    fn options(&self, fault: Fault, sandbox: &Sandbox) -> Vec<String> {
        let call = &self.calls[0];
        let name = &call.name;
        let what = match fault {
            Fault::Error(error) => format!("error={error}"),
            Fault::Kill => "signal=SIGKILL".to_owned(),
        };
        let mut options = vec![format!("--trace={name}")];
        let number = match &call.object {
            Object::File(path) if self.by_file => {
                // Tools name what lies below the folder they are in as they were told.
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

    /// Runs a stage with the fault, and again without it. Returns what is wrong.
    pub(crate) fn try_out(
        &self,
        fault: Fault,
        stage: &Stage,
        undisturbed: &Undisturbed,
    ) -> Result<(), String> {
        let sandbox = stage.sandbox();
        let ended = stage.traced(&sandbox, &self.options(fault, &sandbox)).run();
        let trace = fs::read_to_string(sandbox.path().join("trace")).expect("what strace wrote");
        let wrong = |what: String| {
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
            return wrong("the call was not made".to_owned());
        }
        if !is_whole(&ended, undisturbed) {
            return wrong(format!("a part of a document: {}", ended.text()));
        }
        if let Fault::Error(error) = fault
            && let Err(what) = self.judge(error, &ended, undisturbed)
            // Of several threads, another may be the one that fails to say so.
            && !(ended.stderr.is_empty() && trace.contains("write(2<"))
        {
            return wrong(what);
        }
        if let Err(what) = sound(&sandbox, fault, stage, undisturbed) {
            return wrong(what);
        }
        let again = stage.tool(&sandbox).run();
        if again.code() != 0 || comparable(&again.stdout) != comparable(&undisturbed.stdout) {
            return wrong(format!(
                "the next run ends with {}: {}",
                again.code(),
                again.stderr
            ));
        }
        if files(sandbox.path()) != undisturbed.files {
            return wrong("the next run leaves other files".to_owned());
        }
        Ok(())
    }

    /// Judges exit status and message.
    fn judge(
        &self,
        error: &str,
        ended: &Finished,
        undisturbed: &Undisturbed,
    ) -> Result<(), String> {
        let expected = self.outcome(error);
        let code = ended.code();
        match code {
            0 if expected == Outcome::Failure => return Err("it is taken for a success".to_owned()),
            0 if ended.stdout.is_empty() && !undisturbed.stdout.is_empty() => {
                return Err("success without a document".to_owned());
            }
            0 => return Ok(()),
            74 if expected != Outcome::Success => {}
            code => return Err(format!("exit status {code}")),
        }
        if !ended.stdout.is_empty() {
            return Err("a failure with a document".to_owned());
        }
        let is_named = |call: &Call| match (&call.object, &call.purpose) {
            (Object::Stdout, _) => ended.stderr.contains("cannot write to stdout"),
            (_, Object::File(path)) => ended.stderr.contains(&first(path)),
            _ => false,
        };
        if ended.stderr.contains("cannot ") && self.calls.iter().any(is_named) {
            Ok(())
        } else {
            Err("no word about what failed".to_owned())
        }
    }

    /// Returns what may come of the error: of several calls, the worst.
    fn outcome(&self, error: &str) -> Outcome {
        let outcome = |call: &Call| {
            let is_note =
                matches!(&call.purpose, Object::File(path) if path.starts_with("store/ztocs"));
            if is_note || call.object == Object::Stderr || error == "EINTR" {
                return Outcome::Success;
            }
            match call.kind {
                Kind::Change if !call.fails_anyway => Outcome::Failure,
                Kind::Change | Kind::List | Kind::Read => Outcome::Either,
            }
        };
        let worst = self.calls.iter().map(outcome).max();
        worst.expect("a point has a call")
    }
}

/// Returns the place in the sandbox that a path is in.
fn first(path: &Path) -> String {
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
