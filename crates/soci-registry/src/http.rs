//! The HTTP layer: requests, the transport that sends them, and their outcomes.

pub(crate) mod body_clock;
mod certificates;
pub(crate) mod clients;
pub(crate) mod egress;
pub(crate) mod error;
pub(crate) mod manifest_turn;
pub(crate) mod rate_limit;
pub(crate) mod redirect;
pub(crate) mod rejection;
pub(crate) mod request;
pub(crate) mod request_log;
pub(crate) mod resolver;
pub(crate) mod response;
pub(crate) mod retry;
pub(crate) mod transport;
pub(crate) mod upload_body;
