//! What is written is read as the same: digests, platforms, references, descriptors, manifests,
//! image indexes.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use soci_oci::manifest::Root;
use soci_oci::media_type::{OCI_INDEX, OCI_MANIFEST};
use soci_oci::{Algorithm, Descriptor, Digest, Index, Manifest, Platform, Reference};

fn any_digest() -> impl Strategy<Value = Digest> {
    let algorithm = prop::sample::select(vec![Algorithm::Sha256, Algorithm::Sha512]);
    (algorithm, any::<[u8; 4]>()).prop_map(|(algorithm, content)| algorithm.digest(&content))
}

fn any_platform() -> impl Strategy<Value = Platform> {
    let parts = ("[a-z]{1,8}", "[a-z0-9]{1,8}", "(v[0-9])?");
    parts.prop_map(|(os, architecture, variant)| Platform::new(&os, &architecture, &variant))
}

/// Generates text with characters that Go's JSON escapes.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z<>&\u{2028}\u{fffd}\"\\\\/ ]{0,12}", any::<String>()]
}

fn any_annotations() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map(any_text(), any_text(), 0..4)
}

prop_compose! {
    fn any_descriptor()(
        (media_type, digest, size) in (any_text(), any_digest(), 0..=i64::MAX as u64),
        urls in vec(any_text(), 0..3),
        annotations in any_annotations(),
        data in option::of("[A-Za-z0-9+/]{4}"),
        platform in option::of(any_platform()),
        artifact_type in option::of(any_text()),
    ) -> Descriptor {
        Descriptor { urls, annotations, data, platform, artifact_type, ..Descriptor::new(&media_type, digest, size) }
    }
}

proptest! {
    #[test]
    fn digests_and_platforms(digest in any_digest(), platform in any_platform()) {
        prop_assert_eq!(digest.to_string().parse(), Ok(digest));
        let normal = platform.normalized();
        prop_assert_eq!(normal.to_string().parse::<Platform>().map(|parsed| parsed.normalized()), Ok(normal.clone()));
        prop_assert_eq!(normal.normalized(), normal.clone());
        prop_assert!(normal.matches(&normal));
    }

    #[test]
    fn references_in_registries(
        registry in "([a-z]{1,8}\\.example(:[1-9][0-9]{1,3})?/)?",
        repository in "[a-z0-9]{1,8}(([._-]|__|-{1,3})[a-z0-9]{1,5}){0,2}(/[a-z0-9]{1,6}){0,3}",
        tag in "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20})?",
        digest in option::of(any_digest()),
    ) {
        let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        let text = format!("{registry}{repository}{tag}{digest}");
        let parsed: Reference = text.parse().expect("a reference");
        let again: Reference = parsed.to_string().parse().expect("a reference that was written");
        prop_assert_eq!(again, parsed);
    }

    #[test]
    fn manifests(
        config in option::of(any_descriptor()),
        layers in option::of(vec(any_descriptor(), 0..5)),
        subject in option::of(any_descriptor()),
        artifact_type in option::of(any_text()),
        annotations in any_annotations(),
    ) {
        let manifest = Manifest {
            schema_version: 2,
            media_type: OCI_MANIFEST.to_owned(),
            artifact_type,
            config,
            layers,
            subject,
            annotations,
        };
        let bytes = manifest.to_bytes();
        let Ok(Root::Manifest(parsed)) = Root::parse(&bytes, OCI_MANIFEST) else {
            return Err(TestCaseError::fail("the manifest is not read as one"));
        };
        prop_assert_eq!(parsed.to_bytes(), bytes);
        prop_assert_eq!(*parsed, manifest);
    }

    #[test]
    fn image_indexes(
        manifests in vec(any_descriptor(), 0..5),
        subject in option::of(any_descriptor()),
        annotations in any_annotations(),
    ) {
        let index = Index {
            schema_version: 2,
            media_type: OCI_INDEX.to_owned(),
            artifact_type: None,
            manifests,
            subject,
            annotations,
        };
        let bytes = index.to_bytes();
        let Ok(Root::Index(parsed)) = Root::parse(&bytes, "") else {
            return Err(TestCaseError::fail("the index is not read as one"));
        };
        prop_assert_eq!(parsed.to_bytes(), bytes);
        prop_assert_eq!(*parsed, index);
    }

    #[test]
    fn other_text_is_refused_or_read_as_it_is_written(text in any_text()) {
        if let Ok(reference) = text.parse::<Reference>() {
            let again = reference.to_string().parse::<Reference>();
            prop_assert_eq!(again.ok(), Some(reference));
        }
        if let Ok(platform) = text.parse::<Platform>() {
            prop_assert_eq!(platform.to_string().parse(), Ok(platform));
        }
    }
}
