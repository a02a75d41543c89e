//! The list of a layout's images, `index.json`.

use std::fs::File;
use std::path::Path;
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use soci_oci::manifest::{MANIFEST_LIMIT, Root};
use soci_oci::media_type::{OCI_INDEX, is_soci_index};
use soci_oci::reference::Selector;
use soci_oci::{Descriptor, Index};

use crate::error::{Action, During as _, LayoutError};
use crate::layout::{Layout, not_a_layout};

/// On an entry of `index.json`: the name of the image.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// How long to wait between two tries to take a lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// How long the lock is waited for before somebody is told.
const LOCK_NOTICE: Duration = Duration::from_secs(1);

/// Said once that a file system has no locks.
static UNLOCKED: Once = Once::new();

/// What a selector means in a layout.
#[derive(Debug)]
pub enum Select {
    /// The manifest or index that this descriptor names.
    Entry(Box<Descriptor>),
    /// `index.json` itself, or the part of it with one name, is the image index. These are its bytes.
    Index(Vec<u8>),
}

/// Finds the image that `selector` means in the `index.json` of `place`.
///
/// Without a name, the only image is meant; the manifests of several platforms that stand there without a name are one
/// image. SOCI indexes, which refer to images, are not images.
///
/// # Errors
///
/// Fails where `bytes` is not an `index.json`, or no image, or more than one, is meant.
pub fn select(bytes: &[u8], selector: &Selector, place: &Path) -> Result<Select, LayoutError> {
    let index = match Root::parse(bytes, OCI_INDEX) {
        Ok(Root::Index(index)) => *index,
        Ok(Root::Manifest(_)) => return Err(not_a_layout(place, "its `index.json` is a manifest")),
        Err(error) => {
            return Err(not_a_layout(
                place,
                &format!("its `index.json` is malformed: {error}"),
            ));
        }
    };
    let listed = index.manifests.len();
    let image = |entry: &&Descriptor| !entry.artifact_type.as_deref().is_some_and(is_soci_index);
    let images: Vec<&Descriptor> = index.manifests.iter().filter(image).collect();
    let nameless = || {
        images
            .iter()
            .copied()
            .filter(|entry| !entry.annotations.contains_key(REF_NAME))
            .collect()
    };
    let chosen: Vec<&Descriptor> = match selector {
        Selector::Digest(digest) => {
            let first = index.manifests.iter().find(|entry| entry.digest == *digest);
            return first
                .cloned()
                .map(|entry| Select::Entry(Box::new(entry)))
                .ok_or_else(|| no_such_image(place, selector, &images));
        }
        Selector::Name(name) => images
            .iter()
            .copied()
            .filter(|entry| entry.annotations.get(REF_NAME) == Some(name))
            .collect(),
        Selector::Any if images.len() == 1 => images.clone(),
        Selector::Any => nameless(),
    };
    match chosen.as_slice() {
        [] => Err(no_such_image(place, selector, &images)),
        [entry] => Ok(Select::Entry(Box::new((*entry).clone()))),
        entries if entries.len() == listed => Ok(Select::Index(bytes.to_vec())),
        entries => {
            let manifests = entries.iter().map(|entry| (*entry).clone()).collect();
            Ok(Select::Index(
                Index {
                    media_type: OCI_INDEX.to_owned(),
                    manifests,
                    ..index.clone()
                }
                .to_bytes(),
            ))
        }
    }
}

/// Says which images there are instead of the one that was asked for.
fn no_such_image(place: &Path, selector: &Selector, images: &[&Descriptor]) -> LayoutError {
    let wanted = match selector {
        Selector::Any => "that is the only one".to_owned(),
        Selector::Name(name) => format!("of the name `{}`", name.escape_debug()),
        Selector::Digest(digest) => format!("of digest `{digest}`"),
    };
    let name = |entry: &&Descriptor| {
        entry
            .annotations
            .get(REF_NAME)
            .map_or_else(|| entry.digest.to_string(), Clone::clone)
    };
    let names: Vec<String> = images
        .iter()
        .take(10)
        .map(name)
        .map(|name| format!("`{}`", name.escape_debug()))
        .collect();
    let held = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    LayoutError::NoSuchImage {
        path: place.to_owned(),
        wanted,
        held,
    }
}

/// Enters an image into the text of an `index.json`; under a name, it takes the place of what had it. Everything else stays
/// as it is. Returns nothing where the image is there already.
pub(crate) fn enter(
    bytes: &[u8],
    descriptor: &Descriptor,
    name: Option<&str>,
    place: &Path,
) -> Result<Option<Vec<u8>>, LayoutError> {
    let malformed = |error| not_a_layout(place, &format!("its `index.json` is malformed: {error}"));
    let mut index: Value = serde_json::from_slice(bytes).map_err(malformed)?;
    let mut entry = descriptor.clone();
    if let Some(name) = name {
        entry
            .annotations
            .insert(REF_NAME.to_owned(), name.to_owned());
    }
    let entry = serde_json::to_value(entry).map_err(malformed)?;
    let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
        return Err(not_a_layout(place, "its `index.json` has no `manifests`"));
    };
    let digest = descriptor.digest.to_string();
    let named = |other: &Value| name.is_some() && other["annotations"][REF_NAME].as_str() == name;
    let there =
        |other: &Value| other["digest"] == digest.as_str() && (name.is_none() || named(other));
    if manifests.iter().any(there) {
        return Ok(None);
    }
    manifests.retain(|other| !named(other));
    manifests.push(entry);
    Ok(Some(index.to_string().into_bytes()))
}

/// Returns an `index.json` that lists nothing.
pub(crate) fn empty() -> Vec<u8> {
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []})
        .to_string()
        .into_bytes()
}

impl Layout {
    /// Returns the bytes of `index.json`.
    ///
    /// # Errors
    ///
    /// Fails where the file cannot be read, or is longer than an index may be.
    pub fn index(&self) -> Result<Vec<u8>, LayoutError> {
        let path = self.root().join("index.json");
        let mut bytes = Vec::new();
        let file = File::open(&path).during(Action::Read, &path)?;
        std::io::Read::read_to_end(
            &mut std::io::Read::take(file, MANIFEST_LIMIT + 1),
            &mut bytes,
        )
        .during(Action::Read, &path)?;
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(not_a_layout(
                self.root(),
                "its `index.json` is longer than 4 MiB",
            ));
        }
        Ok(bytes)
    }

    /// Enters an image into `index.json`; under a name, it takes the place of what had it. Returns whether that changed
    /// anything.
    ///
    /// # Errors
    ///
    /// Fails where `index.json` is malformed, locked for too long, or cannot be written.
    pub fn enter(&self, descriptor: &Descriptor, name: Option<&str>) -> Result<bool, LayoutError> {
        let _lock = self.lock()?;
        let Some(changed) = enter(&self.index()?, descriptor, name, self.root())? else {
            return Ok(false);
        };
        self.publish(&self.root().join("index.json"), &changed)?;
        Ok(true)
    }

    /// Makes an empty `index.json` where there is none.
    pub(crate) fn initialize_index(&self) -> Result<(), LayoutError> {
        let path = self.root().join("index.json");
        if path.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        if path.exists() {
            Ok(())
        } else {
            self.publish(&path, &empty())
        }
    }

    /// Waits for the lock under which `index.json` changes. It goes with the process that holds it.
    fn lock(&self) -> Result<File, LayoutError> {
        // The marker never changes, so its lock serves the layout without a file of its own.
        let path = self.root().join("oci-layout");
        let file = File::open(&path).during(Action::Read, &path)?;
        let started = Instant::now();
        let mut said = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(std::fs::TryLockError::WouldBlock) if started.elapsed() < self.patience => {
                    if !said && started.elapsed() >= LOCK_NOTICE {
                        said = true;
                        let seconds = self.patience.as_secs_f64();
                        tracing::warn!(target: "soci", "waiting for the lock of `{}`, for {seconds} s at the most", path.display());
                    }
                    std::thread::sleep(LOCK_PAUSE);
                }
                Err(std::fs::TryLockError::Error(error)) if is_no_lock(&error) => {
                    UNLOCKED.call_once(|| {
                        tracing::warn!(target: "soci", "`{}` cannot be locked, so what others write there at the same time may be lost: {error}", path.display());
                    });
                    return Ok(file);
                }
                Err(error) => return Err(error.into()).during(Action::Lock, &path),
            }
        }
    }
}

/// Says whether the file system has no locks at all.
fn is_no_lock(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::Unsupported
        || error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_document::{Classify as _, Exit};
    use soci_oci::Digest;
    use soci_oci::media_type::{OCI_MANIFEST, SOCI_INDEX_V1};

    fn manifest(content: &[u8]) -> Descriptor {
        Descriptor::of(OCI_MANIFEST, content)
    }

    fn any(bytes: &[u8]) -> Result<Select, LayoutError> {
        select(bytes, &Selector::Any, Path::new("x"))
    }

    fn entered(bytes: &[u8], content: &[u8], name: Option<&str>) -> Vec<u8> {
        enter(bytes, &manifest(content), name, Path::new("x"))
            .expect("an index")
            .expect("a change")
    }

    #[test]
    fn takes_the_only_image_or_the_named_one() {
        let one = entered(&empty(), b"1", Some("v1"));
        assert!(matches!(any(&one), Ok(Select::Entry(entry)) if entry.digest == Digest::of(b"1")));
        let two = entered(&one, b"2", Some("v2"));
        assert!(matches!(any(&two), Err(LayoutError::NoSuchImage { .. })));
        let named = select(&two, &Selector::Name("v2".to_owned()), Path::new("x"));
        assert!(matches!(named, Ok(Select::Entry(entry)) if entry.digest == Digest::of(b"2")));
        let moved = entered(&two, b"3", Some("v2"));
        let named = select(&moved, &Selector::Name("v2".to_owned()), Path::new("x"));
        assert!(matches!(named, Ok(Select::Entry(entry)) if entry.digest == Digest::of(b"3")));
        assert!(
            enter(&moved, &manifest(b"3"), Some("v2"), Path::new("x"))
                .expect("an index")
                .is_none()
        );
    }

    #[test]
    fn takes_the_platforms_of_one_image_together() {
        let flat = entered(&entered(&empty(), b"1", None), b"2", None);
        assert!(matches!(any(&flat), Ok(Select::Index(bytes)) if bytes == flat));
        let mut referrer = manifest(b"soci");
        referrer.artifact_type = Some(SOCI_INDEX_V1.to_owned());
        let indexed = enter(&flat, &referrer, None, Path::new("x"))
            .expect("an index")
            .expect("a change");
        let Ok(Select::Index(bytes)) = any(&indexed) else {
            panic!("still the image")
        };
        let Ok(Root::Index(index)) = Root::parse(&bytes, OCI_INDEX) else {
            panic!("an index")
        };
        assert_eq!(index.manifests.len(), 2);
    }

    #[test]
    fn keeps_what_others_wrote() {
        let text = br#"{"schemaVersion":2,"mine":[1],"manifests":[{"mine":true}]}"#;
        let changed = entered(text, b"1", None);
        let value: Value = serde_json::from_slice(&changed).expect("JSON");
        assert_eq!(value["mine"], json!([1]));
        assert_eq!(value["manifests"][0], json!({"mine": true}));
    }

    #[test]
    fn f7_a_lock_that_is_held_is_waited_for_and_not_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut layout = Layout::open_or_create(folder.path()).expect("a layout");
        layout.patience = Duration::from_millis(50);
        let holder = layout.lock().expect("the lock");
        let error = layout.enter(&manifest(b"1"), None).expect_err("it is held");
        assert_eq!(error.exit(), Exit::TryAgain);
        assert!(error.to_string().contains("oci-layout"), "{error}");
        // The lock of a process that is gone is gone with it.
        drop(holder);
        assert!(layout.enter(&manifest(b"1"), None).expect("entered"));
    }

    #[test]
    fn loses_no_entry_of_another_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        std::thread::scope(|scope| {
            for writer in 0..8u8 {
                let root = folder.path().to_owned();
                scope.spawn(move || {
                    let layout = Layout::open_or_create(&root).expect("a layout");
                    for entry in 0..10u8 {
                        assert!(
                            layout
                                .enter(&manifest(&[writer, entry]), None)
                                .expect("entered")
                        );
                    }
                });
            }
        });
        let bytes = Layout::open(folder.path())
            .and_then(|layout| layout.index())
            .expect("an index");
        let Ok(Root::Index(index)) = Root::parse(&bytes, OCI_INDEX) else {
            panic!("an index")
        };
        assert_eq!(index.manifests.len(), 80);
    }
}
