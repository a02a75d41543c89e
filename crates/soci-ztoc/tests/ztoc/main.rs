//! Tests of the public API, mostly against layers for which the reference's output is recorded.

mod bombs;
mod content_format;
mod flips;
mod goldens;
mod headers;
mod hostile;
mod limits;
mod proof;
mod provenance;
mod random_access;
mod record;
mod roundtrip;
mod sparse;
mod support;
mod tar_index;
mod vectors;
mod violations;
mod why_not_tar;
