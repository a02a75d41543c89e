//! How a tool fetches a layer from a registry that misbehaves.
//!
//! `soci-pull --layers` and `soci-index` fetch layers, so the tests of both include this module,
//! and every test here runs for each of the two. The including crate provides three functions:
//! `layer_fetch`, which returns its tool about to fetch the layer of `app:v1`; `assert_layer_used`,
//! which asserts what the tool made of the layer; and `soci_tool`, which returns the tool without
//! arguments.

mod bodies;
mod fixture;
mod redirects;
mod resume;
mod status;

pub(crate) use fixture::{Fixture, LAYER_CUT};
