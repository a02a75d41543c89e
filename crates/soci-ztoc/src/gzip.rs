//! Inflating gzip with stops at block boundaries, and the checkpoints found there.

pub(crate) mod header;
pub(crate) mod inflate;
pub(crate) mod members;
