//! Several images in work at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use soci_testkit::{
    faulty::{Fault, Faulty, Rule, Setup},
    image::{self, Image, Layer, random_layer},
    process::Sandbox,
};

use crate::stages::{Stages, stage};

/// The images that are not slow.
const OTHERS: usize = 8;

/// Adds images with these layers, each in a repository of its own, and returns their references.
fn publish<'a>(
    registry: &Faulty,
    images: impl IntoIterator<Item = (&'a str, Vec<Layer>)>,
) -> Vec<String> {
    let publish = |(name, layers): (&str, Vec<Layer>)| {
        let sandbox = Sandbox::new();
        let layout = sandbox.path().join("image");
        let image = Image::new("linux/amd64").layers(layers);
        image::write_layout(&layout, &[image]);
        registry.push(&layout, &format!("{name}:v1"));
        format!("{}/{name}:v1", registry.host())
    };
    images.into_iter().map(publish).collect()
}

/// Returns the names and layers of images of one layer each, all different.
fn tiny_images(names: &[String]) -> impl Iterator<Item = (&str, Vec<Layer>)> {
    let layer = |seed| random_layer(seed, 1000);
    let images = names.iter().zip(1..);
    images.map(move |(name, seed)| (name.as_str(), vec![layer(seed)]))
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("app-{at}")).collect()
}

/// Adds a tiny image that a test holds up, and then the others, and returns their references.
fn publish_slow_and_others(registry: &Faulty) -> Vec<String> {
    let mut names = names(OTHERS);
    names.insert(0, "slow".to_owned());
    publish(registry, tiny_images(&names))
}

fn images_of(documents: &[Value]) -> Vec<&str> {
    let images = documents.iter().map(|document| document["image"].as_str());
    images.map(|image| image.expect("an image")).collect()
}

/// Lets the first request of the slow image with this method and path wait until the registry has
/// got one of the kind from each other image. The result tells whether it got them.
fn hold_up(registry: &Arc<Faulty>, method: &'static str, path: &'static str) -> Arc<AtomicBool> {
    let weak = Arc::downgrade(registry);
    let released = Arc::<AtomicBool>::default();
    let others_came = Arc::clone(&released);
    let wait = Fault::edit(move |_, reply| {
        if let Some(registry) = weak.upgrade() {
            let is_other = format!("/v2/app-*/{path}");
            registry.wait_until(|entries| {
                let others = entries.iter();
                let others = others.filter(|entry| entry.request.is(method, &is_other));
                others.count() >= OTHERS
            });
            others_came.store(true, Ordering::Relaxed);
        }
        reply
    });
    registry.rule(Rule::on(method, &format!("/v2/slow/{path}"), wait).once());
    released
}

/// Each tool does the whole work on the images after a slow one while it waits for that: the slow
/// image goes on only then. The documents leave in the order of the input, and an image that fails
/// is one of them.
#[test]
fn a_slow_image_holds_up_no_other() {
    let registry = Arc::new(Faulty::start());
    let mut references = publish_slow_and_others(&registry);
    references.insert(3, format!("{}/absent:v1", registry.host()));
    registry.clear_requests();
    let released = [
        hold_up(&registry, "GET", "manifests/v1"),
        hold_up(&registry, "GET", "referrers/*"),
        hold_up(&registry, "PUT", "manifests/v1-soci"),
    ];
    let sandbox = Sandbox::new();
    let ended = Stages::of(&sandbox, &references).run();
    let documents = ended.ends_with([80; 4]);
    assert_eq!(images_of(&documents), references);
    for (at, document) in documents.iter().enumerate() {
        assert_eq!(document.get("error").is_some(), at == 3, "{document}");
    }
    let is_released = |released: &Arc<AtomicBool>| released.load(Ordering::Relaxed);
    assert!(released.iter().all(is_released), "{released:?}");
}

/// A slow layer holds up no image but its own.
#[test]
fn a_slow_layer_holds_up_no_other_image() {
    let registry = Arc::new(Faulty::start());
    let references = publish_slow_and_others(&registry);
    let sandbox = Sandbox::new();
    let pulled = stage(&sandbox, "soci-pull").args(&references).run();
    let plan = stage(&sandbox, "soci-plan").stdin(pulled.succeeds().stdout);
    registry.clear_requests();
    let released = hold_up(&registry, "GET", "blobs/*");
    let index = stage(&sandbox, "soci-index").args(["--jobs", "2"]);
    let indexed = index.stdin(plan.run().succeeds().stdout).run().succeeds();
    assert_eq!(images_of(&indexed.documents()), references);
    assert!(released.load(Ordering::Relaxed));
}

/// The check of a slow image holds up no other check. The images are checked in their registry.
#[test]
fn a_slow_check_holds_up_no_other_image() {
    let registry = Arc::new(Faulty::start());
    let references = publish_slow_and_others(&registry);
    let sandbox = Sandbox::new();
    Stages::of(&sandbox, &references).run().succeeds();
    registry.clear_requests();
    let released = hold_up(&registry, "GET", "blobs/*");
    let check = stage(&sandbox, "soci-check").args(["--jobs", "2"]);
    let checked = check.args(&references).run().succeeds();
    assert_eq!(images_of(&checked.documents()), references);
    assert!(released.load(Ordering::Relaxed));
}

/// Runs the pipe over images whose layers are partly the same, in one run or one after another, and
/// returns how many requests it has sent.
fn count_requests(setup: Setup, is_one_run: bool) -> usize {
    let registry = setup.start();
    let names = names(12);
    let layers = |seed: u64| vec![random_layer(seed % 3, 1000), random_layer(seed, 2000)];
    let images = names.iter().zip(10..);
    let images = images.map(|(name, seed)| (name.as_str(), layers(seed)));
    let references = publish(&registry, images);
    let sandbox = Sandbox::new();
    registry.clear_requests();
    let runs = if is_one_run {
        vec![&references[..]]
    } else {
        references.chunks(1).collect()
    };
    for references in runs {
        Stages::of(&sandbox, references).run().succeeds();
    }
    registry.requests().len()
}

/// Images in flight cost no more requests than one at a time, although they share layers.
#[test]
fn images_in_flight_cost_no_more_requests() {
    for setup in [Faulty::setup, || Faulty::setup().without_referrers()] {
        let one_by_one = count_requests(setup(), false);
        let in_flight = count_requests(setup(), true);
        assert!(in_flight <= one_by_one, "{in_flight}, {one_by_one}");
    }
}

/// All images of a repository share one token, although they ask for it at the same time.
#[test]
fn a_token_is_fetched_once_for_a_repository() {
    let registry = Faulty::setup().bearer("user", "hunter2").start();
    let sandbox = Sandbox::new();
    let layout = sandbox.path().join("image");
    image::write_layout(
        &layout,
        &[Image::new("linux/amd64").layer(random_layer(1, 1000))],
    );
    let push = |at| {
        registry.push(&layout, &format!("app:v{at}"));
        format!("{}/app:v{at}", registry.host())
    };
    let references: Vec<String> = (0..20).map(push).collect();
    let pull = stage(&sandbox, "soci-pull").args(&references);
    let pull = pull.env("SOCI_USERNAME", "user");
    let pulled = pull.env("SOCI_PASSWORD", "hunter2").run().succeeds();
    assert_eq!(images_of(&pulled.documents()), references);
    assert_eq!(registry.tokens_given(), 1, "{}", registry.log());
}
