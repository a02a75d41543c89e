//! The content of `index.json`: selecting an image, and adding a manifest.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use soci_oci::manifest::Root;
use soci_oci::media_type::{OCI_INDEX, is_soci_index};
use soci_oci::reference::Selector;
use soci_oci::{Descriptor, Index};

use crate::error::LayoutError;

/// The name of the file.
pub(crate) const FILE: &str = "index.json";

/// The annotation of an entry that holds the image's name (OCI image-spec, `annotations.md`).
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// How many images an error lists at most.
pub(crate) const LISTED_IMAGES: usize = 10;

/// The image that was selected in an `index.json`.
#[derive(Debug)]
pub enum Selected {
    /// The manifest or index with this descriptor.
    Manifest(Box<Descriptor>),
    /// An image index with these bytes: `index.json` itself, or the part of it that lists the
    /// image's manifests.
    Index(Vec<u8>),
}

/// Selects an image in `bytes`, the `index.json` of the layout or archive `path`.
///
/// [`Selector::Any`] selects the only image, which may have several names. Entries for which
/// `is_converted` returns `true` count only if there is no other: they are the output of an earlier
/// conversion. If there are several manifests and all but the unnamed ones are named, the unnamed
/// ones are taken for the platforms of one image. SOCI indexes refer to images and are not images
/// themselves.
///
/// # Errors
///
/// Returns an error if `bytes` is not an `index.json`, or if it does not list such an image.
pub fn select_image(
    bytes: &[u8],
    selector: &Selector,
    path: &Path,
    is_converted: impl Fn(&Descriptor) -> bool,
) -> Result<Selected, LayoutError> {
    let index = parse_index(bytes, path)?;
    let is_image = |entry: &&Descriptor| !entry.artifact_type.as_deref().is_some_and(is_soci_index);
    let images: Vec<&Descriptor> = index.manifests.iter().filter(is_image).collect();
    let with_name = |name: Option<&String>| {
        let has_name = |entry: &&Descriptor| entry.annotations.get(REF_NAME) == name;
        images.iter().copied().filter(has_name).collect()
    };
    let selected: Vec<&Descriptor> = match selector {
        Selector::Digest(digest) => {
            let mut entries = index.manifests.iter();
            let found = entries.find(|entry| entry.digest == *digest);
            found.into_iter().collect()
        }
        Selector::Name(name) => with_name(Some(name)),
        Selector::Any => match find_only_image(&images, is_converted) {
            Some(only) => vec![only],
            None => with_name(None),
        },
    };
    match selected.as_slice() {
        [] => Err(no_such_image(path, selector, &images)),
        [entry] => Ok(Selected::Manifest(Box::new((*entry).clone()))),
        entries if entries.len() == index.manifests.len() => Ok(Selected::Index(bytes.to_vec())),
        entries => {
            let part = Index {
                media_type: OCI_INDEX.to_owned(),
                manifests: entries.iter().map(|entry| (*entry).clone()).collect(),
                ..index.clone()
            };
            Ok(Selected::Index(part.to_bytes()))
        }
    }
}

/// Returns the first entry of the only image in a list. Entries of the same digest are one image.
/// Converted images count only if there is no other image.
fn find_only_image<'a>(
    images: &[&'a Descriptor],
    is_converted: impl Fn(&Descriptor) -> bool,
) -> Option<&'a Descriptor> {
    let find_only = |images: &[&'a Descriptor]| {
        let first = *images.first()?;
        let mut others = images.iter();
        let is_only = others.all(|other| other.digest == first.digest);
        is_only.then_some(first)
    };
    find_only(images).or_else(|| {
        // Each manifest is read once, however often it is listed.
        let mut known = BTreeMap::new();
        let mut is_original = |image: &&&Descriptor| {
            !*known
                .entry(image.digest)
                .or_insert_with(|| is_converted(image))
        };
        let originals: Vec<_> = images.iter().filter(|image| is_original(image)).collect();
        find_only(&originals.into_iter().copied().collect::<Vec<_>>())
    })
}

fn parse_index(bytes: &[u8], path: &Path) -> Result<Index, LayoutError> {
    match Root::parse(bytes, OCI_INDEX) {
        Ok(Root::Index(index)) => Ok(*index),
        Ok(Root::Manifest(_)) => Err(LayoutError::not_a_layout(
            path,
            "its `index.json` is a manifest",
        )),
        Err(error) => Err(malformed(path, error)),
    }
}

fn malformed(path: &Path, error: impl std::fmt::Display) -> LayoutError {
    LayoutError::not_a_layout(path, format!("its `index.json` is malformed: {error}"))
}

/// Returns an error that lists the images that exist.
fn no_such_image(path: &Path, selector: &Selector, images: &[&Descriptor]) -> LayoutError {
    let wanted = match selector {
        Selector::Any if images.is_empty() => "image".to_owned(),
        Selector::Any => "single image".to_owned(),
        Selector::Name(name) => format!("image named `{}`", name.escape_debug()),
        Selector::Digest(digest) => format!("manifest with digest `{digest}`"),
    };
    let names = images.iter().take(LISTED_IMAGES).map(|entry| {
        let name = entry.annotations.get(REF_NAME);
        let name = name.map_or_else(|| entry.digest.to_string(), Clone::clone);
        format!("`{}`", name.escape_debug())
    });
    let names: Vec<String> = names.collect();
    LayoutError::NoSuchImage {
        path: path.to_owned(),
        wanted,
        found: if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        },
    }
}

/// Adds a manifest to `bytes`, the `index.json` of the layout or archive `path`. If `name` is
/// given, the entry that had this name is removed. All other fields stay as they are. Returns
/// `None` if the manifest is listed already.
pub(crate) fn add_manifest(
    bytes: &[u8],
    descriptor: &Descriptor,
    name: Option<&str>,
    path: &Path,
) -> Result<Option<Vec<u8>>, LayoutError> {
    let malformed = |error| malformed(path, error);
    // A `Value` keeps the fields that other tools have written.
    let mut index: Value = serde_json::from_slice(bytes).map_err(malformed)?;
    let mut entry = descriptor.clone();
    if let Some(name) = name {
        let annotations = &mut entry.annotations;
        annotations.insert(REF_NAME.to_owned(), name.to_owned());
    }
    let entry = serde_json::to_value(entry).map_err(malformed)?;
    let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
        return Err(LayoutError::not_a_layout(
            path,
            "its `index.json` has no `manifests`",
        ));
    };
    let digest = descriptor.digest.to_string();
    let has_name =
        |other: &Value| name.is_some() && other["annotations"][REF_NAME].as_str() == name;
    let is_same =
        |other: &Value| other["digest"] == digest.as_str() && (name.is_none() || has_name(other));
    if manifests.iter().any(is_same) {
        return Ok(None);
    }
    manifests.retain(|other| !has_name(other));
    manifests.push(entry);
    Ok(Some(index.to_string().into_bytes()))
}

/// Returns an `index.json` without entries.
pub(crate) fn empty_index() -> Vec<u8> {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
        .to_string()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_oci::Digest;
    use soci_oci::media_type::{OCI_MANIFEST, SOCI_INDEX_V1};

    fn manifest(content: &[u8]) -> Descriptor {
        Descriptor::of(OCI_MANIFEST, content)
    }

    fn select(bytes: &[u8], selector: &Selector) -> Result<Selected, LayoutError> {
        select_image(bytes, selector, Path::new("x"), |_| false)
    }

    fn select_name(bytes: &[u8], name: &str) -> Digest {
        match select(bytes, &Selector::Name(name.to_owned())) {
            Ok(Selected::Manifest(entry)) => entry.digest,
            other => panic!("expected one manifest, found {other:?}"),
        }
    }

    fn add(bytes: &[u8], manifest: &Descriptor, name: Option<&str>) -> Option<Vec<u8>> {
        add_manifest(bytes, manifest, name, Path::new("x")).expect("an index")
    }

    fn add_new(bytes: &[u8], content: &[u8], name: Option<&str>) -> Vec<u8> {
        add(bytes, &manifest(content), name).expect("a change")
    }

    #[test]
    fn selects_the_only_image_or_the_named_one() {
        let one = add_new(&empty_index(), b"1", Some("v1"));
        let only = select(&one, &Selector::Any);
        assert!(matches!(only, Ok(Selected::Manifest(entry)) if entry.digest == Digest::of(b"1")));
        let two = add_new(&one, b"2", Some("v2"));
        assert!(matches!(
            select(&two, &Selector::Any),
            Err(LayoutError::NoSuchImage { .. })
        ));
        assert_eq!(select_name(&two, "v2"), Digest::of(b"2"));
    }

    #[test]
    fn selects_the_only_image_beside_what_was_made_of_it() {
        let one = add_new(&empty_index(), b"1", Some("v1"));
        let both = add_new(&one, b"converted", Some("v1-soci"));
        let is_converted = |entry: &Descriptor| entry.digest == Digest::of(b"converted");
        let select =
            |bytes: &[u8]| select_image(bytes, &Selector::Any, Path::new("x"), is_converted);
        let is_first = |selected| matches!(selected, Ok(Selected::Manifest(entry)) if entry.digest == Digest::of(b"1"));
        assert!(is_first(select(&both)));
        let tagged_as_it_is = add_new(&one, b"1", Some("v1-soci"));
        assert!(is_first(select(&tagged_as_it_is)));
        let alone = add_new(&empty_index(), b"converted", Some("v1-soci"));
        assert!(matches!(select(&alone), Ok(Selected::Manifest(_))));
        let three = add_new(&both, b"2", Some("v2"));
        assert!(matches!(
            select(&three),
            Err(LayoutError::NoSuchImage { .. })
        ));
    }

    #[test]
    fn moves_a_name_from_one_manifest_to_another() {
        let old = add_new(&empty_index(), b"2", Some("v2"));
        let moved = add_new(&old, b"3", Some("v2"));
        assert_eq!(select_name(&moved, "v2"), Digest::of(b"3"));
        assert!(add(&moved, &manifest(b"3"), Some("v2")).is_none());
    }

    #[test]
    fn selects_unnamed_manifests_as_the_platforms_of_one_image() {
        let flat = add_new(&add_new(&empty_index(), b"1", None), b"2", None);
        let selected = select(&flat, &Selector::Any);
        assert!(matches!(selected, Ok(Selected::Index(bytes)) if bytes == flat));
        let mut referrer = manifest(b"soci");
        referrer.artifact_type = Some(SOCI_INDEX_V1.to_owned());
        let indexed = add(&flat, &referrer, None).expect("a change");
        let Ok(Selected::Index(bytes)) = select(&indexed, &Selector::Any) else {
            panic!("expected an index")
        };
        let index = parse_index(&bytes, Path::new("x")).expect("an index");
        assert_eq!(index.manifests.len(), 2);
    }

    #[test]
    fn keeps_fields_of_other_tools() {
        let text = br#"{"schemaVersion":2,"mine":[1],"manifests":[{"mine":true}]}"#;
        let changed = add_new(text, b"1", None);
        let value: Value = serde_json::from_slice(&changed).expect("JSON");
        assert_eq!(value["mine"], json!([1]));
        assert_eq!(value["manifests"][0], json!({"mine": true}));
    }
}
