//! Many pipelines at once, against a registry that takes ten manifests a second.

use std::{thread, time::Duration};

use soci_testkit::{
    faulty::{Faulty, Setup},
    process::Sandbox,
};

use super::{State, simple};
use crate::stages::Stages;

/// How many pipelines run.
const PIPELINES: usize = 20;

/// Runs a pipeline for one of the tags of an image.
fn run(registry: &Faulty, number: usize) {
    let sandbox = Sandbox::new();
    let reference = format!("{}/app:v{number}", registry.host());
    let document = Stages::of(&sandbox, &[reference]).run().succeeds_for_one();
    assert_eq!(document["push"]["referrers"], "api");
}

/// Starts a registry with an image for each pipeline.
fn start(setup: Setup) -> Faulty {
    let registry = setup.start();
    for number in 0..PIPELINES {
        let sandbox = Sandbox::new();
        let folder = sandbox.path().join("image");
        let [image] = simple();
        let number_layer = crate::stages::layer(100 + number as u64, 2000);
        soci_testkit::image::write_layout(&folder, &[image.layer(number_layer)]);
        registry.push(&folder, &format!("app:v{number}"));
    }
    registry
}

#[test]
fn twenty_pipelines_against_ten_manifests_a_second_all_finish_and_waste_little() {
    let least = start(Faulty::setup());
    for number in 0..PIPELINES {
        run(&least, number);
    }
    let expected = State::of(&least);
    let least = least.requests().len();
    let limited = || Faulty::setup().manifest_puts_per_second(10);
    for setup in [limited(), limited().retry_after(Duration::from_secs(1))] {
        let registry = start(setup);
        thread::scope(|scope| {
            for number in 0..PIPELINES {
                let registry = &registry;
                scope.spawn(move || run(registry, number));
            }
        });
        assert_eq!(State::of(&registry), expected);
        let requests = registry.requests().len();
        let refused = registry
            .requests()
            .iter()
            .filter(|entry| entry.status == Some(429))
            .count();
        println!("{requests} requests, {refused} of them refused, where {least} are the least");
        assert!(
            requests * 10 <= least * 13,
            "{requests} requests where {least} are the least"
        );
        assert!(refused > 0, "the limit was never met");
    }
}
