//! Inflating gzip with stops at block boundaries, and the checkpoints found there.

pub(crate) mod bits;
pub(crate) mod deflate;
#[cfg(test)]
mod differential;
pub(crate) mod header;
pub(crate) mod huffman;
pub(crate) mod inflate;
pub(crate) mod lengths;
pub(crate) mod members;
pub(crate) mod symbols;
