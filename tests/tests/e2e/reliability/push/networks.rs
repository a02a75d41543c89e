//! Pushes on networks of their own, where registries have public addresses and names.

use std::time::Duration;

use soci_testkit::{
    faulty::{Contents, Fault, Faulty, Rule},
    image::Image,
    namespace,
    network::add_addresses,
    registry::{PASSWORD, USER},
};

use super::{Indexed, assert_fails, pushed, simple};
use crate::stages::layer;

const UPLOADS: &str = "*/blobs/uploads/*";

/// E5: a public registry cannot direct an upload to a private address.
#[test]
fn refuses_upload_locations_at_private_addresses() {
    namespace::isolated(&[], || {
        let public = "203.0.113.7";
        add_addresses(&[public]);
        let image = Indexed::of(&simple());
        let inner = Faulty::start();
        let local = format!("{}{{}}", inner.url());
        for form in [
            "http://10.0.0.1{}",
            "http://192.168.0.1{}",
            "http://[fd00::1]{}",
            &local,
        ] {
            let registry = Faulty::setup().address(public).rule(location(form)).start();
            let push = image.push(&registry).arg("--plain-http");
            let push = push.env("SOCI_MAX_CONCURRENT_UPLOADS", "1");
            let before = Contents::of(&registry);
            assert_fails(push.run(), 76).says("internal");
            assert_eq!(registry.count("POST", UPLOADS), 1, "{}", registry.log());
            assert_eq!(registry.count("PUT", "*"), 0, "{}", registry.log());
            assert_eq!(Contents::of(&registry), before);
        }
        assert!(inner.requests().is_empty());
    });
}

/// Sets the upload location that a registry answers with; `{}` stands for the path and query of its
/// own.
fn location(form: &str) -> Rule {
    let form = form.to_owned();
    let fault = Fault::edit(move |_, reply| {
        let own = reply.get("Location").unwrap_or_default();
        let form = form.replace("{}", own);
        reply.header("Location", form)
    });
    Rule::on("POST", "*/blobs/uploads/", fault)
}

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

#[test]
fn sends_ecr_at_most_ten_manifests_a_second() {
    namespace::isolated(&[ECR], || {
        let platforms = [(1, "linux/amd64"), (2, "linux/arm64"), (3, "linux/riscv64")];
        let images =
            platforms.map(|(seed, platform)| Image::new(platform).layer(layer(seed, 3000)));
        let indexed = Indexed::for_all_platforms(&images);
        let setup = Faulty::setup()
            .ecr()
            .basic(USER, PASSWORD)
            .manifest_puts_per_second(10);
        let registry = setup.tls(&[ECR]).port(443).start();
        indexed.publish(&registry);
        let tags: Vec<String> = (0..16).map(|tag| format!("{{tag}}-{tag}")).collect();
        let push = indexed.push_to(ECR).args(["--tag", &tags.join(",")]);
        let push = push.env("SOCI_CA_FILE", registry.ca_file());
        let push = push
            .env("SOCI_USERNAME", USER)
            .env("SOCI_PASSWORD", PASSWORD);
        let document = pushed(push.run());
        assert_eq!(
            document["push"]["tags"].as_array().map(Vec::len),
            Some(tags.len())
        );
        let puts = registry.requests_to("PUT", "*/manifests/*");
        assert_eq!(puts.len(), 3 * 3 + tags.len());
        assert!(
            puts.iter().all(|put| put.status == Some(201)),
            "{}",
            registry.log()
        );
        for (first, put) in puts.iter().enumerate() {
            let second = puts[first..]
                .iter()
                .take_while(|later| later.at < put.at + Duration::from_secs(1));
            assert!(second.count() <= 11, "{}", registry.log());
        }
        Contents::of(&registry);
    });
}
