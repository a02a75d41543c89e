//! Makes each file system call of each tool fail once, and kills the tools at each call. strace
//! injects the faults.
//!
//! After each fault the exit status must be right and the message must name what failed. Stdout
//! must be complete, or tell the failure, or be empty if the tool was killed or stdout itself
//! failed. The layouts must be sound, and the next run must give the same bytes as a run without
//! faults.

mod calls;
mod durable;
mod fault;
mod prune;
mod sound;
mod stage;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use calls::{Call, Kind};
use fault::{Fault, Point};
use stage::{Stage, comparable, files};

/// How many tools run at the same time.
const WORKERS: usize = 4;

/// Injects a fault at each of the wanted calls of every stage, and returns how many there were.
#[track_caller]
fn sweep(fault: Fault, wanted: impl Fn(&Call) -> bool) -> Swept {
    sweep_stages(Stage::all(), fault, wanted)
}

/// Injects a fault at each of the wanted calls of some stages, and returns how many there were.
#[track_caller]
fn sweep_stages(stages: Vec<Stage>, fault: Fault, wanted: impl Fn(&Call) -> bool) -> Swept {
    let stages: Vec<_> = stages
        .into_iter()
        .map(|stage| (stage.baseline(), stage))
        .collect();
    let points: Vec<_> = stages
        .iter()
        .flat_map(|(baseline, stage)| {
            let points = Point::all(baseline, &wanted).into_iter();
            points.map(move |point| (point, stage, baseline))
        })
        .collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((point, stage, baseline)) =
                    points.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    if let Err(what) = point.check(fault, stage, baseline) {
                        wrong.lock().expect("no panic").push(what);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no panic");
    assert!(
        wrong.is_empty(),
        "{} of {} points:\n{}",
        wrong.len(),
        points.len(),
        wrong.join("\n")
    );
    let mut swept = Swept {
        fault,
        counts: BTreeMap::new(),
    };
    for (point, stage, _) in &points {
        let calls = swept.counts.entry(stage.title).or_default();
        *calls.entry(point.call_name().to_owned()).or_default() += 1;
    }
    swept
}

/// The number of calls at which a fault was injected, by stage and name.
struct Swept {
    fault: Fault,
    counts: BTreeMap<&'static str, BTreeMap<String, usize>>,
}

impl Swept {
    /// Asserts that there were more calls than this. A smaller number means that strace's output
    /// was not understood.
    #[track_caller]
    fn assert_more_than(&self, least: usize) {
        assert!(self.total() > least, "{self}");
    }

    fn total(&self) -> usize {
        self.counts.values().flat_map(BTreeMap::values).sum()
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} calls", self.fault, self.total())?;
        for (title, calls) in &self.counts {
            write!(f, "; {title}:")?;
            for (call, count) in calls {
                write!(f, " {call} {count}")?;
            }
        }
        Ok(())
    }
}

/// Returns `false` for all reads of a file but the first. The code for the others is the same for
/// all files.
fn is_not_repeated_read(call: &Call) -> bool {
    call.name != "read" || call.number_on_file == 1
}

/// F1: the disk is full.
#[test]
fn reports_no_space_at_every_call() {
    let swept = sweep(Fault::Error("ENOSPC"), |call| {
        call.kind == Kind::Change && call.name != "fchmod"
    });
    println!("{swept}");
    swept.assert_more_than(200);
}

/// F2: an I/O error.
#[test]
fn reports_an_io_error_at_every_call() {
    let swept = sweep(Fault::Error("EIO"), is_not_repeated_read);
    println!("{swept}");
    swept.assert_more_than(300);
}

/// F2: a disk quota is exceeded.
#[test]
fn reports_an_exceeded_quota_at_every_write() {
    let swept = sweep(Fault::Error("EDQUOT"), |call| call.name == "write");
    println!("{swept}");
    swept.assert_more_than(50);
}

/// F2: a signal interrupts a call.
#[test]
fn repeats_every_interrupted_call() {
    let interruptible = ["fsync", "open", "openat", "read", "write"];
    let swept = sweep(Fault::Error("EINTR"), |call| {
        interruptible.contains(&call.name.as_str()) && is_not_repeated_read(call)
    });
    println!("{swept}");
    swept.assert_more_than(200);
}

/// F7: a file system without locks.
#[test]
fn works_without_file_locks() {
    for error in ["ENOLCK", "EOPNOTSUPP", "ENOSYS"] {
        for stage in Stage::all() {
            let baseline = stage.baseline();
            let sandbox = stage.sandbox();
            let options = ["--trace=flock", &format!("--inject=flock:error={error}")];
            let options = options.map(str::to_owned);
            let ended = stage.traced(&sandbox, &options).run().succeeds();
            let warnings = ended.stderr.matches("cannot be locked").count();
            assert!(warnings <= 1, "{}", ended.stderr);
            if stage.title == "soci-push to a layout"
                || stage.title == "soci-push to another layout"
            {
                assert_eq!(warnings, 1, "{}", ended.stderr);
            }
            assert_eq!(comparable(&ended.stdout), comparable(&baseline.stdout));
            assert_eq!(files(sandbox.path()), baseline.files, "{}", stage.title);
        }
    }
}

/// E8: a push is killed.
#[test]
fn completes_a_push_to_a_layout_that_was_killed_at_any_call() {
    let mut stages = Stage::all();
    stages.retain(Stage::is_push);
    let swept = sweep_stages(stages, Fault::Kill, |call| call.kind == Kind::Change);
    println!("{swept}");
    swept.assert_more_than(200);
}

/// F8: a tool that writes to the store is killed.
#[test]
fn leaves_a_sound_store_when_killed_at_any_call() {
    let mut stages = Stage::all();
    stages.retain(|stage| !stage.is_push());
    let swept = sweep_stages(stages, Fault::Kill, |call| call.kind == Kind::Change);
    println!("{swept}");
    swept.assert_more_than(150);
}

/// F9: a power cut.
#[test]
fn syncs_files_before_they_are_named() {
    for stage in Stage::all() {
        durable::assert_durable(stage.title, &stage.baseline().calls);
    }
}
