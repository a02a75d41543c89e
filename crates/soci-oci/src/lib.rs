//! OCI and SOCI documents: digests, descriptors, platforms, references, manifests and their bytes.
//!
//! This crate reads no file, opens no socket and prints nothing. Parsing validates: the text of a
//! [`Digest`] can be used in a path, and that of a [`Reference`] in a URL.
//!
//! `oci-spec` parses references. Its types for documents are not used, because the digest of a
//! document depends on its bytes: for example, `oci-spec` keeps annotations in a `HashMap`, so a
//! manifest would have another digest in every run. `tests/why_not_oci_spec.rs` has a test for each
//! such difference, which fails when the library catches up.

pub mod convert;
pub mod descriptor;
pub mod digest;
pub mod go_json;
pub mod layer;
pub mod manifest;
pub mod media_type;
pub mod platform;
pub mod reference;
pub mod soci;

pub use descriptor::Descriptor;
pub use digest::Digest;
pub use manifest::{Index, Manifest};
pub use platform::Platform;
pub use reference::Reference;
