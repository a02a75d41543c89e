//! Every call that a tool makes to the file system fails once, or is the moment at which the tool is killed.
//!
//! After each fault the exit status is right, the message names what failed, standard output holds nothing or all, the
//! layouts are sound, and the next run gives the same bytes as one without faults. strace brings the faults about.

mod calls;
mod durable;
mod fault;
mod stage;

use std::{
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
fn sweep(fault: Fault, wanted: impl Fn(&Call) -> bool) -> usize {
    let stages: Vec<_> = Stage::all()
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
    points.len()
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
    println!("ENOSPC: {swept} calls");
    assert!(swept > 200, "{swept} calls");
}

#[test]
fn f2_an_io_error_at_any_call() {
    let swept = sweep(Fault::Error("EIO"), is_first);
    println!("EIO: {swept} calls");
    assert!(swept > 300, "{swept} calls");
}

#[test]
fn f2_a_quota_at_any_write() {
    let swept = sweep(Fault::Error("EDQUOT"), |call| call.name == "write");
    println!("EDQUOT: {swept} calls");
    assert!(swept > 50, "{swept} calls");
}

#[test]
fn f2_an_interruption_at_any_call_that_can_be_interrupted() {
    let interruptible = ["fsync", "open", "openat", "read", "write"];
    let swept = sweep(Fault::Error("EINTR"), |call| {
        interruptible.contains(&call.name.as_str()) && is_first(call)
    });
    println!("EINTR: {swept} calls");
    assert!(swept > 200, "{swept} calls");
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
            if stage.title == "soci-push to a layout" {
                assert_eq!(warnings, 1, "{}", ended.stderr);
            }
            assert_eq!(comparable(&ended.stdout), comparable(&undisturbed.stdout));
            assert_eq!(files(sandbox.path()), undisturbed.files, "{}", stage.title);
        }
    }
}

#[test]
fn f8_killed_at_any_call() {
    let swept = sweep(Fault::Kill, |call| call.kind == Kind::Change);
    println!("SIGKILL: {swept} calls");
    assert!(swept > 200, "{swept} calls");
}

#[test]
fn f9_what_has_a_name_outlives_a_power_cut() {
    for stage in Stage::all() {
        durable::assert_durable(stage.title, &stage.undisturbed().calls);
    }
}
