//! OCI and SOCI documents: digests, descriptors, platforms, references, manifests and their exact bytes.
//!
//! Everything here is a value: nothing reads a file, opens a socket or prints. What comes from outside is checked when it
//! is parsed, so a [`Digest`] can go into a path and a [`Reference`] into a URL.
//!
//! `oci-spec` has types for most of these documents. They are not used where bytes matter: its annotations are a
//! `HashMap`, so a manifest would get another digest in every run, and its `Platform` drops `os.version`.

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
