//! Writing images.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use soci_document::ReferrersVia;
use soci_layout::{ArchiveWriter, Layout, LayoutError, Select};
use soci_oci::manifest::MANIFEST_LIMIT;
use soci_oci::reference::Selector;
use soci_oci::{Descriptor, Digest, Reference};
use soci_registry::{ManifestName, PushedBlob, RegistryError, Repository};

use crate::referrers::{self, Referrers};
use crate::{Session, Source, TransportError};

/// A place to write images to.
pub enum Destination {
    /// A repository of a registry.
    Registry {
        /// What drives the network.
        session: Session,
        /// The repository.
        repository: Repository,
    },
    /// An OCI image layout.
    Layout(Layout),
    /// An OCI image layout in a tar, which changes when all is written.
    Archive(Mutex<ArchiveWriter>),
}

/// What a place did with a manifest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PutManifest {
    /// Kept it.
    Kept,
    /// Kept it, and will list it as a referrer of its subject.
    KeptAsReferrer,
}

impl Destination {
    /// Opens the place of `reference`; a layout or archive is made where there is none. A registry is not spoken to yet.
    ///
    /// # Errors
    ///
    /// Fails where the layout or archive cannot be written, or the client's options are malformed.
    pub fn open(session: &Session, reference: &Reference) -> Result<Self, TransportError> {
        Ok(match reference {
            Reference::Registry(reference) => Self::Registry {
                session: session.clone(),
                repository: session
                    .client()?
                    .repository(reference)
                    .map_err(RegistryError::from)?,
            },
            Reference::Layout { path, .. } => Self::Layout(Layout::open_or_create(path)?),
            Reference::Archive { path, .. } => {
                Self::Archive(Mutex::new(ArchiveWriter::create(path)?))
            }
        })
    }

    /// Says whether the place holds the blob `descriptor`, which in a layout is read to its end.
    ///
    /// # Errors
    ///
    /// Fails where the registry does not say.
    pub fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        match self {
            Self::Registry {
                session,
                repository,
            } => Ok(session.block_on(repository.blob_exists(descriptor.digest))??),
            // A damaged one is written anew.
            Self::Layout(layout) => Ok(layout.has(descriptor) && layout.verify(descriptor).is_ok()),
            Self::Archive(archive) => Ok(locked(archive).has(descriptor)),
        }
    }

    /// Says whether the place holds the manifest `descriptor`.
    ///
    /// # Errors
    ///
    /// Fails where the registry does not say.
    pub fn has_manifest(&self, descriptor: &Descriptor) -> Result<bool, TransportError> {
        match self {
            Self::Registry {
                session,
                repository,
            } => {
                let name = ManifestName::Digest(descriptor.digest);
                Ok(session
                    .block_on(repository.resolve_digest(name))??
                    .is_some())
            }
            _ => self.has_blob(descriptor),
        }
    }

    /// Writes a blob that is in memory.
    ///
    /// # Errors
    ///
    /// Fails where the place does not take it.
    pub fn put_blob(&self, descriptor: &Descriptor, bytes: Vec<u8>) -> Result<(), TransportError> {
        match self {
            Self::Registry {
                session,
                repository,
            } => Ok(session.block_on(repository.push_blob(descriptor, bytes.into()))??),
            Self::Layout(layout) => {
                let mut writer = layout.blob_writer(descriptor)?;
                writer.write(&bytes)?;
                Ok(writer.commit()?)
            }
            Self::Archive(archive) => {
                let mut rest = bytes.as_slice();
                locked(archive).append(descriptor, |buffer| {
                    std::io::Read::read(&mut rest, buffer)
                        .map_err(|source| unreadable(source).into())
                })
            }
        }
    }

    /// Copies a blob from `source`. Within one registry it is mounted where the registry offers that. Returns the bytes that
    /// were sent.
    ///
    /// # Errors
    ///
    /// Fails where the blob cannot be read, is not what its descriptor says, or the place does not take it.
    pub fn copy_blob(
        &self,
        descriptor: &Descriptor,
        source: &Source,
        from: &Reference,
    ) -> Result<u64, TransportError> {
        match self {
            Self::Registry {
                session,
                repository,
            } => {
                let content = source.content(descriptor);
                let from = match (source, from) {
                    (Source::Registry(..), Reference::Registry(from))
                        if repository.reference().registry == from.registry =>
                    {
                        &from.repository
                    }
                    _ => {
                        session.block_on(repository.push_blob_stream(descriptor, &content))??;
                        return Ok(descriptor.size);
                    }
                };
                let copied = session
                    .block_on(repository.mount_or_push_blob(descriptor, from, &content))??;
                if copied == PushedBlob::Mounted {
                    return Ok(0);
                }
            }
            Self::Layout(layout) => {
                let mut writer = layout.blob_writer(descriptor)?;
                let mut reader = source.blob(descriptor)?;
                while let Some(piece) = reader.next_piece()? {
                    writer.write(&piece)?;
                }
                writer.commit()?;
            }
            Self::Archive(archive) => {
                let mut reader = source.blob(descriptor)?;
                let mut piece = Bytes::new();
                locked(archive).append(descriptor, |buffer| {
                    if piece.is_empty() {
                        piece = reader.next_piece()?.unwrap_or_default();
                    }
                    let now = piece.split_to(piece.len().min(buffer.len()));
                    buffer[..now.len()].copy_from_slice(&now);
                    Ok::<_, TransportError>(now.len())
                })?;
            }
        }
        Ok(descriptor.size)
    }

    /// Writes a manifest under its digest.
    ///
    /// # Errors
    ///
    /// Fails where the place does not take it.
    pub fn put_manifest(
        &self,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<PutManifest, TransportError> {
        let Self::Registry {
            session,
            repository,
        } = self
        else {
            return self
                .put_blob(descriptor, bytes.to_vec())
                .map(|()| PutManifest::Kept);
        };
        let name = ManifestName::Digest(descriptor.digest);
        let bytes = Bytes::copy_from_slice(bytes);
        let pushed =
            session.block_on(repository.push_manifest(name, &descriptor.media_type, bytes))??;
        Ok(if pushed.subject_processed {
            PutManifest::KeptAsReferrer
        } else {
            PutManifest::Kept
        })
    }

    /// Waits before `manifest` is written again, whose blobs the place did not know in try `count`
    /// ([`TransportError::is_blob_unknown`]).
    ///
    /// # Errors
    ///
    /// Fails where the runtime is gone.
    pub fn wait_for_blobs(&self, manifest: Digest, count: u32) -> Result<(), TransportError> {
        match self {
            Self::Registry {
                session,
                repository,
            } => session.block_on(repository.wait_for_blobs(manifest, count)),
            Self::Layout(_) | Self::Archive(_) => Ok(()),
        }
    }

    /// Returns the digest that `tag` names now.
    ///
    /// # Errors
    ///
    /// Fails where the registry does not say, or the layout is malformed.
    pub fn tagged(&self, tag: &str) -> Result<Option<Digest>, TransportError> {
        let index = match self {
            Self::Registry {
                session,
                repository,
            } => {
                return Ok(session.block_on(repository.resolve_digest(ManifestName::Tag(tag)))??);
            }
            Self::Layout(layout) => layout.index()?,
            Self::Archive(archive) => locked(archive).index().to_vec(),
        };
        match soci_layout::select(
            &index,
            &Selector::Name(tag.to_owned()),
            std::path::Path::new(""),
        ) {
            Ok(Select::Entry(entry)) => Ok(Some(entry.digest)),
            Ok(Select::Index(bytes)) => Ok(Some(Digest::of(&bytes))),
            Err(LayoutError::NoSuchImage { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the name `tag` to a manifest or index that the place holds.
    ///
    /// # Errors
    ///
    /// Fails where the place does not take it.
    pub fn tag(
        &self,
        tag: &str,
        descriptor: &Descriptor,
        bytes: &[u8],
    ) -> Result<(), TransportError> {
        match self {
            Self::Registry {
                session,
                repository,
            } => {
                let bytes = Bytes::copy_from_slice(bytes);
                session.block_on(repository.push_manifest(
                    ManifestName::Tag(tag),
                    &descriptor.media_type,
                    bytes,
                ))??;
            }
            Self::Layout(layout) => _ = layout.enter(&descriptor.reduced(), Some(tag))?,
            Self::Archive(archive) => {
                _ = locked(archive).enter(&descriptor.reduced(), Some(tag))?;
            }
        }
        Ok(())
    }

    /// Returns the manifests of type `artifact_type` that refer to `subject`, and how they were found.
    ///
    /// # Errors
    ///
    /// Fails where the registry does not say, or the layout is malformed.
    pub fn referrers(
        &self,
        subject: Digest,
        artifact_type: &str,
    ) -> Result<Referrers, TransportError> {
        let index = match self {
            Self::Registry {
                session,
                repository,
            } => {
                let found =
                    session.block_on(repository.list_referrers(subject, artifact_type))??;
                return Ok(Referrers {
                    descriptors: found.descriptors,
                    via: found.via,
                });
            }
            Self::Layout(layout) => layout.index()?,
            Self::Archive(archive) => locked(archive).index().to_vec(),
        };
        let read = |entry: &Descriptor| match self {
            Self::Layout(layout) => layout.read_blob(entry, MANIFEST_LIMIT).ok(),
            _ => None,
        };
        Ok(Referrers {
            descriptors: referrers::listed(&index, subject, artifact_type, read),
            via: ReferrersVia::Api,
        })
    }

    /// Lets readers find `referrer` from `subject`, where the place does not see to it by itself. `listed` is what
    /// [`Self::referrers`] has said of that subject, where it was asked: then it is not asked again.
    ///
    /// # Errors
    ///
    /// Fails where the place does not take it.
    pub fn add_referrer(
        &self,
        subject: Digest,
        referrer: &Descriptor,
        put: PutManifest,
        listed: Option<Referrers>,
    ) -> Result<ReferrersVia, TransportError> {
        match (self, put) {
            (_, PutManifest::KeptAsReferrer) => {}
            (
                Self::Registry {
                    session,
                    repository,
                },
                PutManifest::Kept,
            ) => {
                let artifact_type = referrer.artifact_type.as_deref().unwrap_or_default();
                let listed = match listed {
                    Some(listed) => listed,
                    None => self.referrers(subject, artifact_type)?,
                };
                if listed.via == ReferrersVia::Api {
                    return Ok(ReferrersVia::Api);
                }
                if !listed.holds(referrer.digest) {
                    let added = repository.add_to_referrers_tag(subject, referrer.clone());
                    session.block_on(added)??;
                }
                return Ok(ReferrersVia::Tag);
            }
            (Self::Layout(layout), PutManifest::Kept) => _ = layout.enter(referrer, None)?,
            (Self::Archive(archive), PutManifest::Kept) => {
                _ = locked(archive).enter(referrer, None)?;
            }
        }
        Ok(ReferrersVia::Api)
    }

    /// Publishes what was written, where that does not happen as it is written.
    ///
    /// # Errors
    ///
    /// Fails where the archive cannot be written.
    pub fn finish(self) -> Result<(), TransportError> {
        match self {
            Self::Archive(archive) => Ok(archive
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner)
                .commit()?),
            Self::Registry { .. } | Self::Layout(_) => Ok(()),
        }
    }
}

/// Takes the archive's lock. A thread that panicked with it leaves a tar that is never published.
fn locked(archive: &Mutex<ArchiveWriter>) -> MutexGuard<'_, ArchiveWriter> {
    archive.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that bytes in memory cannot be read, which does not happen.
fn unreadable(source: std::io::Error) -> LayoutError {
    LayoutError::File {
        action: soci_layout::Action::Read,
        path: "memory".into(),
        source,
    }
}
