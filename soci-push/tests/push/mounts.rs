//! Blobs that another repository of the same registry has.

use soci_testkit::{
    faulty::{Fault, Faulty, Habit, Rule},
    image,
};

use crate::{IndexedImage, pushed, two_layers};

const UPLOADS: &str = "*/blobs/uploads/*";
const MOUNTS: &str = "*/blobs/uploads/?mount=*";

/// What the registry says to the request for a mount, how many requests open an upload, and how
/// often content is sent.
///
/// The image has three blobs of its own (two layers, a configuration), its indexes have three more,
/// which are sent.
fn cases() -> [(&'static str, Faulty, usize, usize); 5] {
    let says = |fault| {
        Faulty::setup()
            .rule(Rule::on("POST", MOUNTS, fault))
            .start()
    };
    [
        ("201", Faulty::start(), 6, 3),
        ("202", Faulty::setup().habit(Habit::NoMounts).start(), 6, 6),
        ("401", says(Fault::error(401, "UNAUTHORIZED", "no")), 9, 6),
        ("403", says(Fault::error(403, "DENIED", "no")), 9, 6),
        ("404", says(Fault::error(404, "NAME_UNKNOWN", "no")), 9, 6),
    ]
}

/// E7: a blob of another repository is mounted, or sent when the registry does not mount it.
#[test]
fn mounts_a_blob_or_sends_it() {
    let indexed = IndexedImage::of(&two_layers());
    let mut expected = None;
    for (answer, registry, posts, puts) in cases() {
        let to = format!("{}/other:lazy", registry.host());
        let push = indexed.push(&registry).args(["--to", &to]);
        let document = pushed(push.run());
        assert_eq!(registry.count("POST", MOUNTS), 3, "{answer}");
        assert_eq!(
            registry.count("POST", UPLOADS),
            posts,
            "{answer}:\n{}",
            registry.log()
        );
        assert_eq!(
            registry.count("PUT", UPLOADS),
            puts,
            "{answer}:\n{}",
            registry.log()
        );
        for mount in registry.requests_to("POST", MOUNTS) {
            assert_eq!(mount.request.parameter("from").as_deref(), Some("app"));
        }
        // The source is read where its blobs are sent, and only there.
        let read = registry.count("GET", "/v2/app/blobs/*");
        assert_eq!(read, puts - 3, "{answer}");
        let tag = registry.manifest("other", "lazy").expect("the tag");
        assert_eq!(tag.digest, document["converted"]["digest"], "{answer}");
        assert_eq!(image::digest(tag.bytes()), tag.digest);
        // All that the image names can be had from the other repository.
        let list = |name: &str| {
            let requests = registry.digests();
            requests
                .into_iter()
                .filter(|digest| registry.manifest(name, digest).is_some())
                .count()
        };
        assert_eq!(
            list("other"),
            5,
            "the image, two indexes, the converted image and its index"
        );
        let state = (registry.digests(), registry.tags("other"));
        assert_eq!(*expected.get_or_insert(state.clone()), state, "{answer}");
        assert_eq!(registry.tags("app").len(), 1);
    }
}

/// E7: an upload session that answered a mount request is replaced when it fails.
#[test]
fn replaces_a_failed_session_that_a_mount_opened() {
    let indexed = IndexedImage::of(&two_layers());
    let lost = Fault::error(404, "BLOB_UPLOAD_UNKNOWN", "gone");
    let setup = Faulty::setup().habit(Habit::NoMounts);
    let registry = setup.rule(Rule::on("PUT", UPLOADS, lost).times(2)).start();
    let to = format!("{}/other:lazy", registry.host());
    indexed.push(&registry).args(["--to", &to]).run().succeeds();
    assert_eq!(registry.count("POST", MOUNTS), 3);
    assert_eq!(registry.count("PUT", UPLOADS), 6 + 2);
    assert!(registry.manifest("other", "lazy").is_some());
}
