use super::*;

fn manifest(layer: &str) -> Manifest {
    let text = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"{OCI_CONFIG}","digest":"{0}","size":2}},"layers":[{{"mediaType":"{layer}","digest":"{0}","size":2}}]}}"#,
        Digest::of(b"{}")
    );
    serde_json::from_str(&text).expect("a manifest")
}

fn entry(manifest: &Manifest, platform: &str) -> Descriptor {
    let mut entry = Descriptor::of(OCI_MANIFEST, &manifest.to_bytes());
    entry.platform = Some(platform.parse().expect("a platform"));
    entry.data = Some("e30=".to_owned());
    entry
}

fn attestation(of: &Descriptor) -> (Descriptor, Manifest) {
    let attestation = manifest("application/vnd.in-toto+json");
    let mut entry = entry(&attestation, "unknown/unknown");
    entry.annotations.insert(
        ATTESTATION_TYPE.to_owned(),
        "attestation-manifest".to_owned(),
    );
    entry
        .annotations
        .insert(ATTESTED_DIGEST.to_owned(), of.digest.to_string());
    (entry, attestation)
}

fn index(entries: &[Descriptor]) -> Index {
    let text = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}"}}"#);
    let mut index: Index = serde_json::from_str(&text).expect("an index");
    index.manifests = entries.to_vec();
    index
}

/// Converts an image whose index lists `entries`, and returns the converted index.
fn converted(
    entries: &[Descriptor],
    manifests: &[Manifest],
    missing: &[Digest],
    indexed: &[Indexed],
) -> Index {
    let result = convert_nested(entries, manifests, &[], missing, indexed);
    serde_json::from_slice(&result.bytes).expect("an index")
}

/// Converts an image. `nested` are the nested indexes that the source holds, and `missing` the
/// digests of the manifests that it does not hold.
fn convert_nested(
    entries: &[Descriptor],
    manifests: &[Manifest],
    nested: &[Index],
    missing: &[Digest],
    indexed: &[Indexed],
) -> Converted {
    let index = index(entries);
    let root = Descriptor::of(OCI_INDEX, &index.to_bytes());
    let manifests = manifests
        .iter()
        .map(|manifest| (Digest::of(&manifest.to_bytes()), manifest.clone()))
        .collect();
    let held = nested
        .iter()
        .map(|index| (Digest::of(&index.to_bytes()), index.clone()))
        .collect();
    let missing = missing.iter().copied().collect();
    let content = Root::Index(Box::new(index));
    let source = Source {
        root: &root,
        content,
        platform: None,
        manifests: &manifests,
        indexes: &held,
        missing: &missing,
    };
    convert(source, indexed)
}

/// Returns the entry of a nested index.
fn nested_entry(nested: &Index) -> Descriptor {
    Descriptor::of(OCI_INDEX, &nested.to_bytes())
}

/// Returns the changed index of a conversion whose digest is `digest`.
fn changed_index(result: &Converted, digest: Digest) -> Index {
    let mut contents = result.manifests.iter();
    let content = contents.find(|(descriptor, _)| descriptor.digest == digest);
    let (_, bytes) = content.expect("the index has changed");
    serde_json::from_slice(bytes).expect("an index")
}

fn indexed(entry: &Descriptor, content: &[u8]) -> Indexed {
    let platform = entry.platform.clone().expect("a platform");
    Indexed {
        manifest: entry.digest,
        platform,
        soci_index: Descriptor::of(OCI_MANIFEST, content),
    }
}

#[test]
fn attestations_name_the_converted_manifest_and_keep_their_bytes() {
    let image = manifest("a");
    let image_entry = entry(&image, "linux/amd64");
    let (attestation_entry, attestation) = attestation(&image_entry);
    let entries = [image_entry.clone(), attestation_entry.clone()];
    let result = converted(
        &entries,
        &[image, attestation],
        &[],
        &[indexed(&image_entry, b"soci")],
    );
    let [image, attested, soci] = result.manifests.as_slice() else {
        panic!("three entries")
    };
    assert_ne!(image.digest, image_entry.digest);
    assert_eq!(
        image.data, None,
        "the inline content is that of the old manifest"
    );
    assert_eq!(attested.digest, attestation_entry.digest);
    assert_eq!(
        attested.annotations[ATTESTED_DIGEST],
        image.digest.to_string()
    );
    assert_eq!(
        soci.annotations[IMAGE_MANIFEST_DIGEST],
        image.digest.to_string()
    );
    assert_eq!(image.annotations[INDEX_DIGEST], soci.digest.to_string());
}

#[test]
fn a_second_conversion_adds_a_platform() {
    let (one, two) = (manifest("a"), manifest("b"));
    let entries = [entry(&one, "linux/amd64"), entry(&two, "linux/arm64")];
    let both = [
        indexed(&entries[0], b"soci 1"),
        indexed(&entries[1], b"soci 2"),
    ];
    let first = converted(&entries, &[one.clone(), two.clone()], &[], &both[..1]);
    let mut amd64 = one;
    amd64
        .annotations
        .clone_from(&first.manifests[0].annotations);
    let second = indexed(&first.manifests[1], b"soci 2");
    let later = converted(&first.manifests, &[amd64, two], &[], &[second]);
    assert_eq!(
        later.manifests[2], first.manifests[2],
        "the index of the first platform stays"
    );
    assert_eq!(later.manifests[3].platform, entries[1].platform);
}

#[test]
fn missing_manifests_are_removed() {
    let image = manifest("a");
    let entries = [
        entry(&image, "linux/amd64"),
        entry(&manifest("b"), "linux/arm64"),
    ];
    let result = converted(
        &entries,
        &[image],
        &[entries[1].digest],
        &[indexed(&entries[0], b"soci")],
    );
    assert!(
        result
            .manifests
            .iter()
            .all(|entry| entry.digest != entries[1].digest)
    );
}

#[test]
fn nested_indexes_list_the_soci_indexes_of_their_manifests() {
    let (one, two) = (manifest("a"), manifest("b"));
    let (one_entry, two_entry) = (entry(&one, "linux/amd64"), entry(&two, "linux/arm64"));
    let (inner, other) = (
        index(std::slice::from_ref(&one_entry)),
        index(std::slice::from_ref(&two_entry)),
    );
    let outer = index(&[nested_entry(&inner)]);
    let mut listed = nested_entry(&other);
    listed.platform.clone_from(&two_entry.platform);
    let entries = [nested_entry(&outer), listed];
    let result = convert_nested(
        &entries,
        &[one, two],
        &[inner, outer, other],
        &[],
        &[
            indexed(&one_entry, b"soci 1"),
            indexed(&two_entry, b"soci 2"),
        ],
    );
    let root: Index = serde_json::from_slice(&result.bytes).expect("an index");
    assert_eq!(root.manifests.len(), 2, "the root lists no SOCI index");
    assert_eq!(root.manifests[1].platform, two_entry.platform);
    let outer = changed_index(&result, root.manifests[0].digest);
    let inner = changed_index(&result, outer.manifests[0].digest);
    let other = changed_index(&result, root.manifests[1].digest);
    for (index, soci_index) in [(inner, &b"soci 1"[..]), (other, b"soci 2")] {
        let [image, listed] = index.manifests.as_slice() else {
            panic!("expected an image and its SOCI index")
        };
        assert_eq!(listed.digest, Digest::of(soci_index));
        assert_eq!(image.annotations[INDEX_DIGEST], listed.digest.to_string());
        assert_eq!(
            listed.annotations[IMAGE_MANIFEST_DIGEST],
            image.digest.to_string()
        );
    }
}

#[test]
fn nested_indexes_without_a_change_keep_their_bytes() {
    let image = manifest("a");
    let image_entry = entry(&image, "linux/amd64");
    let artifacts = index(&[Descriptor::of("application/x", b"artifact")]);
    let entries = [image_entry.clone(), nested_entry(&artifacts)];
    let soci_index = indexed(&image_entry, b"soci");
    let result = convert_nested(&entries, &[image], &[artifacts], &[], &[soci_index]);
    let root: Index = serde_json::from_slice(&result.bytes).expect("an index");
    assert_eq!(root.manifests[1], entries[1]);
    assert_eq!(result.manifests.len(), 1, "only the image has changed");
}

#[test]
fn nested_indexes_of_missing_manifests_only_are_removed() {
    let image = manifest("a");
    let image_entry = entry(&image, "linux/amd64");
    let absent = entry(&manifest("b"), "linux/arm64");
    let nested = index(std::slice::from_ref(&absent));
    let entries = [image_entry.clone(), nested_entry(&nested)];
    let soci_index = indexed(&image_entry, b"soci");
    let result = convert_nested(
        &entries,
        &[image],
        &[nested],
        &[absent.digest],
        &[soci_index],
    );
    let root: Index = serde_json::from_slice(&result.bytes).expect("an index");
    assert_eq!(root.manifests.len(), 2, "the image and its SOCI index");
}

#[test]
fn manifests_of_the_same_platform_keep_their_own_soci_indexes() {
    let (one, two) = (manifest("a"), manifest("b"));
    let entries = [entry(&one, "linux/amd64"), entry(&two, "linux/amd64")];
    let both = [
        indexed(&entries[0], b"soci 1"),
        indexed(&entries[1], b"soci 2"),
    ];
    let result = converted(&entries, &[one, two], &[], &both);
    let digests = result.manifests.iter().map(|entry| entry.digest);
    let digests: Vec<Digest> = digests.skip(2).collect();
    assert_eq!(digests, [Digest::of(b"soci 1"), Digest::of(b"soci 2")]);
}
