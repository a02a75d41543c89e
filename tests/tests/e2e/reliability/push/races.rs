//! Several that push to one place at the same moment.

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
    faulty::{Fault, Faulty, Habit, Rule, Setup},
    http, image,
    process::Tool,
    registry::Registry,
};

use super::{Indexed, State, assert_fails, simple};
use crate::read_back::{OCI_INDEX, OCI_MANIFEST, array, text};

/// Runs two tools at the same moment, and asserts that both succeed.
fn both_succeed(tools: [Tool; 2]) {
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

#[test]
fn e10_two_pushers_of_one_artefact_both_succeed_and_leave_one() {
    let indexed = Indexed::of(&simple());
    let setups: [fn() -> Setup; 2] = [Faulty::setup, || Faulty::setup().without_referrers()];
    for setup in setups {
        let expected = indexed.undisturbed(&setup().start());
        for _ in 0..25 {
            let registry = setup().start();
            indexed.publish(&registry);
            let host = registry.host();
            let tools = [(); 2].map(|()| indexed.push_to(&host));
            both_succeed(tools);
            assert_eq!(State::of(&registry), expected);
        }
    }
}

/// Returns the digests that a fallback tag lists.
#[track_caller]
fn listed(registry: &Faulty, tag: &str) -> BTreeSet<String> {
    let list = registry.manifest("app", tag).expect("the tag").json();
    let entries = array(&list["manifests"]).iter();
    let digests: BTreeSet<_> = entries
        .map(|entry| text(&entry["digest"]).to_owned())
        .collect();
    assert_eq!(digests.len(), array(&list["manifests"]).len(), "{list}");
    digests
}

/// Lets two builders add an index each to a fallback tag, twenty times.
fn two_builders(setup: impl Fn() -> Setup) {
    let builders = ["one", "two"].map(|builder| Indexed::by(builder, &simple()));
    let both: BTreeSet<String> = builders.iter().map(Indexed::version_1).collect();
    assert_eq!(both.len(), 2);
    for _ in 0..20 {
        let registry = setup().start();
        builders[0].publish(&registry);
        let push = |builder: &Indexed| {
            let push = builder
                .push_to(&registry.host())
                .args(["--existing-index", "allow"]);
            push.env("SOCI_RETRY_WAIT", "0.05")
        };
        both_succeed([push(&builders[0]), push(&builders[1])]);
        assert_eq!(
            listed(&registry, &builders[0].fallback_tag()),
            both,
            "{}",
            registry.log()
        );
        State::of(&registry);
    }
}

#[test]
fn e11_two_builders_that_share_a_fallback_tag_lose_no_entry_by_its_entity_tag() {
    two_builders(|| {
        Faulty::setup()
            .without_referrers()
            .habit(Habit::ConditionalPuts)
    });
}

#[test]
fn e11_nor_do_they_where_the_registry_knows_no_conditions() {
    two_builders(|| Faulty::setup().without_referrers());
}

/// Returns what somebody else pushes beside their write to the fallback tag.
fn rival_index(write: usize) -> String {
    format!("{{\"schemaVersion\": 2, \"annotations\": {{\"write\": \"{write}\"}}}}")
}

/// A registry without the API, in which somebody else writes a fallback tag after each of the first writes.
fn contested(tag: &str, times: usize, habit: Option<Habit>) -> Arc<Faulty> {
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

#[test]
fn e11_an_entry_that_others_overwrite_is_written_again_beside_theirs() {
    let indexed = Indexed::of(&simple());
    let tag = indexed.fallback_tag();
    for habit in [None, Some(Habit::ConditionalPuts)] {
        for times in 1..=4 {
            let registry = contested(&tag, times, habit);
            indexed.push(&registry).run().succeeds();
            let expected = [
                indexed.version_1(),
                image::digest(rival_index(times - 1).as_bytes()),
            ];
            assert_eq!(listed(&registry, &tag), BTreeSet::from(expected));
            assert_eq!(
                registry.count("PUT", &format!("*/manifests/{tag}")),
                times + 1
            );
        }
    }
}

#[test]
fn e11_who_loses_five_times_is_told_to_try_again() {
    let indexed = Indexed::of(&simple());
    let tag = indexed.fallback_tag();
    let registry = contested(&tag, usize::MAX, None);
    let ended = assert_fails(indexed.push(&registry).run(), 75);
    let ended = ended.says(&format!(
        "tag `{tag}` was changed by others in each of 5 rounds"
    ));
    ended.says(&indexed.version_1());
    assert_eq!(registry.count("PUT", &format!("*/manifests/{tag}")), 5);
    // The index itself is there, and nothing else of it is lost.
    assert!(registry.manifest("app", &indexed.version_1()).is_some());
    State::of(&registry);
    registry.clear_rules();
    indexed.push(&registry).run().succeeds();
    assert!(listed(&registry, &tag).contains(&indexed.version_1()));
}

#[test]
fn e11_an_entry_of_what_is_gone_stands_in_nobodys_way() {
    let [gone, stays, ours] = ["one", "two", "three"].map(|name| Indexed::by(name, &simple()));
    let tag = ours.fallback_tag();
    let registry = Faulty::setup().without_referrers().start();
    for builder in [&gone, &stays] {
        builder.push(&registry).run().succeeds();
    }
    registry.remove(&gone.version_1());
    ours.push(&registry).run().succeeds();
    let expected = BTreeSet::from([&stays, &ours].map(Indexed::version_1));
    assert_eq!(listed(&registry, &tag), expected);
    // Once with the entry, and once without.
    assert_eq!(registry.count("PUT", &format!("*/manifests/{tag}")), 2 + 2);
}

#[test]
fn e11_so_it_is_with_a_real_registry() {
    let [gone, stays, ours] = ["one", "two", "three"].map(|name| Indexed::by(name, &simple()));
    let registry = Registry::distribution();
    registry.push(&ours.folder(), "app:v1");
    for builder in [&gone, &stays] {
        builder.push_to(&registry.host()).run().succeeds();
    }
    let path = format!("/v2/app/manifests/{}", gone.version_1());
    let deleted = http::request(&registry.host(), "DELETE", &path, &[]).expect("a registry");
    assert_eq!(deleted.status, 202);
    ours.push_to(&registry.host()).run().succeeds();
    let list = registry.manifest("app", &ours.fallback_tag()).json();
    let digests = array(&list["manifests"])
        .iter()
        .map(|entry| text(&entry["digest"]).to_owned());
    let expected = [&stays, &ours].map(Indexed::version_1);
    assert_eq!(digests.collect::<Vec<_>>(), expected);
}
