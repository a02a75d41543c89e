//! Many pipelines at the same time, against a registry that accepts ten manifests a second.

use std::{thread, time::Duration};

use soci_testkit::{
    faulty::{Contents, Faulty, Setup},
    image,
    process::Sandbox,
};

use super::simple;
use crate::stages::{Stages, layer};

/// How many pipelines run.
const PIPELINES: usize = 20;

/// Runs a pipeline for one of the tags of an image.
fn run(registry: &Faulty, number: usize) {
    let sandbox = Sandbox::new();
    let reference = format!("{}/app:v{number}", registry.host());
    let document = Stages::of(&sandbox, &[reference]).run().succeeds_for_one();
    assert_eq!(document["push"]["referrers"], "api");
}

/// Runs all pipelines at once against a registry with an image for each of them.
fn run_all(setup: Setup) -> Faulty {
    let registry = setup.start();
    for number in 0..PIPELINES {
        let sandbox = Sandbox::new();
        let folder = sandbox.path().join("image");
        let [image] = simple();
        let seed = 100 + number as u64;
        image::write_layout(&folder, &[image.layer(layer(seed, 2000))]);
        registry.push(&folder, &format!("app:v{number}"));
    }
    thread::scope(|scope| {
        for number in 0..PIPELINES {
            let registry = &registry;
            scope.spawn(move || run(registry, number));
        }
    });
    registry
}

#[test]
fn finishes_twenty_pipelines_at_ten_manifests_a_second() {
    let free = run_all(Faulty::setup());
    let expected = Contents::of(&free);
    let least = free.requests().len();
    let limited = || Faulty::setup().manifest_puts_per_second(10);
    for setup in [limited(), limited().retry_after(Duration::from_secs(1))] {
        let registry = run_all(setup);
        assert_eq!(Contents::of(&registry), expected);
        let requests = registry.requests();
        let refused = requests.iter().filter(|entry| entry.status == Some(429));
        let (requests, refused) = (requests.len(), refused.count());
        println!("{requests} requests, {refused} of them refused; {least} are the least");
        assert!(refused > 0, "the limit was never met");
        assert!(
            requests * 10 <= least * 13,
            "{requests} are more than 1.3 times {least}"
        );
    }
}
