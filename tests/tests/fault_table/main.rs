//! The faults under which other registry clients were measured, with ours: one table, every row of which must be right.
//!
//! `make faults` prints it. The layer has 256 KiB and breaks at 64 KiB; waits are shortened, all else is as users have it.

mod case;
mod pull;
mod push;

use std::{
    thread::{self, ScopedJoinHandle},
    time::Instant,
};

use case::{Ours, Row};
use soci_testkit::namespace;

/// Runs all rows at once, for most of them only wait.
fn run(rows: &[Row]) -> Vec<(Ours, f64)> {
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
fn all_measured_faults_are_harmless_or_clear_errors() {
    let inside = [
        (case::PRIVATE, case::PRIVATE),
        (case::METADATA, case::METADATA),
    ];
    namespace::isolated_at(&inside, || {
        let rows = [&pull::ROWS[..], &push::ROWS[..]].concat();
        let results = run(&rows);
        println!(
            "{:>2}  {:<50} {:>8} {:>4} {:>6}  {:<5}  ours must",
            "", "fault", "requests", "exit", "s", ""
        );
        for (number, (row, (ours, seconds))) in (1..).zip(rows.iter().zip(&results)) {
            let verdict = if ours.wrong.is_empty() {
                "right"
            } else {
                "WRONG"
            };
            let Ours { requests, code, .. } = ours;
            println!(
                "{number:>2}  {:<50} {requests:>8} {code:>4} {seconds:>6.1}  {verdict}  {}",
                row.fault, row.must
            );
            for wrong in &ours.wrong {
                println!("      {wrong}");
            }
        }
        let right = results
            .iter()
            .filter(|(ours, _)| ours.wrong.is_empty())
            .count();
        println!("{right} of {} right", rows.len());
        assert_eq!((right, rows.len()), (24, 24));
    });
}
