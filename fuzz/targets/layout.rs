//! Image layouts in directories and tars, and archives of Docker.
#![no_main]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use soci_fuzz::{Input, repair_checksums};
use soci_layout::{Archive, DockerArchive, Layout, LayoutError, ReadLayout, Selected};
use soci_oci::manifest::Root;
use soci_oci::reference::Selector;
use soci_oci::{Descriptor, Digest};
use tempfile::TempDir;

/// The most bytes of a blob that are read.
const LIMIT: u64 = 1 << 20;

fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let mode = input.byte();
    let folder = folder();
    match mode % 3 {
        0 | 1 => {
            let mut tar = input.rest().to_vec();
            repair_checksums(&mut tar);
            let path = folder.join("archive.tar");
            fs::write(&path, &tar).expect("a file in memory");
            if mode % 3 == 0 {
                read(Archive::open(&path));
            } else {
                read(DockerArchive::open(&path));
            }
        }
        _ => {
            let root = folder.join("layout");
            drop(fs::remove_dir_all(&root));
            fs::create_dir_all(root.join("blobs/sha256")).expect("a folder in memory");
            for name in ["oci-layout", "index.json"] {
                fs::write(root.join(name), input.until(0)).expect("a file in memory");
            }
            let blob = input.rest();
            let name = Digest::of(blob).hex();
            fs::write(root.join("blobs/sha256").join(name), blob).expect("a file in memory");
            read(Layout::open(&root));
        }
    }
});

/// Returns a folder in memory.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let create = || {
        let parent = ["/dev/shm", "/tmp"]
            .map(PathBuf::from)
            .into_iter()
            .find(|path| path.is_dir());
        TempDir::new_in(parent.unwrap_or_default()).expect("a temporary folder")
    };
    FOLDER.get_or_init(create).path()
}

/// Reads the images in a layout and what they list.
fn read<L: ReadLayout>(layout: Result<L, LayoutError>) {
    let layout = match layout {
        Ok(layout) => layout,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let selectors = [
        Selector::Any,
        Selector::Name("latest".to_owned()),
        Selector::Digest(Digest::of(b"")),
    ];
    for selector in selectors {
        match layout.select(&selector) {
            Ok(Selected::Manifest(descriptor)) => read_manifest(&layout, &descriptor, 0),
            Ok(Selected::Index(bytes)) => read_entries(&layout, &bytes, "", 0),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn read_manifest(layout: &impl ReadLayout, descriptor: &Descriptor, depth: u32) {
    let _exists = layout.has_blob(descriptor);
    let Ok(bytes) = layout.read_blob(descriptor, LIMIT) else {
        return;
    };
    assert_eq!(bytes.len() as u64, descriptor.size);
    assert_eq!(descriptor.digest.same_algorithm(&bytes), descriptor.digest);
    read_entries(layout, &bytes, &descriptor.media_type, depth);
}

fn read_entries(layout: &impl ReadLayout, bytes: &[u8], media_type: &str, depth: u32) {
    match Root::parse(bytes, media_type) {
        Ok(Root::Manifest(manifest)) => {
            for blob in manifest.config.iter().chain(manifest.layers()) {
                drop(layout.read_blob(blob, LIMIT));
            }
        }
        Ok(Root::Index(index)) if depth < 2 => {
            for entry in index.manifests.iter().take(8) {
                read_manifest(layout, entry, depth + 1);
            }
        }
        _ => {}
    }
}
