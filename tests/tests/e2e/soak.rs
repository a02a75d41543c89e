//! Many pipelines against registries that fail at random: each indexes its image, or fails with the
//! right status.
//!
//! `make soak` runs more than a thousand, `make test` a few. The seed is printed, and the same seed
//! gives the same faults (`SOCI_SOAK_SEED`, `SOCI_SOAK_RUNS`).

mod samples;
mod trouble;

use std::{
    env, panic,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use fastrand::Rng;
use soci_testkit::{
    faulty::Faulty,
    process::{Finished, Sandbox, Tool, pipeline},
    workspace,
};

use crate::stages::assert_sound;
use samples::{Sample, assert_registry_consistent, samples};
use trouble::{End, PASSWORD, Trouble, USER};

/// How many pipelines run by default.
const RUNS: u64 = 60;

/// How many pipelines run at the same time. They wait more than they work.
const AT_ONCE: usize = 4;

/// How many files a tool may have open. A tool that leaks files reaches this limit.
const FILES: &str = "--nofile=64";

#[test]
fn soak_ends_with_every_image_indexed() {
    let runs = number("SOCI_SOAK_RUNS").unwrap_or(RUNS);
    let seed = number("SOCI_SOAK_SEED").unwrap_or(1);
    println!("soak: {runs} pipelines, SOCI_SOAK_SEED={seed}");
    let samples = samples();
    let (next, asked) = (AtomicU64::new(0), AtomicUsize::new(0));
    let (befallen, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= runs {
                        return;
                    }
                    let mut rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(number));
                    let run = || run_pipeline(&samples, &mut rng);
                    match panic::catch_unwind(panic::AssertUnwindSafe(run)) {
                        Ok(report) => {
                            asked.fetch_add(report.requests, Ordering::Relaxed);
                            befallen.fetch_add(report.faults, Ordering::Relaxed);
                            refused.fetch_add(
                                usize::from(report.end != End::Indexed),
                                Ordering::Relaxed,
                            );
                        }
                        Err(_) => failed.lock().expect("no panic").push(number),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no panic");
    println!(
        "soak: {} requests, {} faults chosen, {} pipelines that had to fail first, {} wrong",
        asked.into_inner(),
        befallen.into_inner(),
        refused.into_inner(),
        failed.len()
    );
    assert!(failed.is_empty(), "pipelines {failed:?} of seed {seed}");
}

/// The faults and the end of one pipeline.
struct Report {
    requests: usize,
    faults: usize,
    end: End,
}

/// Runs one pipeline against a registry of its own, and once more without faults if it had to fail.
fn run_pipeline(samples: &[Sample], rng: &mut Rng) -> Report {
    let sample = rng.choice(samples).expect("samples");
    let store = Faulty::start();
    let trouble = Trouble::choose(rng, &store);
    let registry = trouble.setup.start();
    registry.push(&sample.folder, "app:v1");
    for rule in &trouble.rules {
        registry.rule(rule.clone());
        store.rule(rule.clone());
    }
    let sandbox = Sandbox::new();
    let reference = format!("{}/app:v1", registry.host());
    let ended = run(&sandbox, &reference);
    let said: String = ended.iter().map(|tool| tool.stderr.as_str()).collect();
    assert_sound(&sandbox.store());
    match trouble.end {
        End::Indexed => {
            assert_eq!(exit_codes(&ended), [0; 4], "{:?}:\n{said}", trouble.names);
            sample.assert_indexed(&registry, &ended[3]);
        }
        End::Status(code) => {
            // With one image, its failure is the status of the last stage.
            assert_eq!(ended[3].code(), code, "{:?}:\n{said}", trouble.names);
            assert_registry_consistent(&registry);
            registry.clear_rules();
            store.clear_rules();
            let ended = run(&sandbox, &reference);
            let said: String = ended.iter().map(|tool| tool.stderr.as_str()).collect();
            assert_eq!(exit_codes(&ended), [0; 4], "without faults:\n{said}");
            sample.assert_indexed(&registry, &ended[3]);
            assert_sound(&sandbox.store());
        }
    }
    Report {
        requests: registry.requests().len() + store.requests().len(),
        faults: trouble.rules.len(),
        end: trouble.end,
    }
}

/// Runs the pipeline with short timeouts and few files.
fn run(sandbox: &Sandbox, reference: &str) -> Vec<Finished> {
    let tool = |name: &str| {
        with_short_timeouts(
            sandbox
                .program("prlimit")
                .arg(FILES)
                .arg(workspace::bin(name)),
        )
    };
    pipeline([
        tool("soci-pull").arg(reference),
        tool("soci-plan").arg("--all-platforms"),
        tool("soci-index"),
        tool("soci-push"),
    ])
}

fn with_short_timeouts(tool: Tool) -> Tool {
    tool.env("SOCI_MIN_LAYER_SIZE", "0")
        .env("SOCI_USERNAME", USER)
        .env("SOCI_PASSWORD", PASSWORD)
        .env("SOCI_RETRY_WAIT", "0.002")
        .env("SOCI_FIRST_BYTE_TIMEOUT", "1")
        .env("SOCI_IDLE_TIMEOUT", "1")
        .env("SOCI_UPLOAD_TIMEOUT", "2")
}

fn exit_codes(ended: &[Finished]) -> Vec<i32> {
    ended.iter().map(Finished::code).collect()
}

fn number(name: &str) -> Option<u64> {
    let text = env::var_os(name)?.into_string().expect("a number");
    Some(text.parse().expect("a number"))
}

/// F11: one process of each tool handles 60 images with 64 open files.
#[test]
fn indexes_many_images_with_few_open_files() {
    let samples = samples();
    let mut rng = Rng::with_seed(7);
    let store = Faulty::start();
    let registry = Faulty::start();
    let names: Vec<String> = (0..60)
        .map(|number| {
            let sample = &samples[number % samples.len()];
            registry.push(&sample.folder, &format!("app-{number}:v1"));
            format!("{}/app-{number}:v1\n", registry.host())
        })
        .collect();
    for _ in 0..20 {
        for rule in Trouble::transient(&mut rng, &store).rules {
            registry.rule(rule.skip(rng.usize(..300)));
        }
    }
    let sandbox = Sandbox::new();
    let tool = |name: &str| {
        with_short_timeouts(
            sandbox
                .program("prlimit")
                .arg(FILES)
                .arg(workspace::bin(name)),
        )
    };
    let ended = pipeline([
        tool("soci-pull").stdin(names.concat()),
        tool("soci-plan").arg("--all-platforms"),
        tool("soci-index"),
        tool("soci-push"),
    ]);
    let said: String = ended.iter().map(|tool| tool.stderr.as_str()).collect();
    assert_eq!(exit_codes(&ended), [0; 4], "{said}");
    assert_eq!(ended[3].documents().len(), names.len());
    assert_sound(&sandbox.store());
}
