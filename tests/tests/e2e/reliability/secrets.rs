//! Secrets that are made to be found where they must not be.
//!
//! Every secret that a fault test gives to a tool, or that a server gives it, starts with `canary`. So one search finds them
//! all, as they are and in Base64, and [`assert_no_canary`] can stand at the end of every run.

mod gate;

pub(crate) use soci_testkit::canary::{assert_hidden, assert_no_secret as assert_no_canary};
