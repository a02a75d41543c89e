//! Secrets that a search can find wherever they show.
//!
//! Every secret that a test or a server gives to a tool starts with `canary`, so one search finds
//! all of them, in plain text and in Base64.

mod gate;

pub(crate) use soci_testkit::{canary::assert_hidden, store::assert_no_secret};
