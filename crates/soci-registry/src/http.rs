//! HTTP as this crate uses it: what is sent, where to, how often, and what comes back.

pub(crate) mod clients;
pub(crate) mod egress;
pub(crate) mod error;
pub(crate) mod rate_limit;
pub(crate) mod redirect;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod retry;
pub(crate) mod transport;
pub(crate) mod upload_body;
