//! Tokens that expire or do not suffice in a push, throttles, and redirects of uploads.

use soci_testkit::{
    faulty::{Fault, Faulty, Reply, Rule},
    store::assert_no_secret,
};

use crate::{
    IndexedImage, assert_push_fails, pushed,
    registry_access::{PASSWORD, USER, logged_in},
    two_layers,
};

/// A3: a push outlives its token: every request with an expired token is repeated with a new one.
#[test]
fn renews_its_token() {
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::setup().bearer(USER, PASSWORD).token_uses(3).start();
    let finished = logged_in(image.push(&registry)).run();
    assert_no_secret(&image.sandbox, &[&finished]);
    pushed(finished);
    assert!(registry.tags("app").contains_key("v1-soci"));
    assert!(registry.tokens_given() > 1);
    for entry in registry.requests_to("PUT", "*/manifests/*") {
        let expected = matches!(entry.status, Some(201 | 401));
        assert!(expected, "{}", registry.log());
    }
}

/// A6: a push gets one new token when the scope does not suffice.
#[test]
fn requests_one_new_token_for_an_insufficient_scope() {
    const READING: &str = "repository:app:pull";
    const WRITING: &str = "repository:app:pull,push";
    let image = IndexedImage::of(&two_layers());
    let registry = Faulty::setup().bearer(USER, PASSWORD).start();
    let challenge = format!(
        "Bearer realm=\"{}/token\",service=\"faulty\",scope=\"{WRITING}\",error=\"insufficient_scope\"",
        registry.url()
    );
    let refusal = Reply::error(401, "UNAUTHORIZED", "insufficient scope");
    let fault = Fault::reply(refusal.header("WWW-Authenticate", challenge));
    registry.rule(Rule::on("PUT", "*/manifests/*", fault).once());
    let finished = logged_in(image.push(&registry)).run().succeeds();
    assert_no_secret(&image.sandbox, &[&finished]);
    let tokens = registry.requests_to("GET", "/token").into_iter();
    let scopes = tokens.map(|token| token.request.parameter("scope"));
    let scopes: Vec<String> = scopes.flatten().collect();
    // One to read, one to write, and one that replaces the second.
    assert_eq!(scopes, [READING, WRITING, WRITING]);
}

/// C4: six throttled requests in a row are repeated.
#[test]
fn repeats_throttled_requests() {
    let image = IndexedImage::of(&two_layers());
    let throttle = Fault::error(429, "TOOMANYREQUESTS", "Rate exceeded");
    let rule = Rule::on("PUT", "*/manifests/*", throttle).times(6);
    let registry = Faulty::setup().rule(rule).start();
    pushed(image.push(&registry).run());
    assert!(registry.broken("app", "v1-soci").is_empty());
}

/// C12: an upload that is redirected in a loop fails after six requests.
#[test]
fn follows_at_most_five_redirects_of_an_upload() {
    let image = IndexedImage::of(&two_layers());
    for methods in ["POST", "PUT"] {
        let redirect = Fault::redirect(307, "/v2/app/blobs/uploads/");
        let rule = Rule::on(methods, "*", redirect);
        let registry = Faulty::setup().rule(rule).start();
        let push = image.push(&registry);
        let push = push.env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
        assert_push_fails(push.run(), 76).says("more than 5 redirects");
        assert_eq!(registry.count(methods, "*"), 6, "{}", registry.log());
        assert!(!registry.tags("app").contains_key("v1-soci"));
    }
}

/// K4: a registry is reached by an IPv4 or IPv6 address in the reference.
#[test]
fn writes_to_an_ipv4_or_ipv6_address() {
    let image = IndexedImage::of(&two_layers());
    for setup in [
        Faulty::setup().address("::1"),
        Faulty::setup().address("::1").basic(USER, PASSWORD),
        Faulty::setup().address("127.0.0.1"),
    ] {
        let registry = setup.start();
        pushed(logged_in(image.push(&registry)).run());
        assert_eq!(registry.tags("app").len(), 2);
    }
}

/// A1: a push to another registry shows the password to the destination, and not to the source.
#[test]
fn sends_the_password_to_the_destination_only() {
    const SOURCE: &str = "canary-source";
    for (source, destination) in [
        (
            Faulty::setup().basic(USER, SOURCE),
            Faulty::setup().basic(USER, PASSWORD),
        ),
        (
            Faulty::setup().bearer(USER, SOURCE),
            Faulty::setup().bearer(USER, PASSWORD),
        ),
    ] {
        let image = IndexedImage::of(&two_layers());
        let (source, destination) = (source.start(), destination.start());
        image.publish(&source);
        let to = format!("{}/copy:v1", destination.host());
        let push = || logged_in(image.push_to(&source.host())).args(["--to", &to]);
        let finished = push().run().ends_with(77);
        assert_no_secret(&image.sandbox, &[&finished]);
        finished.says("name it in SOCI_REGISTRY");
        for entry in source.requests() {
            assert_eq!(entry.request.header("authorization"), None);
        }
        // The source has a source of credentials of its own.
        let config = serde_json::json!({"auths": {
            source.host(): {"username": USER, "password": SOURCE}
        }});
        let folder = image.sandbox.path().join("docker");
        image
            .sandbox
            .write("docker/config.json", config.to_string());
        let finished = push().env("DOCKER_CONFIG", folder).run().succeeds();
        assert_no_secret(&image.sandbox, &[&finished]);
        assert!(!source.requests_to("GET", "*/blobs/*").is_empty());
        // Header values with either password: only the own one is shown to each.
        for (registry, other) in [(&source, PASSWORD), (&destination, SOURCE)] {
            let header = basic(other);
            for entry in registry.requests() {
                assert_ne!(entry.request.header("authorization"), Some(&*header));
            }
        }
    }
}

/// Returns the header that shows a password with the name [`USER`].
fn basic(password: &str) -> String {
    match password {
        PASSWORD => "Basic QVdTOmNhbmFyeS1wYXNzd29yZA==".to_owned(),
        _ => "Basic QVdTOmNhbmFyeS1zb3VyY2U=".to_owned(),
    }
}
