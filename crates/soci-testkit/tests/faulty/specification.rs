//! What the distribution specification asks for.

use serde_json::json;
use soci_testkit::{
    faulty::{Faulty, Habit},
    image,
};

use crate::requests::{
    MANIFEST, add_image, error_code, put_manifest, request, request_with_body, upload,
};

#[test]
fn manifests_are_found_by_tag_and_digest() {
    let registry = Faulty::start();
    add_image(&registry);
    let stored = registry.manifest("app", "v1").unwrap();
    for reference in ["v1", &stored.digest] {
        let path = format!("/v2/app/manifests/{reference}");
        let found = request(&registry, "GET", &path, &[]);
        assert_eq!(found.body, stored.bytes());
        assert_eq!(found.header("content-type"), Some(MANIFEST));
        let head = request(&registry, "HEAD", &path, &[]);
        assert_eq!(
            head.header("docker-content-digest"),
            Some(stored.digest.as_str())
        );
        assert_eq!(
            head.header("content-length"),
            Some(&*found.body.len().to_string())
        );
        assert!(head.body.is_empty());
    }
    assert_eq!(registry.count("GET|HEAD", "*/manifests/*"), 4);
}

#[test]
fn missing_content_has_the_error_code_of_the_specification() {
    let registry = Faulty::start();
    add_image(&registry);
    let digest = image::digest(b"nothing");
    for (path, expected) in [
        ("/v2/other/manifests/v1".to_owned(), "NAME_UNKNOWN"),
        ("/v2/app/manifests/v2".to_owned(), "MANIFEST_UNKNOWN"),
        (format!("/v2/app/blobs/{digest}"), "BLOB_UNKNOWN"),
        (
            "/v2/app/blobs/uploads/x?_state=x".to_owned(),
            "BLOB_UPLOAD_UNKNOWN",
        ),
    ] {
        let refused = request(&registry, "GET", &path, &[]);
        assert_eq!(
            (refused.status, error_code(&refused)),
            (404, expected.into()),
            "{path}"
        );
    }
}

#[test]
fn ranges_of_blobs_are_sent() {
    let registry = Faulty::start();
    let digest = registry.put_blob("app", *b"0123456789");
    let path = format!("/v2/app/blobs/{digest}");
    for (range, body, content_range) in [
        ("0-0", "0", "bytes 0-0/10"),
        ("3-5", "345", "bytes 3-5/10"),
        ("8-", "89", "bytes 8-9/10"),
        ("8-99", "89", "bytes 8-9/10"),
    ] {
        let part = request(&registry, "GET", &path, &[&format!("Range: bytes={range}")]);
        assert_eq!(part.status, 206);
        assert_eq!(part.body, body.as_bytes());
        assert_eq!(part.header("content-range"), Some(content_range));
    }
    let beyond = request(&registry, "GET", &path, &["Range: bytes=10-"]);
    assert_eq!(beyond.status, 416);
    assert_eq!(beyond.header("content-range"), Some("bytes */10"));
    let whole = request(&registry, "GET", &path, &[]);
    assert_eq!((whole.status, whole.body.len()), (200, 10));
    assert_eq!(
        registry.bytes_sent("GET", "*/blobs/*"),
        1 + 3 + 2 + 2 + 10 + beyond.body.len()
    );
}

#[test]
fn blobs_are_uploaded_whole_and_in_chunks() {
    let registry = Faulty::start();
    let digest = upload(&registry, b"whole");
    assert_eq!(registry.blob(&digest).unwrap(), b"whole");
    let begun = request(&registry, "POST", "/v2/app/blobs/uploads/", &[]);
    let location = begun.header("location").unwrap();
    let first = request_with_body(
        &registry,
        "PATCH",
        location,
        &["Content-Range: 0-2"],
        b"abc",
    );
    assert_eq!((first.status, first.header("range")), (202, Some("0-2")));
    let wrong = request_with_body(&registry, "PATCH", location, &["Content-Range: 7-8"], b"xy");
    assert_eq!(wrong.status, 416);
    assert_eq!(
        request(&registry, "GET", location, &[]).header("range"),
        Some("0-2")
    );
    let digest = image::digest(b"abcdef");
    let last = request_with_body(
        &registry,
        "PUT",
        &format!("{location}&digest={digest}"),
        &[],
        b"def",
    );
    assert_eq!(last.status, 201);
    assert_eq!(registry.blob(&digest).unwrap(), b"abcdef");
    assert_eq!(registry.open_uploads(), 0);
}

#[test]
fn uploads_are_verified_and_can_be_cancelled() {
    let registry = Faulty::setup().habit(Habit::SinglePosts).start();
    let begun = request(&registry, "POST", "/v2/app/blobs/uploads/", &[]);
    let location = begun.header("location").unwrap();
    let without_state = location.split('?').next().unwrap();
    assert_eq!(request(&registry, "GET", without_state, &[]).status, 404);
    assert_eq!(request(&registry, "DELETE", location, &[]).status, 204);
    assert_eq!(request(&registry, "GET", location, &[]).status, 404);
    let wrong = format!("/v2/app/blobs/uploads/?digest={}", image::digest(b"other"));
    let refused = request_with_body(&registry, "POST", &wrong, &[], b"bytes");
    assert_eq!(
        (refused.status, error_code(&refused)),
        (400, "DIGEST_INVALID".into())
    );
    let right = wrong.replace(&image::digest(b"other"), &image::digest(b"bytes"));
    assert_eq!(
        request_with_body(&registry, "POST", &right, &[], b"bytes").status,
        201
    );
    // Others answer with a session, and keep nothing.
    let registry = Faulty::start();
    let ignored = request_with_body(&registry, "POST", &right, &[], b"bytes");
    assert_eq!(ignored.status, 202);
    assert!(registry.blob(&image::digest(b"bytes")).is_none());
}

#[test]
fn blobs_are_mounted_from_another_repository() {
    let registry = Faulty::start();
    let digest = registry.put_blob("base", *b"layer");
    let mount = |from: &str| {
        let path = format!("/v2/app/blobs/uploads/?mount={digest}&from={from}");
        request(&registry, "POST", &path, &[]).status
    };
    assert_eq!((mount("other"), mount("base")), (202, 201));
    assert_eq!(
        request(&registry, "HEAD", &format!("/v2/app/blobs/{digest}"), &[]).status,
        200
    );
}

#[test]
fn a_manifest_is_rejected_if_its_content_is_missing() {
    let registry = Faulty::start();
    let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": image::digest(b"{}"), "size": 2});
    let manifest =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []});
    let refused = put_manifest(&registry, "v1", &manifest);
    assert_eq!(
        (refused.status, error_code(&refused)),
        (404, "MANIFEST_BLOB_UNKNOWN".into())
    );
    upload(&registry, b"{}");
    let stored = put_manifest(&registry, "v1", &manifest);
    assert_eq!(stored.status, 201);
    assert!(stored.header("location").is_some());
    let digest = image::digest(manifest.to_string().as_bytes());
    assert_eq!(registry.tags("app")["v1"], digest);
    assert_eq!(
        put_manifest(&registry, &image::digest(b"x"), &manifest).status,
        400
    );
    let delete = |reference: &str| {
        request(
            &registry,
            "DELETE",
            &format!("/v2/app/manifests/{reference}"),
            &[],
        )
        .status
    };
    assert_eq!(
        (delete("v1"), delete("v1"), delete(&digest), delete(&digest)),
        (202, 404, 202, 404)
    );
}

#[test]
fn referrers_are_listed_by_their_type() {
    let registry = Faulty::start();
    let subject = add_image(&registry);
    let subject_digest = registry.tags("app")["v1"].clone();
    let referrer = json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "a/b", "config": subject["config"],
        "layers": [], "subject": {"mediaType": MANIFEST, "digest": subject_digest, "size": 1}, "annotations": {"k": "v"}});
    let pushed = put_manifest(
        &registry,
        &image::digest(referrer.to_string().as_bytes()),
        &referrer,
    );
    assert_eq!(pushed.header("oci-subject"), Some(subject_digest.as_str()));
    let list = |query: &str| {
        request(
            &registry,
            "GET",
            &format!("/v2/app/referrers/{subject_digest}{query}"),
            &[],
        )
    };
    let all = list("").json();
    assert_eq!(all["manifests"][0]["artifactType"], "a/b");
    assert_eq!(all["manifests"][0]["annotations"]["k"], "v");
    let none = list("?artifactType=other");
    assert_eq!(none.header("oci-filters-applied"), Some("artifactType"));
    assert_eq!(none.json()["manifests"], json!([]));
    let without = Faulty::setup()
        .without_referrers()
        .sharing(&registry)
        .start();
    assert_eq!(
        request(
            &without,
            "GET",
            &format!("/v2/app/referrers/{subject_digest}"),
            &[]
        )
        .status,
        404
    );
}

#[test]
fn tags_can_be_immutable_or_conditional() {
    let immutable = Faulty::setup().habit(Habit::ImmutableTags).start();
    let manifest = add_image(&immutable);
    let again = put_manifest(&immutable, "v1", &manifest);
    assert_eq!(
        (again.status, error_code(&again)),
        (400, "TAG_INVALID".into())
    );
    let conditional = Faulty::setup()
        .habit(Habit::ConditionalPuts)
        .sharing(&immutable)
        .start();
    let etag = request(&conditional, "GET", "/v2/app/manifests/v1", &[]);
    let etag = etag.header("etag").unwrap().to_owned();
    let put = |tag: &str| {
        let headers = [
            format!("Content-Type: {MANIFEST}"),
            format!("If-Match: {tag}"),
        ];
        let body = manifest.to_string();
        request_with_body(
            &conditional,
            "PUT",
            "/v2/app/manifests/v1",
            &[&headers[0], &headers[1]],
            body.as_bytes(),
        )
        .status
    };
    assert_eq!((put("\"sha256:0\""), put(&etag)), (412, 201));
}
