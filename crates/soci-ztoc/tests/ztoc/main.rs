//! Tests of the whole crate, mostly against recorded layers.

mod goldens;
mod headers;
mod hostile;
mod limits;
mod provenance;
mod random_access;
mod record;
mod roundtrip;
mod support;
mod vectors;
mod violations;
