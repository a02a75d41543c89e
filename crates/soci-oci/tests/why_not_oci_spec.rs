//! Why this crate has types of its own next to those of `oci-spec`.
//!
//! Each test states a limitation of the library that one of our types, or one line of our code,
//! makes up for. A test that fails is good news: the library has caught up, and the type or the
//! line can go.

use std::collections::BTreeSet;

use oci_spec::distribution::{ErrorResponse, Reference};
use oci_spec::image::{
    Descriptor, Digest, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Platform,
    ToDockerV2S2 as _,
};
use soci_oci::media_type;

const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn descriptor_json(fields: &str) -> String {
    format!(r#"{{"mediaType":"text/plain","digest":"{EMPTY}","size":0{fields}}}"#)
}

/// `Descriptor`, `Manifest` and `Index`: the digest of a document depends on the order of its
/// annotations, and Go writes them sorted.
#[test]
fn the_order_of_annotations_changes_from_run_to_run() {
    let annotations: Vec<String> = (0..16).map(|key| format!(r#""{key}":"""#)).collect();
    let fields = format!(r#","annotations":{{{}}}"#, annotations.join(","));
    let serialize = |_| {
        let descriptor: Descriptor =
            serde_json::from_str(&descriptor_json(&fields)).expect("a descriptor");
        serde_json::to_string(&descriptor).expect("JSON")
    };
    let documents: BTreeSet<String> = (0..10).map(serialize).collect();
    assert!(documents.len() > 1);
}

/// `Descriptor::platform` and `Platform`: entries for Windows lose their version, and with it the
/// index its digest.
#[test]
fn a_platform_loses_the_version_and_features_of_the_operating_system() {
    let json =
        r#"{"architecture":"amd64","os":"windows","os.version":"10.0.1","os.features":["a"]}"#;
    let platform: Platform = serde_json::from_str(json).expect("a platform");
    assert_eq!(
        serde_json::to_string(&platform).expect("JSON"),
        r#"{"architecture":"amd64","os":"windows"}"#
    );
}

/// `Platform::normalized`: containerd treats these as equal.
#[test]
fn a_platform_has_no_aliases() {
    let parse = |json| serde_json::from_str::<Platform>(json).expect("a platform");
    let alias = parse(r#"{"architecture":"x86_64","os":"linux"}"#);
    let name = parse(r#"{"architecture":"amd64","os":"linux"}"#);
    assert_ne!(alias, name);
}

/// `Platform`: a configuration without `os` or `architecture` is the image's own fault, not that of
/// the index which lists it.
#[test]
fn a_platform_without_operating_system_is_an_error() {
    let parsed = serde_json::from_str::<Platform>(r#"{"architecture":"amd64"}"#);
    assert!(parsed.is_err());
}

/// `Descriptor::size`: Go programs read it as a signed number.
#[test]
fn a_size_may_exceed_what_go_reads() {
    let json = descriptor_json("").replace(":0", ":9223372036854775808");
    assert!(serde_json::from_str::<Descriptor>(&json).is_ok());
}

/// `Descriptor::media_type`: old manifests have descriptors without one.
#[test]
fn a_descriptor_without_media_type_is_an_error() {
    let json = descriptor_json("").replace(r#""mediaType":"text/plain","#, "");
    assert!(serde_json::from_str::<Descriptor>(&json).is_err());
}

/// `Digest`: only SHA-256 digests are verified, so that no other one may name a blob.
#[test]
fn a_digest_may_have_any_algorithm() {
    assert!("md5:00".parse::<Digest>().is_ok());
    assert!("sha256:00".parse::<Digest>().is_err());
}

/// `Manifest::layers` and `Index::manifests`: Go writes a missing list as `null`.
#[test]
fn a_list_that_is_null_is_an_error() {
    let config = descriptor_json("");
    let manifest = format!(r#"{{"schemaVersion":2,"config":{config},"layers":null}}"#);
    assert!(serde_json::from_str::<ImageManifest>(&manifest).is_err());
    let index = r#"{"schemaVersion":2,"manifests":null}"#;
    assert!(serde_json::from_str::<ImageIndex>(index).is_err());
}

/// `Manifest::config`: artifact manifests of earlier specifications have none.
#[test]
fn a_manifest_without_configuration_is_an_error() {
    let manifest = r#"{"schemaVersion":2,"layers":[]}"#;
    assert!(serde_json::from_str::<ImageManifest>(manifest).is_err());
}

/// `soci-pull` reads only the platform of a configuration: one without `rootfs` names it as well.
#[test]
fn a_configuration_without_rootfs_is_an_error() {
    let config = r#"{"architecture":"amd64","os":"linux"}"#;
    assert!(serde_json::from_str::<ImageConfiguration>(config).is_err());
}

/// `soci-registry` parses error bodies itself: registries have codes of their own, and the message
/// beside such a code is what helps the user.
#[test]
fn an_error_with_another_code_is_lost() {
    let body = |code| format!(r#"{{"errors":[{{"code":"{code}","message":"m"}}]}}"#);
    assert!(serde_json::from_str::<ErrorResponse>(&body("DENIED")).is_ok());
    for code in ["UNKNOWN", "TAG_INVALID", "PAGINATION_NUMBER_INVALID"] {
        assert!(serde_json::from_str::<ErrorResponse>(&body(code)).is_err());
    }
}

/// `Reference`: registries in networks with IPv6 addresses only have such names.
#[test]
fn a_reference_with_an_ipv6_address_is_an_error() {
    assert!("[::1]:5000/app:v1".parse::<Reference>().is_err());
}

/// `Reference`: registries reject such repositories.
#[test]
fn a_reference_may_have_an_upper_case_repository() {
    let reference: Reference = "App/web".parse().expect("a reference");
    assert_eq!(reference.repository(), "App/web");
}

/// `Reference`: registries reject such tags. The classes of Unicode in the regular expression are
/// also the reason why compiling it takes longer than the whole start of a tool.
#[test]
fn a_tag_may_have_letters_outside_ascii() {
    let reference: Reference = "app:v\u{e9}".parse().expect("a reference");
    assert_eq!(reference.tag(), Some("v\u{e9}"));
}

/// Constants of our own, since those of the library are not `const` strings: they have the same
/// values.
#[test]
fn media_types_are_those_of_the_library() {
    for (own, library) in [
        (media_type::OCI_MANIFEST, MediaType::ImageManifest),
        (media_type::OCI_INDEX, MediaType::ImageIndex),
        (media_type::OCI_CONFIG, MediaType::ImageConfig),
    ] {
        assert_eq!(own, library.as_ref());
    }
    for (own, library) in [
        (media_type::DOCKER_MANIFEST, MediaType::ImageManifest),
        (media_type::DOCKER_LIST, MediaType::ImageIndex),
        (media_type::DOCKER_CONFIG, MediaType::ImageConfig),
    ] {
        assert_eq!(Ok(own), library.to_docker_v2s2());
    }
}
