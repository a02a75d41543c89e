//! Registries that send their clients elsewhere.

use soci_testkit::{
    faulty::{Fault, Faulty, Rule},
    namespace,
};

use super::fixture::{FETCHERS, Fixture};

const USER: &str = "AWS";
const PASSWORD: &str = "canary-password";

#[test]
fn c12_no_more_than_five_steps_are_taken() {
    let mut fixture = Fixture::new();
    for fetcher in FETCHERS {
        fixture.renew();
        let blob = fixture.blob();
        let rule = fixture.on_blob(Fault::redirect(307, &blob));
        let ended = fixture.fetch_under(fetcher, [rule]);
        fixture.fails(ended, 76).says("more than 5 redirects");
        assert_eq!(fixture.asked().len(), 6);
    }
    for (steps, code) in [(5, 0), (6, 76)] {
        fixture.renew();
        let tool = fixture.fetch("soci-pull");
        fixture
            .registry
            .rule(fixture.on_blob(Fault::redirect(307, "/step/1")).once());
        for step in 1..steps - 1 {
            let next = format!("/step/{}", step + 1);
            fixture
                .registry
                .fault("GET", &format!("/step/{step}"), Fault::redirect(302, &next));
        }
        let last = Fault::redirect(307, &fixture.blob());
        fixture
            .registry
            .fault("GET", &format!("/step/{}", steps - 1), last);
        let ended = tool.run();
        assert_eq!(
            ended.code(),
            code,
            "{}{}",
            ended.stderr,
            fixture.registry.log()
        );
    }
}

#[test]
fn c12_a_redirect_to_nowhere_breaks_the_protocol() {
    let mut fixture = Fixture::new();
    let nowhere = Fault::status(307);
    let file = Fault::redirect(307, "file:///etc/passwd");
    let ftp = Fault::redirect(301, "ftp://127.0.0.1/layer");
    let login = Fault::redirect(302, "http://user:password@127.0.0.1/layer");
    for (fault, says) in [
        (nowhere, "without a usable `Location`"),
        (file, "refused: it is not HTTP"),
        (ftp, "refused: it is not HTTP"),
        (login, "refused: it carries credentials"),
    ] {
        for glob in ["*/manifests/*", "*/blobs/*"] {
            fixture.renew();
            let ended = fixture.fetch_under("soci-pull", [Rule::on("GET", glob, fault.clone())]);
            fixture.fails(ended, 76).says(says);
            assert_eq!(fixture.registry.count("GET", glob), 1);
        }
    }
}

#[test]
fn c12_an_upload_is_not_led_round_in_circles() {
    let fixture = Fixture::new();
    let indexed = fixture.fetch("soci-index").run().succeeds().stdout;
    for methods in ["POST", "PUT"] {
        fixture.registry.clear_rules();
        fixture
            .registry
            .fault(methods, "*", Fault::redirect(307, "/v2/app/blobs/uploads/"));
        let before = fixture.registry.count(methods, "*");
        let ended = fixture
            .tool("soci-push")
            .stdin(indexed.clone())
            .run()
            .ends_with(76);
        assert!(ended.says("307").stdout.is_empty());
        assert!(
            fixture.registry.count(methods, "*") - before <= 6,
            "{}",
            fixture.registry.log()
        );
        assert!(!fixture.registry.tags("app").contains_key("v1-soci"));
    }
}

#[test]
fn c13_credentials_stay_with_the_registry() {
    let other_host = Faulty::setup().address("::1").start();
    let other_port = Faulty::start();
    for elsewhere in [&other_host, &other_port] {
        for fetcher in FETCHERS {
            let fixture = Fixture::of(
                Faulty::setup()
                    .basic(USER, PASSWORD)
                    .presigned_at(elsewhere),
            );
            let before = elsewhere.requests().len();
            let tool = |name: &str| {
                fixture
                    .tool(name)
                    .env("SOCI_USERNAME", USER)
                    .env("SOCI_PASSWORD", PASSWORD)
            };
            let mut line = tool("soci-pull")
                .arg(fixture.reference())
                .run()
                .succeeds()
                .stdout;
            if fetcher == "soci-index" {
                line = tool("soci-plan").stdin(line).run().succeeds().stdout;
            }
            let fetch = if fetcher == "soci-pull" {
                tool(fetcher).arg("--layers")
            } else {
                tool(fetcher)
            };
            fixture.fetched(fetch.stdin(line).run());
            let seen = elsewhere.requests().split_off(before);
            assert!(!seen.is_empty(), "{}", fixture.registry.log());
            for entry in seen {
                for name in ["authorization", "cookie", "proxy-authorization"] {
                    assert_eq!(entry.request.header(name), None, "{entry}");
                }
            }
        }
    }
}

#[test]
fn c13_no_redirect_leaves_tls() {
    let plain = Faulty::start();
    for fetcher in FETCHERS {
        let fixture = Fixture::of(Faulty::setup().tls(&[]));
        let target = format!("{}{}", plain.url(), fixture.blob());
        let rule = fixture.on_blob(Fault::redirect(307, &target));
        let ended = fixture.fetch_under(fetcher, [rule]);
        fixture.fails(ended, 76).says("refused: it is plain HTTP");
    }
    assert!(plain.requests().is_empty());
}

/// An address that stands for one of the world: it is kept for documents.
const PUBLIC: &str = "203.0.113.10";
const INSIDE: &str = "10.0.0.2";
const METADATA: &str = "169.254.169.254";

#[test]
fn c14_a_public_registry_points_at_nothing_internal() {
    let hosts = [
        ("registry.example", PUBLIC),
        ("inside.example", INSIDE),
        ("metadata.example", METADATA),
        ("here.example", "127.0.0.1"),
    ];
    namespace::isolated_at(&hosts, || {
        let registry = Faulty::setup().address(PUBLIC).start();
        let port = registry.port();
        // The same port everywhere, for whoever follows.
        let everywhere = ["127.0.0.1", "::1", INSIDE, METADATA];
        let everywhere = everywhere.map(|address| {
            Faulty::setup()
                .address(address)
                .port(port)
                .sharing(&registry)
                .start()
        });
        let fixture = Fixture::of(Faulty::setup().address(PUBLIC));
        for (host, by_name) in [
            ("127.0.0.1", false),
            ("[::1]", false),
            ("0.0.0.0", false),
            ("[::]", false),
            ("[::ffff:10.0.0.2]", false),
            ("localhost", false),
            (INSIDE, false),
            (METADATA, false),
            ("inside.example", true),
            ("metadata.example", true),
            ("here.example", true),
        ] {
            fixture.registry.clear_rules();
            let target = format!("http://{host}:{port}{}", fixture.blob());
            fixture
                .registry
                .rule(fixture.on_blob(Fault::redirect(307, &target)));
            let pull = fixture.pull().args(["--layers", "--plain-http"]).run();
            let ended = fixture.fails(pull, 76);
            assert!(
                ended.stderr.contains("the address is internal"),
                "{host}: {}",
                ended.stderr
            );
            let asked: usize = everywhere.iter().map(|place| place.requests().len()).sum();
            assert!(by_name || asked == 0, "{host}");
        }
    });
}

#[test]
fn c14_a_registry_of_ones_own_network_may_point_into_it() {
    namespace::isolated_at(
        &[("registry.example", INSIDE), ("bucket.example", "10.0.0.3")],
        || {
            let bucket = Faulty::setup().address("10.0.0.3").start();
            let fixture = Fixture::of(Faulty::setup().address(INSIDE).presigned_at(&bucket));
            for host in ["10.0.0.3", "bucket.example"] {
                fixture.registry.clear_rules();
                let target = format!("http://{host}:{}{}", bucket.port(), fixture.blob());
                fixture
                    .registry
                    .rule(fixture.on_blob(Fault::redirect(307, &target)));
                fixture.fetched(fixture.pull().args(["--layers", "--plain-http"]).run());
            }
            let local = Faulty::start();
            fixture.registry.clear_rules();
            fixture.registry.rule(Rule::on(
                "GET",
                "*/manifests/*",
                Fault::redirect(307, &format!("{}/x", local.url())),
            ));
            fixture
                .pull()
                .arg("--plain-http")
                .run()
                .ends_with(76)
                .says("the address is internal");
            assert!(local.requests().is_empty());
        },
    );
}
