//! Registries that redirect their clients.

use soci_testkit::faulty::{Fault, Faulty};

use super::Fixture;

/// C12: a redirect that leads to itself is followed five times.
#[test]
fn follows_at_most_five_redirects() {
    let mut fixture = Fixture::new();
    let blob = fixture.blob();
    let rule = fixture.on_blob(Fault::redirect(307, &blob));
    let finished = fixture.fetch_with([rule]);
    fixture
        .assert_failed(finished, 76)
        .says("more than 5 redirects");
    assert_eq!(fixture.requests().len(), 6);
    for (hops, code) in [(5, 0), (6, 76)] {
        fixture.reset();
        let tool = fixture.fetch();
        let first = fixture.on_blob(Fault::redirect(307, "/hop/1")).once();
        fixture.registry.rule(first);
        for hop in 1..hops - 1 {
            let next = format!("/hop/{}", hop + 1);
            let fault = Fault::redirect(302, &next);
            fixture.registry.fault("GET", &format!("/hop/{hop}"), fault);
        }
        let last = format!("/hop/{}", hops - 1);
        let back = Fault::redirect(307, &fixture.blob());
        fixture.registry.fault("GET", &last, back);
        let finished = tool.run();
        let log = fixture.registry.log();
        assert_eq!(finished.code(), code, "{}{log}", finished.stderr);
    }
}

/// C13: a redirect to another host or port gets no credentials.
#[test]
fn sends_no_credentials_after_a_redirect_to_another_origin() {
    const USER: &str = "AWS";
    const PASSWORD: &str = "canary-password";
    let other_host = Faulty::setup().address("::1").start();
    let other_port = Faulty::start();
    for other in [&other_host, &other_port] {
        let setup = Faulty::setup().basic(USER, PASSWORD).presigned_at(other);
        let fixture = Fixture::of(setup);
        let before = other.requests().len();
        let tool = fixture.fetch().env("SOCI_USERNAME", USER);
        let finished = tool.env("SOCI_PASSWORD", PASSWORD).run();
        fixture.assert_fetched(finished);
        let redirected = other.requests().split_off(before);
        assert!(!redirected.is_empty(), "{}", fixture.registry.log());
        for entry in redirected {
            for name in ["authorization", "cookie", "proxy-authorization"] {
                assert_eq!(entry.request.header(name), None, "{entry}");
            }
        }
    }
}

/// C13: a redirect from HTTPS to plain HTTP is refused.
#[test]
fn refuses_a_redirect_from_https_to_plain_http() {
    let plain = Faulty::start();
    let fixture = Fixture::of(Faulty::setup().tls(&[]));
    let target = format!("{}{}", plain.url(), fixture.blob());
    let rule = fixture.on_blob(Fault::redirect(307, &target));
    let finished = fixture.fetch_with([rule]);
    fixture
        .assert_failed(finished, 76)
        .says("refused: it is plain HTTP");
    assert!(plain.requests().is_empty());
}
