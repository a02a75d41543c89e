//! Decompresses gzip layers, stops at every deflate block boundary, and records checkpoints there.
//!
//! [`scanner`] walks the members of a layer. [`zlib`] wraps zlib-rs, which reads the headers; the
//! block bodies are decoded here: [`deflate`] drives a stream, [`code_lengths`] and [`huffman`]
//! read its codes, and [`symbols`] is the inner loop.

pub(crate) mod bits;
pub(crate) mod checksum;
pub(crate) mod code_lengths;
pub(crate) mod copy;
pub(crate) mod deflate;
#[cfg(test)]
mod differential;
pub(crate) mod event;
pub(crate) mod fault;
pub(crate) mod header;
pub(crate) mod huffman;
pub(crate) mod index;
pub(crate) mod output;
pub(crate) mod scanner;
pub(crate) mod span_inflater;
pub(crate) mod symbols;
pub(crate) mod zlib;
