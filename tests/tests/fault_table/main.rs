//! A table of faults of a registry, with the outcome of our tools for each, which `make faults`
//! prints.
//!
//! Other registry clients were measured with the same faults. The layer has 256 KiB, and transfers
//! break at 64 KiB. Only the waiting times differ from the defaults.

mod case;
mod pull;
mod push;

use std::{
    thread::{self, ScopedJoinHandle},
    time::Instant,
};

use case::{Outcome, Row};
use soci_testkit::namespace;

/// Runs all rows at the same time, since most of them only wait. Returns their outcomes, with times
/// in seconds.
fn run_rows(rows: &[Row]) -> Vec<(Outcome, f64)> {
    let timed = |row: &Row| {
        let started = Instant::now();
        ((row.run)(), started.elapsed().as_secs_f64())
    };
    thread::scope(|scope| {
        let running: Vec<_> = rows
            .iter()
            .map(|row| scope.spawn(move || timed(row)))
            .collect();
        let ended = running.into_iter().map(ScopedJoinHandle::join);
        ended.map(|row| row.expect("a row that ends")).collect()
    })
}

#[test]
fn every_fault_has_the_required_outcome() {
    let inside = [
        (case::PRIVATE, case::PRIVATE),
        (case::METADATA, case::METADATA),
    ];
    namespace::isolated_at(&inside, || {
        let rows = [&pull::ROWS[..], &push::ROWS[..]].concat();
        let results = run_rows(&rows);
        println!(
            "{:>2}  {:<50} {:>8} {:>4} {:>6}  {:<5}  required",
            "", "fault", "requests", "exit", "s", ""
        );
        for (number, (row, (outcome, seconds))) in (1..).zip(rows.iter().zip(&results)) {
            let verdict = if outcome.wrong.is_empty() {
                "right"
            } else {
                "WRONG"
            };
            let Outcome { requests, code, .. } = outcome;
            println!(
                "{number:>2}  {:<50} {requests:>8} {code:>4} {seconds:>6.1}  {verdict}  {}",
                row.fault, row.required
            );
            for wrong in &outcome.wrong {
                println!("      {wrong}");
            }
        }
        let right = results
            .iter()
            .filter(|(outcome, _)| outcome.wrong.is_empty())
            .count();
        println!("{right} of {} right", rows.len());
        assert_eq!((right, rows.len()), (24, 24));
    });
}
