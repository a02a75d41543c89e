//! Ztocs of a great number of layers against an oracle: a program in Go that shares no code with
//! the tools (`tests/oracle`). It reads each layer with Go's own packages and compares the outcome,
//! every entry, and every span.
//!
//! The layers are tars that tar, bsdtar, Python and Go wrote, and those of the goldens, with
//! changes that leave most of them valid. `make differential` compares `SOCI_DIFFERENTIAL_COUNT` of
//! them, and `make test` a few thousand. The seed is printed, and the same seed gives the same
//! layers (`SOCI_DIFFERENTIAL_SEED`).

mod archives;
mod compress;
mod mutate;
mod oracle;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;

use fastrand::Rng;
use soci_ztoc::{BuildError, Compression, ScanError, build};

use crate::archives::base_archives;
use crate::compress::compress;
use crate::mutate::mutate;
use crate::oracle::{Case, Oracle, Outcome};

/// How many layers are compared by default.
const COUNT: u64 = 4000;

/// How many differences are reported at most.
const MAX_REPORTED: usize = 10;

#[test]
fn ztocs_equal_what_an_independent_reader_finds() {
    let count = number("SOCI_DIFFERENTIAL_COUNT").unwrap_or(COUNT);
    let seed = number("SOCI_DIFFERENTIAL_SEED").unwrap_or(1);
    println!("differential: {count} layers, SOCI_DIFFERENTIAL_SEED={seed}");
    let archives = base_archives(count, seed);
    let mut oracle = Oracle::start();
    let mut outcomes = BTreeMap::<Outcome, u64>::new();
    let mut differences = Vec::new();
    let cases = (0..count).map(|number| {
        let case = make_case(&archives, seed, number);
        *outcomes.entry(case.outcome).or_default() += 1;
        case
    });
    oracle.judge_all(cases, |number, case, answer| {
        if differences.len() < MAX_REPORTED {
            differences.push(keep(number, &case, &answer));
        }
    });
    println!(
        "differential: {count} layers agree but for {}: {outcomes:?}",
        differences.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn number(name: &str) -> Option<u64> {
    let text = env::var_os(name)?.into_string().expect("a number");
    Some(text.parse().expect("a number"))
}

/// Makes the layer with this number, and builds its ztoc.
fn make_case(archives: &[Vec<u8>], seed: u64, number: u64) -> Case {
    let mut rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(number));
    let tar = mutate(archives, &mut rng);
    let (compression, layer) = if rng.u8(..10) < 3 {
        (Compression::Uncompressed, tar)
    } else {
        (Compression::Gzip, compress(&tar, &mut rng))
    };
    let span_size = [0, 1, 100, 512, 5000, 40_000, 1 << 22][rng.usize(..7)];
    let span_size = match compression {
        Compression::Uncompressed => 600.max(span_size),
        Compression::Gzip => span_size,
    };
    let (outcome, ztoc) = match build(&layer, compression, span_size, "differential") {
        Ok(ztoc) => (Outcome::Ztoc, ztoc.encode().expect("a small ztoc")),
        Err(BuildError::Scan(error)) => (outcome_of(&error), Vec::new()),
        Err(error) => panic!("layer {number}: {error}"),
    };
    Case {
        compression,
        span_size,
        outcome,
        layer,
        ztoc,
    }
}

fn outcome_of(error: &ScanError) -> Outcome {
    match error {
        ScanError::GzipData { .. }
        | ScanError::GzipHeader { .. }
        | ScanError::TrailingData { .. } => Outcome::Gzip,
        ScanError::TarHeader { .. }
        | ScanError::TarTruncated { .. }
        | ScanError::ExtensionTooLong { .. } => Outcome::Tar,
        ScanError::UnsupportedEntryType { .. } => Outcome::Entry,
        error => panic!("a small layer is refused: {error}"),
    }
}

/// Writes a layer on which the oracle disagrees to a file, and returns the report.
fn keep(number: u64, case: &Case, answer: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("differential");
    fs::create_dir_all(&folder).expect("a folder for the layers");
    let path = folder.join(format!("{number}"));
    fs::write(&path, &case.layer).expect("a file for the layer");
    let Case {
        compression,
        span_size,
        ..
    } = case;
    format!(
        "layer {number} ({compression}, spans of {span_size} bytes), {}: {answer}",
        path.display()
    )
}
