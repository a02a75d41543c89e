//! Rows A7 to A9: places that must see no credentials, or nothing at all.

use std::net::TcpListener;

use serde_json::json;
use soci_testkit::{
    faulty::{Fault, Faulty, Reply},
    namespace,
    network::{add_addresses, add_host},
    process::{Sandbox, Tool},
};

use super::{USER, app, assert_fails, holding, logged_in, pull, push_image};
use crate::{
    reliability::secrets::{assert_hidden, assert_no_canary},
    stages::{Stages, indexed, layers, stage},
};

/// A registry out in the world.
const NAME: &str = "registry.example";
const PUBLIC: &str = "203.0.113.10";

/// Servers on the port of HTTPS, at addresses where nobody has any business.
fn traps(addresses: &[&str]) -> Vec<TcpListener> {
    let traps = addresses.iter().map(|address| {
        let trap = TcpListener::bind(format!("{address}:443")).expect("a free port");
        trap.set_nonblocking(true).expect("a socket");
        trap
    });
    traps.collect()
}

#[track_caller]
fn assert_untouched(traps: &[TcpListener], why: &str) {
    for trap in traps {
        let touched = trap.accept().is_ok();
        assert!(!touched, "{trap:?} was connected to: {why}");
    }
}

/// Places to which a public registry must not send anybody, each with a part of the reason.
const REALMS: [(&str, &str); 15] = [
    ("http://registry.example/token", "it is plain HTTP"),
    ("http://127.0.0.1/token", "it is plain HTTP"),
    ("https://169.254.169.254/token", "internal"),
    ("https://2852039166/token", "internal"),
    ("https://127.0.0.1/token", "internal"),
    ("https://localhost/token", "internal"),
    ("https://[::1]/token", "internal"),
    ("https://[::ffff:10.0.0.5]/token", "internal"),
    ("https://0.0.0.0/token", "internal"),
    ("https://10.0.0.5/token", "internal"),
    ("https://inside.example/token", "internal"),
    ("file:///etc/passwd", "it is not HTTP"),
    ("ftp://registry.example/token", "it is not HTTP"),
    (
        "https://u:p@registry.example/token",
        "it carries credentials",
    ),
    ("nowhere", "the token server's URL is malformed"),
];

/// Returns challenges, and what is to be said of them.
fn challenges() -> Vec<(String, &'static str)> {
    let realm = |(realm, reason): (&str, _)| {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"s\"");
        (challenge, reason)
    };
    let mut challenges: Vec<_> = REALMS.into_iter().map(realm).collect();
    let not_understood = "no authentication challenge that is understood";
    let long = format!("https://{NAME}/token?{}", "x".repeat(64 << 10));
    challenges.push(realm((&long, not_understood)));
    // A header that ends within the realm, and one that would begin there.
    let split = format!("https://{NAME}/token\r\nX-Injected: yes");
    challenges.push(realm((&split, not_understood)));
    challenges.push(("Digest realm=\"a\",nonce=\"b\"".to_owned(), not_understood));
    challenges
}

#[test]
fn a7_no_token_server_in_a_strange_place_is_asked() {
    namespace::isolated(&[], || {
        let inside = ["169.254.169.254", "10.0.0.5"];
        add_addresses(&inside);
        add_host(NAME, &[PUBLIC]);
        add_host("inside.example", &[inside[1]]);
        let traps = traps(&[inside[0], inside[1], "127.0.0.1", "[::1]"]);
        let registry = Faulty::setup()
            .tls(&[NAME])
            .address(PUBLIC)
            .port(443)
            .start();
        let open = holding(Faulty::setup(), &[3000]);
        let sandbox = Sandbox::new();
        let line = indexed(&sandbox, &app(&open));
        let trusting = |tool: Tool| logged_in(tool).env("SOCI_CA_FILE", registry.ca_file());
        for (challenge, reason) in challenges() {
            registry.clear_rules();
            let refusal = Reply::error(401, "UNAUTHORIZED", "who are you");
            let refusal = refusal.header("WWW-Authenticate", challenge);
            registry.fault("*", "/v2/*", Fault::reply(refusal));
            let reference = format!("{NAME}/app:v1");
            let ended = trusting(pull(&sandbox, &reference)).run();
            assert_fails(&sandbox, ended, 76, &[reason]);
            let push = stage(&sandbox, "soci-push").args(["--to", &reference]);
            let ended = trusting(push).stdin(line.clone()).run();
            assert_fails(&sandbox, ended, 76, &[reason]);
            assert_untouched(&traps, reason);
            assert_eq!(registry.count("*", "/token*"), 0, "{}", registry.log());
        }
        for entry in registry.requests() {
            assert_eq!(entry.request.header("authorization"), None);
        }
    });
}

/// Lets the second layer of the image be foreign, and lie somewhere else as well.
fn make_foreign(registry: &Faulty, url: &str) -> String {
    let manifest = registry.manifest("app", "v1").expect("the image");
    let mut json = manifest.json();
    let layer = &mut json["layers"][1];
    layer["mediaType"] = json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
    layer["urls"] = json!([url]);
    let foreign = layer["digest"].as_str().expect("a digest").to_owned();
    let digest = registry.put_manifest("app", &manifest.media_type, json.to_string());
    registry.tag("app", "v1", &digest);
    foreign
}

#[test]
fn a8_foreign_layers_are_fetched_from_the_registry_or_not_at_all() {
    for held in [true, false] {
        let elsewhere = Faulty::setup().basic(USER, "canary-elsewhere").start();
        let registry = Faulty::setup().basic(USER, super::PASSWORD).start();
        push_image(&registry, &[3000, 4000]);
        let url = format!("{}/foreign", elsewhere.url());
        let foreign = make_foreign(&registry, &url);
        if !held {
            registry.remove(&foreign);
        }
        let sandbox = Sandbox::new();
        let run = Stages::of(&sandbox, &[app(&registry)]).run_with(logged_in);
        assert_hidden("stderr", run.stderr().as_bytes());
        let document = run.succeeds_for_one();
        let plan = &layers(&document)[1]["plan"];
        if held {
            assert_eq!(plan["action"], "index", "{document}");
        } else {
            assert_eq!(plan["reason"], "foreign", "{document}");
        }
        let ended = logged_in(pull(&sandbox, &app(&registry)))
            .arg("--layers")
            .run();
        assert_no_canary(&sandbox, &[&ended]);
        ended.succeeds();
        assert!(elsewhere.requests().is_empty(), "{}", elsewhere.log());
    }
}

#[test]
fn a9_credentials_stay_off_plain_http_beyond_this_machine() {
    namespace::isolated(&[], || {
        add_host(NAME, &[PUBLIC]);
        let open = holding(Faulty::setup(), &[3000]);
        for setup in [
            Faulty::setup().basic(USER, super::PASSWORD),
            Faulty::setup().bearer(USER, super::PASSWORD),
        ] {
            let registry = setup.address(PUBLIC).port(5000).sharing(&open).start();
            let sandbox = Sandbox::new();
            let line = indexed(&sandbox, &app(&open));
            let reference = format!("{NAME}:5000/app:v1");
            let says = ["credentials", "not sent over plain HTTP", NAME];
            let plain = |tool: Tool| logged_in(tool).arg("--plain-http");
            let ended = plain(pull(&sandbox, &reference)).run();
            assert_fails(&sandbox, ended, 78, &says);
            let push = stage(&sandbox, "soci-push").args(["--to", &reference]);
            let ended = plain(push).stdin(line).run();
            assert_fails(&sandbox, ended, 78, &says);
            for entry in registry.requests() {
                assert_eq!(entry.request.header("authorization"), None);
            }
        }
        // Who needs none may go there, if told so.
        let registry = Faulty::setup()
            .address(PUBLIC)
            .port(5000)
            .sharing(&open)
            .start();
        let sandbox = Sandbox::new();
        let reference = format!("{NAME}:5000/app:v1");
        let ended = logged_in(pull(&sandbox, &reference))
            .arg("--plain-http")
            .run();
        ended.succeeds();
        drop(registry);
    });
}

#[test]
fn a9_no_redirect_leaves_tls() {
    let plain = Faulty::start();
    let registry = holding(
        Faulty::setup().tls(&[]).basic(USER, super::PASSWORD),
        &[3000],
    );
    let location = format!("{}/elsewhere", plain.url());
    let sandbox = Sandbox::new();
    let trusting = |tool: Tool| {
        logged_in(tool)
            .arg("--plain-http=false")
            .env("SOCI_CA_FILE", registry.ca_file())
    };
    registry.fault("GET", "*/manifests/*", Fault::redirect(307, &location));
    let ended = trusting(pull(&sandbox, &app(&registry))).run();
    assert_fails(&sandbox, ended, 76, &["it is plain HTTP"]);
    assert!(plain.requests().is_empty(), "{}", plain.log());
}
