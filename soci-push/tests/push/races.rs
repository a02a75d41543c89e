//! Pushes to one repository at the same time.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Barrier, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde_json::json;
use soci_testkit::{
    faulty::{Contents, Fault, Faulty, Habit, Rule, Setup},
    image,
    process::Tool,
};

use crate::{IndexedImage, OCI_INDEX, OCI_MANIFEST, array, assert_partly_pushed, text, two_layers};

/// How often two tools run at the same time.
const ROUNDS: usize = 5;

/// Runs two tools at the same time, and asserts that both succeed.
fn assert_both_succeed(tools: [Tool; 2]) {
    let barrier = Barrier::new(2);
    let run = |tool: Tool| {
        barrier.wait();
        tool.run()
    };
    thread::scope(|scope| {
        let running = tools.map(|tool| scope.spawn(|| run(tool)));
        for ended in running {
            ended.join().expect("no panic").succeeds();
        }
    });
}

/// E10: two pushes of the same image at the same time both succeed.
#[test]
fn pushes_the_same_image_twice_at_the_same_time() {
    let indexed = IndexedImage::of(&two_layers());
    let setups: [fn() -> Setup; 2] = [Faulty::setup, || Faulty::setup().without_referrers()];
    for setup in setups {
        let expected = indexed.contents_without_faults(&setup().start());
        for _ in 0..ROUNDS {
            let registry = setup().start();
            indexed.publish(&registry);
            let host = registry.host();
            let tools = [(); 2].map(|()| indexed.push_to(&host));
            assert_both_succeed(tools);
            assert_eq!(Contents::of(&registry), expected);
        }
    }
}

/// Returns the digests that a fallback tag lists.
#[track_caller]
fn listed_digests(registry: &Faulty, tag: &str) -> BTreeSet<String> {
    let list = registry.manifest("app", tag).expect("the tag").json();
    let entries = array(&list["manifests"]).iter();
    let digests: BTreeSet<_> = entries
        .map(|entry| text(&entry["digest"]).to_owned())
        .collect();
    assert_eq!(digests.len(), array(&list["manifests"]).len(), "{list}");
    digests
}

/// Lets two builders add an index each to a fallback tag.
fn two_builders(setup: impl Fn() -> Setup) {
    let builders = ["one", "two"].map(|builder| IndexedImage::by(builder, &two_layers()));
    let both: BTreeSet<String> = builders.iter().map(IndexedImage::version_1).collect();
    assert_eq!(both.len(), 2);
    for _ in 0..ROUNDS {
        let registry = setup().start();
        builders[0].publish(&registry);
        let push = |builder: &IndexedImage| {
            let push = builder
                .push_to(&registry.host())
                .args(["--existing-index", "allow"]);
            push.env("SOCI_RETRY_WAIT", "0.05")
        };
        assert_both_succeed([push(&builders[0]), push(&builders[1])]);
        assert_eq!(
            listed_digests(&registry, &builders[0].fallback_tag()),
            both,
            "{}",
            registry.log()
        );
        Contents::of(&registry);
    }
}

/// E11: two builders that write one fallback tag lose no entry when the registry obeys `If-Match`.
#[test]
fn loses_no_referrer_with_conditional_writes() {
    two_builders(|| {
        Faulty::setup()
            .without_referrers()
            .habit(Habit::ConditionalPuts)
    });
}

/// E11: two builders that write one fallback tag lose no entry when the registry ignores
/// `If-Match`.
#[test]
fn loses_no_referrer_without_conditional_writes() {
    two_builders(|| Faulty::setup().without_referrers());
}

/// Returns the manifest that another client pushes before it writes the fallback tag.
fn rival_index(write: usize) -> String {
    format!("{{\"schemaVersion\": 2, \"annotations\": {{\"write\": \"{write}\"}}}}")
}

/// Starts a registry without the referrers API, in which another client writes a fallback tag after
/// each of the first `times` writes.
fn start_with_rival(tag: &str, times: usize, habit: Option<Habit>) -> Arc<Faulty> {
    let setup = Faulty::setup().without_referrers();
    let setup = habit.into_iter().fold(setup, Setup::habit);
    let registry = Arc::new(setup.start());
    let weak: Weak<Faulty> = Arc::downgrade(&registry);
    let (name, writes) = (tag.to_owned(), AtomicUsize::new(0));
    let rival = Fault::edit(move |_, reply| {
        if let Some(registry) = weak.upgrade() {
            let write = writes.fetch_add(1, Ordering::Relaxed);
            let theirs = registry.put_manifest("app", OCI_MANIFEST, rival_index(write));
            let entry = json!({"mediaType": OCI_MANIFEST, "digest": theirs, "size": 1});
            let list = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]});
            let digest = registry.put_manifest("app", OCI_INDEX, list.to_string());
            registry.tag("app", &name, &digest);
        }
        reply
    });
    registry.rule(Rule::on("PUT", &format!("*/manifests/{tag}"), rival).times(times));
    registry
}

/// E11: an entry that another client overwrote is written again beside the other client's.
#[test]
fn writes_an_overwritten_referrer_again() {
    let indexed = IndexedImage::of(&two_layers());
    let tag = indexed.fallback_tag();
    for habit in [None, Some(Habit::ConditionalPuts)] {
        for times in [1, 4] {
            let registry = start_with_rival(&tag, times, habit);
            indexed.push(&registry).run().succeeds();
            let expected = [
                indexed.version_1(),
                image::digest(rival_index(times - 1).as_bytes()),
            ];
            assert_eq!(listed_digests(&registry, &tag), BTreeSet::from(expected));
            assert_eq!(
                registry.count("PUT", &format!("*/manifests/{tag}")),
                times + 1
            );
        }
    }
}

/// E11: after five lost rounds the push fails with the status for "try again".
#[test]
fn gives_up_after_five_overwritten_referrers() {
    let indexed = IndexedImage::of(&two_layers());
    let tag = indexed.fallback_tag();
    let registry = start_with_rival(&tag, usize::MAX, None);
    let (ended, _) = assert_partly_pushed(indexed.push(&registry).run(), 75);
    let ended = ended.says("other clients changed the fallback tag each time, in 5 tries");
    ended.says(&indexed.version_1());
    assert_eq!(registry.count("PUT", &format!("*/manifests/{tag}")), 5);
    // The index itself is there, and nothing else of it is lost.
    assert!(registry.manifest("app", &indexed.version_1()).is_some());
    Contents::of(&registry);
    registry.clear_rules();
    indexed.push(&registry).run().succeeds();
    assert!(listed_digests(&registry, &tag).contains(&indexed.version_1()));
}

/// E11: an entry whose index was deleted is dropped when the registry refuses the list because of
/// it.
#[test]
fn drops_referrers_that_were_deleted() {
    let [gone, stays, ours] =
        ["one", "two", "three"].map(|name| IndexedImage::by(name, &two_layers()));
    let tag = ours.fallback_tag();
    let registry = Faulty::setup().without_referrers().start();
    for builder in [&gone, &stays] {
        builder.push(&registry).run().succeeds();
    }
    registry.remove(&gone.version_1());
    ours.push(&registry).run().succeeds();
    let expected = BTreeSet::from([&stays, &ours].map(IndexedImage::version_1));
    assert_eq!(listed_digests(&registry, &tag), expected);
    // Once with the entry, and once without.
    assert_eq!(registry.count("PUT", &format!("*/manifests/{tag}")), 2 + 2);
}
