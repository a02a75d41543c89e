//! Tests of the whole crate, mostly against recorded layers.

mod goldens;
mod record;
mod support;
mod vectors;
