//! OCI and SOCI documents: digests, descriptors, platforms, references, manifests and their bytes.
//!
//! This crate reads no file, opens no socket and prints nothing. Parsing validates: the text of a
//! [`Digest`] can be used in a path, and that of a [`Reference`] in a URL.
//!
//! The types of `oci-spec` are not used. The digest of a document depends on its bytes, and
//! `oci-spec` keeps annotations in a `HashMap`, so a manifest would have another digest in every
//! run. `tests/why_not_oci_spec.rs` has a test for each such difference, which fails when the
//! library catches up.

/// Converted images (SOCI version 2).
pub mod convert;
/// Descriptors.
pub mod descriptor;
/// Digests.
pub mod digest;
/// JSON as Go writes it.
pub mod go_json;
/// Media types of layers.
pub mod layer;
/// Manifests and image indexes.
pub mod manifest;
/// Media types of manifests and configurations.
pub mod media_type;
/// Platforms.
pub mod platform;
pub mod printable;
/// References to images.
pub mod reference;
/// SOCI indexes.
pub mod soci;

pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, Hasher};
pub use manifest::{Index, Manifest};
pub use platform::Platform;
pub use reference::Reference;
