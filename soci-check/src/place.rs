//! Where an image and its SOCI indexes are read from.

use soci_cli::Failure;
use soci_document::{Classify, Exit};
use soci_layout::{Layout, LayoutError};
use soci_oci::manifest::{MANIFEST_LIMIT, Root};
use soci_oci::media_type::SOCI_INDEX_V1;
use soci_oci::{Descriptor, Digest};
use soci_transport::{BlobPresence, Source};

/// Where an image and its SOCI indexes are read from.
#[derive(Clone)]
pub(crate) enum Place {
    /// A registry, layout or archive.
    Source(Source),
    /// The store, which has what `soci-index` made.
    Store(Layout),
}

/// What came of reading a manifest or a blob. What is wrong with it is a finding, and not a failure
/// of the tool.
pub(crate) enum Fetched<T> {
    Found(T),
    /// It does not exist.
    Missing,
    /// It is not what its descriptor says, or is malformed. The text says how.
    Damaged(String),
}

impl Place {
    /// Reads and parses a manifest or index.
    pub(crate) fn read_manifest(
        &self,
        descriptor: &Descriptor,
    ) -> Result<Fetched<(Root, Vec<u8>)>, Failure> {
        let read = match self {
            Self::Source(source) => judge(source.read_manifest(descriptor))?,
            Self::Store(store) => judge(read_stored(store, descriptor, MANIFEST_LIMIT))?,
        };
        Ok(match flatten(read, descriptor) {
            Fetched::Found(bytes) => match Root::parse(&bytes, &descriptor.media_type) {
                Ok(root) => Fetched::Found((root, bytes)),
                Err(error) => Fetched::Damaged(describe(&error)),
            },
            Fetched::Missing => Fetched::Missing,
            Fetched::Damaged(how) => Fetched::Damaged(how),
        })
    }

    /// Returns the descriptor of a manifest of which only the digest is known. The store finds
    /// none, because its files are found by their size as well.
    pub(crate) fn find_manifest(&self, digest: Digest) -> Result<Fetched<Descriptor>, Failure> {
        match self {
            Self::Source(source) => {
                let read = judge(source.with_digest(digest).read_root())?;
                Ok(match read {
                    Fetched::Found((descriptor, _)) => Fetched::Found(descriptor),
                    Fetched::Missing => Fetched::Missing,
                    Fetched::Damaged(how) => Fetched::Damaged(how),
                })
            }
            Self::Store(_) => Ok(Fetched::Missing),
        }
    }

    /// Reads a blob of at most `limit` bytes.
    pub(crate) fn read_blob(
        &self,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Fetched<Vec<u8>>, Failure> {
        let read = match self {
            Self::Source(source) => judge(source.read_blob(descriptor, limit))?,
            Self::Store(store) => judge(read_stored(store, descriptor, limit))?,
        };
        Ok(flatten(read, descriptor))
    }

    /// Looks for a blob without reading it.
    pub(crate) fn find_blob(&self, descriptor: &Descriptor) -> Result<Fetched<()>, Failure> {
        let found = match self {
            Self::Source(source) => source.find_blob(descriptor),
            Self::Store(store) if store.has_blob(descriptor) => Ok(BlobPresence::Present),
            Self::Store(_) => Ok(BlobPresence::Absent),
        };
        Ok(match judge(found)? {
            Fetched::Found(BlobPresence::OfSize(size)) if size != descriptor.size => {
                Fetched::Damaged(wrong_size(size, descriptor))
            }
            Fetched::Found(BlobPresence::OfSize(_) | BlobPresence::Present) => Fetched::Found(()),
            Fetched::Found(BlobPresence::Absent) | Fetched::Missing => Fetched::Missing,
            Fetched::Damaged(how) => Fetched::Damaged(how),
        })
    }

    /// Returns the SOCI indexes of version 1 that name a manifest as their subject. The store has
    /// no list of them.
    pub(crate) fn list_version_1(&self, subject: Digest) -> Result<Vec<Descriptor>, Failure> {
        match self {
            Self::Source(source) => Ok(source.list_referrers(subject, SOCI_INDEX_V1)?),
            Self::Store(_) => Ok(Vec::new()),
        }
    }
}

fn read_stored(
    store: &Layout,
    descriptor: &Descriptor,
    limit: u64,
) -> Result<Option<Vec<u8>>, LayoutError> {
    match store.read_blob(descriptor, limit) {
        Err(LayoutError::NoSuchBlob { .. }) => Ok(None),
        read => read.map(Some),
    }
}

/// Returns what was read, if it exists and has the size and digest of its descriptor.
fn flatten(read: Fetched<Option<Vec<u8>>>, descriptor: &Descriptor) -> Fetched<Vec<u8>> {
    match read {
        Fetched::Found(Some(bytes)) if bytes.len() as u64 != descriptor.size => {
            Fetched::Damaged(wrong_size(bytes.len() as u64, descriptor))
        }
        Fetched::Found(Some(bytes)) => match descriptor.digest.same_algorithm(&bytes) {
            found if found == descriptor.digest => Fetched::Found(bytes),
            found => Fetched::Damaged(format!("its digest is `{found}`")),
        },
        Fetched::Found(None) | Fetched::Missing => Fetched::Missing,
        Fetched::Damaged(how) => Fetched::Damaged(how),
    }
}

/// Turns an error that is the fault of what was read into a finding.
fn judge<T, E: Classify + Send + Sync + 'static>(
    read: Result<T, E>,
) -> Result<Fetched<T>, Failure> {
    match read {
        Ok(found) => Ok(Fetched::Found(found)),
        Err(error) => match error.exit() {
            Exit::BadData => Ok(Fetched::Damaged(describe(&error))),
            Exit::NotFound => Ok(Fetched::Missing),
            _ => Err(error.into()),
        },
    }
}

fn wrong_size(found: u64, expected: &Descriptor) -> String {
    format!("{found} bytes, expected {}", expected.size)
}

/// Returns an error with its causes.
pub(crate) fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
