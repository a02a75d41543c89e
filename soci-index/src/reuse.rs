//! Reuse of ztocs that earlier builds have published in SOCI indexes (docs/design/0004-reuse.md).
//!
//! [`Search`] finds ztocs of the layers as [`Candidates`], which are checked and copied into the
//! store. Whatever goes wrong costs a layer its reuse and nothing else: the layer is then read and
//! indexed.
//!
//! A ztoc is reused only if its bytes are those that this tool writes for its content, if it was
//! built with the same options, and if no rule of the readers is broken. That its entries and
//! digests are those of the layer cannot be checked without the layer. For this, the tool trusts
//! the repository: a client that may push the SOCI index may also push the image. The document and
//! the cache of the store record the source of each reused ztoc, and `--verify-reused` compares it
//! with the one that is built from the layer.

mod candidates;
mod check;
mod search;
mod source;

pub(crate) use candidates::{Candidates, ReuseContext};
pub(crate) use check::CHECK_MEMORY;
pub(crate) use search::Search;
