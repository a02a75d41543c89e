//! Values of the `Authorization` header: Basic (RFC 7617) and Bearer (RFC 6750).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use crate::secret::Secret;

/// Returns `Basic` with the encoded user name and password.
pub(crate) fn basic_header(username: &str, password: &Secret) -> HeaderValue {
    let plain = format!("{username}:{}", password.reveal());
    sensitive_header("Basic", &STANDARD.encode(plain))
}

/// Returns `Bearer` with a token, which must consist of visible ASCII characters.
pub(crate) fn bearer_header(token: &Secret) -> HeaderValue {
    sensitive_header("Bearer", token.reveal())
}

/// Returns `scheme token`, marked as sensitive so that no log shows it. Base64 text and checked
/// tokens are always valid in a header; any other value gives an empty header.
fn sensitive_header(scheme: &str, token: &str) -> HeaderValue {
    let mut value = HeaderValue::try_from(format!("{scheme} {token}"))
        .unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
