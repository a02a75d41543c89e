//! What real registries do otherwise.

use soci_testkit::{faulty::Faulty, image};

use crate::requests::{add_image, error_code, put_manifest, request, request_with_body};

#[test]
fn ecr_deviates_from_the_specification() {
    let registry = Faulty::setup().ecr().start();
    assert_eq!(
        request(&registry, "POST", "/v2/app/blobs/uploads/", &[]).status,
        404
    );
    let manifest = add_image(&registry);
    let begun = request(&registry, "POST", "/v2/app/blobs/uploads/", &[]);
    let patched = request_with_body(
        &registry,
        "PATCH",
        begun.header("location").unwrap(),
        &[],
        b"x",
    );
    assert_eq!(patched.status, 201);
    assert_eq!(
        request(&registry, "GET", "/v2/app/manifests/v1", &[]).header("docker-content-digest"),
        None
    );
    assert!(
        request(&registry, "HEAD", "/v2/app/manifests/v1", &[])
            .header("docker-content-digest")
            .is_some()
    );
    assert_eq!(
        put_manifest(&registry, "v2", &manifest).header("location"),
        None
    );
    let mut odd = manifest.clone();
    odd.as_object_mut().unwrap().remove("mediaType");
    let refused = put_manifest(&registry, "v3", &odd);
    assert_eq!(
        (refused.status, error_code(&refused)),
        (405, "UNSUPPORTED".into())
    );
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let redirect = request(&registry, "GET", &format!("/v2/app/blobs/{layer}"), &[]);
    assert_eq!(redirect.status, 307);
    let target = redirect
        .header("location")
        .unwrap()
        .strip_prefix(&registry.url())
        .unwrap()
        .to_owned();
    assert_eq!(
        image::digest(&request(&registry, "GET", &target, &[]).body),
        layer
    );
    assert_eq!(
        request(&registry, "GET", &target, &["Range: bytes=1-2"]).status,
        206
    );
    assert_eq!(request(&registry, "HEAD", &target, &[]).status, 403);
    assert_eq!(
        request(&registry, "GET", &target, &["Authorization: Basic x"]).status,
        400
    );
}

#[test]
fn passwords_and_tokens_are_required() {
    // user:password
    let login = "Authorization: Basic dXNlcjpwYXNzd29yZA==";
    let basic = Faulty::setup().basic("user", "password").start();
    let refused = request(&basic, "GET", "/v2/", &[]);
    assert_eq!(refused.status, 401);
    assert!(
        refused
            .header("www-authenticate")
            .unwrap()
            .starts_with("Basic realm=")
    );
    assert_eq!(request(&basic, "GET", "/v2/", &[login]).status, 200);

    let bearer = Faulty::setup()
        .bearer("user", "password")
        .token_uses(2)
        .start();
    add_image(&bearer);
    let challenge = request(&bearer, "GET", "/v2/app/manifests/v1", &[]);
    let challenge = challenge.header("www-authenticate").unwrap().to_owned();
    assert!(
        challenge.contains(&format!("realm=\"{}/token\"", bearer.url())),
        "{challenge}"
    );
    assert!(
        challenge.contains("scope=\"repository:app:pull\""),
        "{challenge}"
    );
    assert_eq!(
        request(&bearer, "GET", "/token?scope=repository:app:pull", &[]).status,
        401
    );
    let token =
        request(&bearer, "GET", "/token?scope=repository:app:pull", &[login]).json()["token"]
            .clone();
    let token = format!("Authorization: Bearer {}", token.as_str().unwrap());
    let get = || request(&bearer, "GET", "/v2/app/manifests/v1", &[&token]).status;
    let push = request(&bearer, "POST", "/v2/app/blobs/uploads/", &[&token]);
    assert!(
        push.header("www-authenticate")
            .unwrap()
            .contains("insufficient_scope")
    );
    assert_eq!((get(), get(), get()), (200, 200, 401));
    assert_eq!(bearer.tokens_given(), 1);
}

#[test]
fn manifests_over_the_rate_limit_are_rejected() {
    let registry = Faulty::setup().manifest_puts_per_second(1).start();
    let manifest = add_image(&registry);
    let statuses: Vec<u16> = (0..3)
        .map(|_| put_manifest(&registry, "v2", &manifest).status)
        .collect();
    assert_eq!(statuses[0], 201);
    assert!(statuses.contains(&429), "{statuses:?}");
}
