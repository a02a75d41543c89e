//! Fallback tags with other content, and indexes that exist already.

use soci_testkit::faulty::{Contents, Faulty, Habit, Setup};

use crate::{IndexedImage, OCI_INDEX, OCI_MANIFEST, assert_partly_pushed, pushed, two_layers};

/// Returns manifests of another client under a fallback tag, each with media type and content.
fn invalid_fallback_tags() -> [(&'static str, String); 5] {
    let padding = "x".repeat(5 << 20);
    [
        (OCI_MANIFEST, "{\"schemaVersion\": 2}".to_owned()),
        (
            OCI_INDEX,
            format!("{{\"manifests\": [], \"padding\": \"{padding}\"}}"),
        ),
        (OCI_INDEX, "{\"manifests\": \"none\"}".to_owned()),
        (OCI_INDEX, "no JSON".to_owned()),
        (
            OCI_INDEX,
            format!("{{\"mediaType\": \"{OCI_MANIFEST}\", \"manifests\": []}}"),
        ),
    ]
}

/// Asserts that a push fails, names the reason, and does not change the fallback tag. It pushes the
/// converted image and the index, the latter not with `--existing-index skip`.
#[track_caller]
fn assert_tag_unchanged(indexed: &IndexedImage, registry: &Faulty, existing: &str) {
    let tag = indexed.fallback_tag();
    let before = registry.tags("app")[&tag].clone();
    let index = indexed.version_1();
    let push = indexed.push(registry).args(["--existing-index", existing]);
    let (ended, document) = assert_partly_pushed(push.run(), 76);
    let pushed = &document["converted"]["digest"];
    assert_eq!(
        registry.tags("app")["v1-soci"],
        pushed.as_str().expect("a digest")
    );
    if existing == "skip" {
        // The tool cannot know whether to skip the image.
        ended.says("list referrers ");
        assert!(registry.manifest("app", &index).is_none());
    } else {
        ended.says(&format!(
            "pushed the index `{index}`, but cannot list it as a referrer: "
        ));
        assert!(registry.manifest("app", &index).is_some());
    }
    assert_eq!(registry.tags("app")[&tag], before);
}

/// E12: a fallback tag that names something else is not overwritten.
#[test]
fn leaves_a_fallback_tag_with_other_content() {
    let indexed = IndexedImage::of(&two_layers());
    let all = ["warn", "allow", "skip"];
    for (number, (media_type, content)) in invalid_fallback_tags().into_iter().enumerate() {
        let actions = if number == 0 { &all[..] } else { &all[..1] };
        for existing in actions {
            let registry = Faulty::setup().without_referrers().start();
            let digest = registry.put_manifest("app", media_type, content.clone());
            registry.tag("app", &indexed.fallback_tag(), &digest);
            assert_tag_unchanged(&indexed, &registry, existing);
            assert_eq!(
                registry.count("PUT", &format!("*/{}", indexed.fallback_tag())),
                0
            );
        }
    }
}

/// E12: an immutable fallback tag is written once and stays.
#[test]
fn tries_an_immutable_fallback_tag_once() {
    let indexed = IndexedImage::of(&two_layers());
    let list =
        format!("{{\"schemaVersion\": 2, \"mediaType\": \"{OCI_INDEX}\", \"manifests\": []}}");
    for existing in ["warn", "allow"] {
        let setup = Faulty::setup()
            .without_referrers()
            .habit(Habit::ImmutableTags);
        let registry = setup.start();
        let digest = registry.put_manifest("app", OCI_INDEX, list.clone());
        registry.tag("app", &indexed.fallback_tag(), &digest);
        assert_tag_unchanged(&indexed, &registry, existing);
        assert_eq!(
            registry.count("PUT", &format!("*/{}", indexed.fallback_tag())),
            1
        );
    }
}

const LISTS: &str = "*/referrers/*";

#[test]
fn lists_referrers_at_most_once() {
    let indexed = IndexedImage::of(&two_layers());
    for (existing, first, again) in [("warn", 1, 1), ("skip", 1, 1), ("allow", 1, 1)] {
        let registry = Faulty::start();
        for asked in [first, again] {
            let before = registry.count("GET", LISTS);
            let push = indexed.push(&registry).args(["--existing-index", existing]);
            assert_eq!(pushed(push.run())["push"]["referrers"], "api");
            assert_eq!(registry.count("GET", LISTS) - before, asked, "{existing}");
        }
    }
    // Without the API: one request that shows this, and three for the tag: read, write, read again.
    let tag = format!("*/manifests/{}", indexed.fallback_tag());
    for (existing, first, again) in [("warn", 2, 1), ("skip", 2, 1), ("allow", 2, 1)] {
        let registry = Faulty::setup().without_referrers().start();
        for (reads, puts) in [(first, 1), (again, 0)] {
            let before = [LISTS, &tag].map(|glob| registry.count("GET", glob));
            let written = registry.count("PUT", &tag);
            let push = indexed.push(&registry).args(["--existing-index", existing]);
            assert_eq!(pushed(push.run())["push"]["referrers"], "tag");
            assert_eq!(registry.count("GET", LISTS) - before[0], 1, "{existing}");
            assert_eq!(
                registry.count("GET", &tag) - before[1],
                reads,
                "{existing}:\n{}",
                registry.log()
            );
            assert_eq!(registry.count("PUT", &tag) - written, puts, "{existing}");
        }
    }
}

#[test]
fn obeys_existing_index_with_few_requests() {
    let ours = IndexedImage::of(&two_layers());
    let theirs = IndexedImage::by("another builder", &two_layers());
    let setups: [fn() -> Setup; 2] = [Faulty::setup, || Faulty::setup().without_referrers()];
    for setup in setups {
        for (existing, says, pushes) in [
            ("warn", Some("the new one is pushed beside it"), true),
            (
                "skip",
                Some("it is kept, and no other one is pushed"),
                false,
            ),
            ("allow", None, true),
        ] {
            let registry = setup().start();
            theirs.push(&registry).run().succeeds();
            let before = registry.requests().len();
            let ended = ours
                .push(&registry)
                .args(["--existing-index", existing])
                .run();
            match says {
                Some(says) => assert!(ended.stderr.contains(says), "{}", ended.stderr),
                None => assert!(!ended.stderr.contains("warning"), "{}", ended.stderr),
            }
            let document = pushed(ended);
            let index = ours.version_1();
            assert_eq!(registry.manifest("app", &index).is_some(), pushes);
            let requests = registry.requests().split_off(before);
            let of_index = requests
                .iter()
                .filter(|entry| entry.request.path.ends_with(&index));
            assert_eq!(of_index.count(), usize::from(pushes), "a PUT");
            assert_eq!(document["push"]["referrers"] == "none", !pushes);
            Contents::of(&registry);
        }
    }
}

#[test]
fn does_not_skip_for_a_deleted_index() {
    let ours = IndexedImage::of(&two_layers());
    let theirs = IndexedImage::by("another builder", &two_layers());
    let registry = Faulty::setup().without_referrers().start();
    theirs.push(&registry).run().succeeds();
    registry.remove(&theirs.version_1());
    let push = ours.push(&registry).args(["--existing-index", "skip"]);
    assert_eq!(pushed(push.run())["push"]["referrers"], "tag");
    assert!(registry.manifest("app", &ours.version_1()).is_some());
}
