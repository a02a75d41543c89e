//! Look-ups that the registry does not answer, each of which costs at most an upload, and uploads
//! that take another way.

use soci_testkit::faulty::{Contents, Fault, Faulty, Habit, Rule};

use crate::{
    IndexedImage, assert_push_fails, assert_without_credentials, push_with_password, pushed,
    two_layers,
};

const BLOBS: &str = "*/blobs/sha256:*";
const MANIFESTS: &str = "*/manifests/*";
const UPLOADS: &str = "*/blobs/uploads/*";

/// How many blobs and manifests a push of [`two_layers`] sends: two ztocs and a configuration, and
/// two indexes, the converted image and its tag.
const SENT: (usize, usize) = (3, 4);

/// Statuses that tell nothing about the object.
const UNANSWERED: [u16; 8] = [400, 403, 405, 409, 410, 500, 501, 502];

/// E4: a blob whose `HEAD` is refused is looked for by a `GET`, and uploaded if it is missing.
#[test]
fn uploads_a_blob_whose_head_is_refused() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    for status in UNANSWERED {
        let registry = Faulty::start();
        registry.fault("HEAD", BLOBS, Fault::status(status));
        let document = pushed(image.push(&registry).run());
        assert_eq!(document["push"]["uploaded"], 7, "{status}");
        assert_eq!(Contents::of(&registry), expected, "{status}");
        assert_eq!(registry.count("PUT", UPLOADS), SENT.0, "{status}");
        // What a `GET` finds is not uploaded again.
        if !matches!(status, 500 | 502) {
            let document = pushed(image.push(&registry).run());
            assert_eq!(document["push"]["existing"], 7, "{status}");
            assert_eq!(registry.count("PUT", UPLOADS), SENT.0, "{status}");
        }
    }
}

/// E4: a blob is uploaded if `HEAD` and `GET` are both refused.
#[test]
fn uploads_a_blob_that_no_request_finds() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    for status in UNANSWERED {
        let registry = Faulty::start();
        registry.fault("HEAD|GET", BLOBS, Fault::status(status));
        for round in 1..=2 {
            image.push(&registry).run().succeeds();
            assert_eq!(Contents::of(&registry), expected, "{status}");
            assert_eq!(registry.count("PUT", UPLOADS), round * SENT.0, "{status}");
        }
    }
}

/// E4: a manifest or tag that the registry does not show is pushed.
#[test]
fn pushes_a_manifest_that_no_request_finds() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    for status in [400, 401, 403, 405, 500, 501] {
        let registry = Faulty::start();
        image.publish(&registry);
        registry.fault("HEAD|GET", MANIFESTS, Fault::status(status));
        image.push_to(&registry.host()).run().succeeds();
        assert_eq!(Contents::of(&registry), expected, "{status}");
        assert_eq!(registry.count("PUT", MANIFESTS), SENT.1, "{status}");
    }
}

/// E4: the refusal of the upload itself is an error with its own status.
#[test]
fn reports_the_refusal_of_an_upload_after_that_of_a_look_up() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    image.publish(&registry);
    registry.fault(
        "HEAD|GET|POST",
        "*/blobs/*",
        Fault::error(403, "DENIED", "no"),
    );
    assert_push_fails(image.push_to(&registry.host()).run(), 77).says("DENIED: no");
    assert_eq!(registry.count("PUT", UPLOADS), 0);
}

/// E7: a mount that fails in any way costs an upload.
#[test]
fn uploads_a_blob_whose_mount_fails() {
    const MOUNTS: &str = "*/blobs/uploads/?mount=*";
    let image = IndexedImage::of(&two_layers());
    for status in [400, 401, 403, 404, 405, 500, 501] {
        let registry = Faulty::start();
        registry.fault("POST", MOUNTS, Fault::status(status));
        let to = format!("{}/other:lazy", registry.host());
        image.push(&registry).args(["--to", &to]).run().succeeds();
        assert!(registry.manifest("other", "lazy").is_some(), "{status}");
    }
}

/// E14: a registry that ignores the content of a `PUT` gets it in a `PATCH`, from the second blob
/// on at once.
#[test]
fn sends_content_in_a_patch_to_a_registry_that_ignores_that_of_a_put() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    for code in ["DIGEST_INVALID", "SIZE_INVALID"] {
        for created in [false, true] {
            let setup = Faulty::setup().habit(Habit::OnlyPatchedBytes);
            let setup = if created {
                setup.habit(Habit::CreatedOnPatch)
            } else {
                setup
            };
            let registry = setup.start();
            let refused = Fault::error(400, code, "invalid");
            let with_content = Rule::on("PUT", UPLOADS, refused)
                .when(|request| request.header("content-length") != Some("0"));
            registry.rule(with_content);
            let push = image
                .push(&registry)
                .env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
            push.run().succeeds();
            assert_eq!(Contents::of(&registry), expected, "{code}");
            assert_eq!(registry.count("POST", UPLOADS), SENT.0 + 1, "{code}");
            assert_eq!(registry.count("PATCH", UPLOADS), SENT.0, "{code}");
            assert_eq!(registry.count("PUT", UPLOADS), SENT.0 + 1, "{code}");
        }
    }
}

/// E14: content that a registry rejects after a `PATCH`, too, is an error.
#[test]
fn sends_rejected_content_in_one_patch() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::start();
    let refused = Fault::error(400, "DIGEST_INVALID", "other content");
    registry.fault("PUT", UPLOADS, refused);
    let push = image
        .push(&registry)
        .env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
    assert_push_fails(push.run(), 76).says("DIGEST_INVALID: other content");
    assert_eq!(registry.count("PUT", UPLOADS), 2);
    assert_eq!(registry.count("PATCH", UPLOADS), 1);
}

/// E5: an upload that another host takes over is sent there, without credentials.
#[test]
fn follows_the_redirect_of_an_upload_without_credentials() {
    let image = IndexedImage::of(&two_layers());
    let expected = image.contents_without_faults(&Faulty::start());
    for status in [307, 308] {
        let registry = Faulty::setup().basic("user", "canary-password").start();
        let elsewhere = Faulty::setup().sharing(&registry).start();
        let location = format!("{}/v2/app/blobs/uploads/", elsewhere.url());
        let moved = Fault::redirect(status, &location);
        let authorized = Rule::on("POST", "*/blobs/uploads/", moved)
            .when(|request| request.header("authorization").is_some());
        registry.rule(authorized);
        push_with_password(&image, &registry);
        assert_eq!(Contents::of(&registry), expected);
        assert_eq!(elsewhere.count("POST|PUT", UPLOADS), 2 * SENT.0);
        assert_without_credentials(&elsewhere);
    }
}

/// E5: an upload is not redirected to an internal address, and not by a status that drops its
/// method.
#[test]
fn refuses_an_unsafe_redirect_of_an_upload() {
    let image = IndexedImage::of(&two_layers());
    for (status, location, why) in [
        (307, "http://169.254.169.254/latest", "internal"),
        (307, "ftp://127.0.0.1/x", "it is not HTTP"),
        (302, "/v2/app/blobs/uploads/", "status 302"),
    ] {
        let registry = Faulty::start();
        registry.fault("POST", UPLOADS, Fault::redirect(status, location));
        assert_push_fails(image.push(&registry).run(), 76).says(why);
        assert_eq!(registry.count("PUT", UPLOADS), 0);
    }
}
