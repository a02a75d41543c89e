//! Finds out what each file of a store is, and which other files it needs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use soci_cli::Failure;
use soci_document::Exit;
use soci_layout::{PrunableStore, StoreFile, StoredFile};
use soci_oci::manifest::{MANIFEST_LIMIT, Root};
use soci_oci::media_type::{OCI_INDEX, SOCI_INDEX_V2, is_soci_index};
use soci_oci::{Descriptor, Digest, Index, Manifest};

use crate::file::{File, Kind};
use crate::sniff::{Content, sniff};

/// The maximum size in bytes of an entry of the cache of ztocs.
const MAX_CACHE_ENTRY: u64 = 64 << 10;

/// The part of an entry of the cache of ztocs that names a blob. The entry of a layer without ztoc
/// has none.
#[derive(Deserialize)]
struct CacheEntry {
    #[serde(default)]
    ztoc: Option<NamedBlob>,
}

#[derive(Deserialize)]
struct NamedBlob {
    digest: Digest,
}

/// The files of a store while their relations are being read.
struct Inventory<'a> {
    store: &'a PrunableStore,
    files: Vec<File>,
    /// The position of each blob in `files`.
    blobs: BTreeMap<Digest, usize>,
    /// The layers of each manifest, by the position of the manifest.
    layers: BTreeMap<usize, Vec<usize>>,
    /// The image indexes that list SOCI indexes of version 2.
    converted: BTreeSet<usize>,
}

/// Returns all files of a store, each with what it is and what it needs.
///
/// # Errors
///
/// Returns an error if a directory of the store or its `index.json` cannot be read. A blob that
/// cannot be read needs nothing.
pub(crate) fn read_files(store: &PrunableStore) -> Result<Vec<File>, Failure> {
    let mut inventory = Inventory::list(store)?;
    inventory.read_manifests();
    inventory.read_cache_entries();
    inventory.find_layers();
    inventory.mark_listed()?;
    inventory.mark_indexed();
    let mut files = inventory.files;
    spread_last_use(&mut files);
    find_depths(&mut files);
    share_fate_with_ztocs(&mut files);
    Ok(files)
}

impl<'a> Inventory<'a> {
    fn list(store: &'a PrunableStore) -> Result<Self, Failure> {
        let mut files = Vec::new();
        let mut blobs = BTreeMap::new();
        for stored in store.files()? {
            let kind = match stored.name {
                StoreFile::Blob(digest) => {
                    blobs.insert(digest, files.len());
                    Kind::Other
                }
                StoreFile::CacheEntry(_) => Kind::CacheEntry,
                StoreFile::Unfinished(_) => Kind::Unfinished,
            };
            files.push(File::new(stored, kind));
        }
        Ok(Self {
            store,
            files,
            blobs,
            layers: BTreeMap::new(),
            converted: BTreeSet::new(),
        })
    }

    /// Reads the manifests and indexes among the blobs, and enters what they name.
    fn read_manifests(&mut self) {
        for position in 0..self.files.len() {
            let stored = &self.files[position].stored;
            match self.parse_manifest(stored) {
                Some(Root::Index(index)) => self.add_index(position, &index),
                Some(Root::Manifest(manifest)) if is_soci(&manifest) => {
                    self.add_soci_index(position, &manifest);
                }
                Some(Root::Manifest(manifest)) => self.add_manifest(position, &manifest),
                None => {}
            }
        }
    }

    /// Returns the manifest or index in a blob, if it is one and undamaged.
    fn parse_manifest(&self, stored: &StoredFile) -> Option<Root> {
        let StoreFile::Blob(digest) = stored.name else {
            return None;
        };
        let blob = Descriptor::new("", digest, stored.size);
        if stored.size > MANIFEST_LIMIT || sniff(self.store, &blob) != Content::Json {
            return None;
        }
        let bytes = self.store.layout().read_blob(&blob, MANIFEST_LIMIT).ok()?;
        Root::parse(&bytes, "").ok()
    }

    fn add_index(&mut self, position: usize, index: &Index) {
        let is_soci = |entry: &Descriptor| entry.artifact_type.as_deref() == Some(SOCI_INDEX_V2);
        if index.manifests.iter().any(is_soci) {
            self.converted.insert(position);
        }
        let file = &mut self.files[position];
        file.kind = Kind::Manifest;
        file.needs = find_blobs(&self.blobs, index.manifests.iter().chain(&index.subject));
    }

    fn add_soci_index(&mut self, position: usize, manifest: &Manifest) {
        let ztocs = find_blobs(&self.blobs, manifest.layers());
        let others = manifest.config.iter().chain(&manifest.subject);
        let mut needs = find_blobs(&self.blobs, others);
        needs.extend(&ztocs);
        self.set_kinds(ztocs, Kind::Ztoc);
        self.set_kinds(find_blobs(&self.blobs, &manifest.config), Kind::Config);
        self.files[position].kind = Kind::SociIndex;
        self.files[position].needs = needs;
    }

    fn add_manifest(&mut self, position: usize, manifest: &Manifest) {
        let others = manifest.config.iter().chain(&manifest.subject);
        let needs = find_blobs(&self.blobs, others);
        self.set_kinds(find_blobs(&self.blobs, &manifest.config), Kind::Config);
        self.files[position].kind = Kind::Manifest;
        self.files[position].needs = needs;
        let layers = find_blobs(&self.blobs, manifest.layers());
        self.layers.insert(position, layers);
    }

    /// Sets the kind of blobs of which no other is known.
    fn set_kinds(&mut self, positions: Vec<usize>, kind: Kind) {
        for position in positions {
            let file = &mut self.files[position];
            if file.kind == Kind::Other {
                file.kind = kind;
            }
        }
    }

    /// Reads the entries of the cache of ztocs, each of which needs its ztoc.
    fn read_cache_entries(&mut self) {
        for position in 0..self.files.len() {
            let StoreFile::CacheEntry(key) = self.files[position].stored.name else {
                continue;
            };
            let bytes = self.store.read_cache_entry(key, MAX_CACHE_ENTRY);
            let entry = bytes.and_then(|bytes| serde_json::from_slice::<CacheEntry>(&bytes).ok());
            let ztoc = entry.and_then(|entry| entry.ztoc);
            let ztoc = ztoc.and_then(|ztoc| self.blobs.get(&ztoc.digest).copied());
            if let Some(ztoc) = ztoc {
                self.files[position].needs.push(ztoc);
                self.set_kinds(vec![ztoc], Kind::Ztoc);
            }
        }
    }

    /// Finds the layers: the blobs that manifests name as such, or whose first bytes are those of a
    /// layer. A blob that is needed for another purpose is no layer, even if a manifest lists it.
    fn find_layers(&mut self) {
        let named = self.layers.values().flatten().copied().collect();
        self.set_kinds(named, Kind::Layer);
        for file in &mut self.files {
            if let (Kind::Other, StoreFile::Blob(digest)) = (file.kind, &file.stored.name) {
                let blob = Descriptor::new("", *digest, file.stored.size);
                if sniff(self.store, &blob) == Content::Layer {
                    file.kind = Kind::Layer;
                }
            }
        }
    }

    /// Marks the images that `index.json` lists, with their layers: a user has put them there.
    fn mark_listed(&mut self) -> Result<(), Failure> {
        let bytes = self.store.layout().read_index()?;
        let listed = match Root::parse(&bytes, OCI_INDEX) {
            Ok(Root::Index(index)) => find_blobs(&self.blobs, &index.manifests),
            Ok(Root::Manifest(_)) => Vec::new(),
            Err(error) => {
                let failure = Failure::new(Exit::BadData, error);
                return Err(failure.context("the `index.json` of the store is malformed"));
            }
        };
        let mut remaining = listed;
        while let Some(position) = remaining.pop() {
            let file = &mut self.files[position];
            if !std::mem::replace(&mut file.is_listed, true) {
                remaining.extend(&file.needs);
                remaining.extend(self.layers.get(&position).into_iter().flatten());
            }
        }
        Ok(())
    }

    /// Marks the SOCI indexes, and what they need.
    fn mark_indexed(&mut self) {
        let is_index = |(position, file): &(usize, &File)| {
            matches!(file.kind, Kind::SociIndex | Kind::CacheEntry)
                || self.converted.contains(position)
        };
        let indexes = self.files.iter().enumerate().filter(is_index);
        let mut remaining: Vec<usize> = indexes.map(|(position, _)| position).collect();
        while let Some(position) = remaining.pop() {
            let file = &mut self.files[position];
            if !std::mem::replace(&mut file.is_indexed, true) {
                remaining.extend(&file.needs);
            }
        }
    }
}

/// Returns the positions of the blobs that are in the store.
fn find_blobs<'d>(
    blobs: &BTreeMap<Digest, usize>,
    descriptors: impl IntoIterator<Item = &'d Descriptor>,
) -> Vec<usize> {
    let digests = descriptors.into_iter().map(|descriptor| descriptor.digest);
    digests
        .filter_map(|digest| blobs.get(&digest).copied())
        .collect()
}

/// Returns whether a manifest is a SOCI index.
fn is_soci(manifest: &Manifest) -> bool {
    let config = manifest.config.as_ref();
    config.is_some_and(|config| is_soci_index(&config.media_type))
        || manifest.artifact_type.as_deref().is_some_and(is_soci_index)
}

/// Makes the last use of each file that of the files that need it, if those were used later.
fn spread_last_use(files: &mut [File]) {
    let mut latest_first: Vec<usize> = (0..files.len()).collect();
    latest_first.sort_by_key(|position| std::cmp::Reverse(files[*position].stored.last_use));
    let mut is_visited = vec![false; files.len()];
    for start in latest_first {
        let last_use = files[start].stored.last_use;
        let mut remaining = vec![start];
        while let Some(position) = remaining.pop() {
            if !std::mem::replace(&mut is_visited[position], true) {
                files[position].last_use = last_use;
                remaining.extend(&files[position].needs);
            }
        }
    }
}

/// Finds the depth of each file. Digests make it impossible that files need each other in a circle;
/// the number of rounds is bounded nevertheless.
fn find_depths(files: &mut [File]) {
    for _ in 0..files.len() {
        let mut is_changed = false;
        for position in 0..files.len() {
            let depth = files[position].depth + 1;
            for number in 0..files[position].needs.len() {
                let needed = files[position].needs[number];
                if files[needed].depth < depth {
                    files[needed].depth = depth;
                    is_changed = true;
                }
            }
        }
        if !is_changed {
            break;
        }
    }
}

/// Keeps the entries of the cache of ztocs for as long as their ztocs: without the entry, the next
/// run would build the ztoc again.
fn share_fate_with_ztocs(files: &mut [File]) {
    for position in 0..files.len() {
        if files[position].kind == Kind::CacheEntry
            && let Some(ztoc) = files[position].needs.first().copied()
        {
            files[position].last_use = files[ztoc].last_use;
            files[position].is_listed = files[ztoc].is_listed;
        }
    }
}
