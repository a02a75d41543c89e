//! Redirects between networks: which addresses a public registry and one in a private network may
//! redirect to.

use soci_testkit::{
    faulty::{Fault, Faulty, Rule},
    namespace,
    process::Sandbox,
};

use super::auth::{app, assert_fails, pull, registry_with_layers};

/// A public address: it is reserved for documentation.
const PUBLIC: &str = "203.0.113.10";
const PRIVATE: &str = "10.0.0.2";
const METADATA: &str = "169.254.169.254";

/// Redirects requests for layers, but not for configurations, to a server.
fn redirect_layers(registry: &Faulty, server: &str) {
    registry.clear_rules();
    let manifest = registry.manifest("app", "v1").expect("the image").json();
    let layer = manifest["layers"][0]["digest"].as_str().expect("a digest");
    let path = format!("/v2/app/blobs/{layer}");
    let redirect = Fault::redirect(307, &format!("{server}{path}"));
    registry.rule(Rule::on("GET", &path, redirect));
}

/// C14: a public registry cannot redirect to an internal address, by address or by name.
#[test]
fn refuses_redirects_from_public_to_internal_addresses() {
    let hosts = [
        ("registry.example", PUBLIC),
        ("inside.example", PRIVATE),
        ("metadata.example", METADATA),
        ("here.example", "127.0.0.1"),
    ];
    namespace::isolated_at(&hosts, || {
        let registry = registry_with_layers(Faulty::setup().address(PUBLIC), &[3000]);
        let port = registry.port();
        // A client that followed a redirect would meet one of these.
        let internal = ["127.0.0.1", "::1", PRIVATE, METADATA];
        let internal = internal.map(|address| {
            let setup = Faulty::setup().address(address).port(port);
            setup.sharing(&registry).start()
        });
        for (host, by_name) in [
            ("127.0.0.1", false),
            ("[::1]", false),
            ("0.0.0.0", false),
            ("[::]", false),
            ("[::ffff:10.0.0.2]", false),
            ("localhost", false),
            (PRIVATE, false),
            (METADATA, false),
            ("inside.example", true),
            ("metadata.example", true),
            ("here.example", true),
        ] {
            redirect_layers(&registry, &format!("http://{host}:{port}"));
            let sandbox = Sandbox::new();
            let tool = pull(&sandbox, &app(&registry)).args(["--layers", "--plain-http"]);
            let says = ["soci-pull: ", "the address is internal"];
            assert_fails(&sandbox, tool.run(), 76, &says);
            let requests: usize = internal.iter().map(|server| server.requests().len()).sum();
            assert!(by_name || requests == 0, "{host}");
        }
    });
}

/// C14: a registry of the own network may redirect into that network, but not to this machine.
#[test]
fn follows_redirects_within_a_private_network() {
    namespace::isolated_at(
        &[
            ("registry.example", PRIVATE),
            ("bucket.example", "10.0.0.3"),
        ],
        || {
            let bucket = Faulty::setup().address("10.0.0.3").start();
            let setup = Faulty::setup().address(PRIVATE).presigned_at(&bucket);
            let registry = registry_with_layers(setup, &[3000]);
            for host in ["10.0.0.3", "bucket.example"] {
                redirect_layers(&registry, &format!("http://{host}:{}", bucket.port()));
                let sandbox = Sandbox::new();
                let tool = pull(&sandbox, &app(&registry)).args(["--layers", "--plain-http"]);
                tool.run().succeeds();
            }
            let local = Faulty::start();
            registry.clear_rules();
            let redirect = Fault::redirect(307, &format!("{}/x", local.url()));
            registry.fault("GET", "*/manifests/*", redirect);
            let sandbox = Sandbox::new();
            let tool = pull(&sandbox, &app(&registry)).arg("--plain-http");
            assert_fails(&sandbox, tool.run(), 76, &["the address is internal"]);
            assert!(local.requests().is_empty());
        },
    );
}
