//! Every call that a tool makes to the file system fails once, or is the moment at which the tool is killed.
//!
//! After each fault the exit status is right, the message names what failed, standard output holds nothing or all, the
//! layouts are sound, and the next run gives the same bytes as one without faults. strace brings the faults about.

mod calls;
mod durable;
mod fault;
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

/// How many tools run at a time.
const WORKERS: usize = 4;

/// Tries a fault at each of the wanted calls of every stage, and returns how many these were.
#[track_caller]
fn sweep(fault: Fault, wanted: impl Fn(&Call) -> bool) -> Swept {
    sweep_of(Stage::all(), fault, wanted)
}

/// As [`sweep`], for some of the stages.
#[track_caller]
fn sweep_of(stages: Vec<Stage>, fault: Fault, wanted: impl Fn(&Call) -> bool) -> Swept {
    let stages: Vec<_> = stages
        .into_iter()
        .map(|stage| (stage.undisturbed(), stage))
        .collect();
    let points: Vec<_> = stages
        .iter()
        .flat_map(|(undisturbed, stage)| {
            let points = Point::all(undisturbed, &wanted).into_iter();
            points.map(move |point| (point, stage, undisturbed))
        })
        .collect();
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((point, stage, undisturbed)) =
                    points.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    if let Err(what) = point.try_out(fault, stage, undisturbed) {
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
        *calls.entry(point.call().to_owned()).or_default() += 1;
    }
    swept
}

/// At how many calls of each name a fault was tried, by the stages' titles.
struct Swept {
    fault: Fault,
    counts: BTreeMap<&'static str, BTreeMap<String, usize>>,
}

impl Swept {
    /// Asserts that there were more than so many calls in all, that is, that the calls were found.
    #[track_caller]
    fn is_more_than(&self, least: usize) {
        assert!(self.all() > least, "{self}");
    }

    fn all(&self) -> usize {
        self.counts.values().flat_map(BTreeMap::values).sum()
    }
}

impl fmt::Display for Swept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} calls", self.fault, self.all())?;
        for (title, calls) in &self.counts {
            write!(f, "; {title}:")?;
            for (call, count) in calls {
                write!(f, " {call} {count}")?;
            }
        }
        Ok(())
    }
}

/// Leaves out that a file is read on, which is done in one place for all files.
fn is_first(call: &Call) -> bool {
    call.name != "read" || call.number_on_file == 1
}

#[test]
fn f1_no_space_at_any_call() {
    let swept = sweep(Fault::Error("ENOSPC"), |call| {
        call.kind == Kind::Change && call.name != "fchmod"
    });
    println!("{swept}");
    swept.is_more_than(200);
}

#[test]
fn f2_an_io_error_at_any_call() {
    let swept = sweep(Fault::Error("EIO"), is_first);
    println!("{swept}");
    swept.is_more_than(300);
}

#[test]
fn f2_a_quota_at_any_write() {
    let swept = sweep(Fault::Error("EDQUOT"), |call| call.name == "write");
    println!("{swept}");
    swept.is_more_than(50);
}

#[test]
fn f2_an_interruption_at_any_call_that_can_be_interrupted() {
    let interruptible = ["fsync", "open", "openat", "read", "write"];
    let swept = sweep(Fault::Error("EINTR"), |call| {
        interruptible.contains(&call.name.as_str()) && is_first(call)
    });
    println!("{swept}");
    swept.is_more_than(200);
}

#[test]
fn f7_a_file_system_without_locks_is_good_enough() {
    for error in ["ENOLCK", "EOPNOTSUPP", "ENOSYS"] {
        for stage in Stage::all() {
            let undisturbed = stage.undisturbed();
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
            assert_eq!(comparable(&ended.stdout), comparable(&undisturbed.stdout));
            assert_eq!(files(sandbox.path()), undisturbed.files, "{}", stage.title);
        }
    }
}

/// The stages that publish an image, or those that do not.
fn stages(publish: bool) -> Vec<Stage> {
    let mut stages = Stage::all();
    stages.retain(|stage| stage.is_push() == publish);
    stages
}

#[test]
fn e8_a_push_to_a_layout_that_is_killed_at_any_call_is_completed_by_the_next() {
    let swept = sweep_of(stages(true), Fault::Kill, |call| call.kind == Kind::Change);
    println!("{swept}");
    swept.is_more_than(200);
}

#[test]
fn f8_killed_at_any_call() {
    let swept = sweep_of(stages(false), Fault::Kill, |call| call.kind == Kind::Change);
    println!("{swept}");
    swept.is_more_than(150);
}

#[test]
fn f9_what_has_a_name_outlives_a_power_cut() {
    for stage in Stage::all() {
        durable::assert_durable(stage.title, &stage.undisturbed().calls);
    }
}
