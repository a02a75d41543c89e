//! Basic authentication (RFC 7617): what ECR and many private registries want.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;

use crate::credentials::Credential;
use crate::error::Denial;
use crate::secret::Secret;

/// Returns the header's value for a credential.
pub(crate) fn value(credential: &Credential) -> Result<HeaderValue, Denial> {
    match credential {
        Credential::Anonymous { tried } => Err(Denial::NoCredentials {
            tried: tried.clone(),
        }),
        Credential::IdentityToken { .. } => Err(Denial::NoCredentials {
            tried: vec!["an identity token, which a token server would take".to_owned()],
        }),
        Credential::Password {
            username, password, ..
        } => Ok(encode(username, password)),
    }
}

pub(crate) fn encode(username: &str, password: &Secret) -> HeaderValue {
    let plain = format!("{username}:{}", password.reveal());
    sensitive("Basic", &STANDARD.encode(plain))
}

/// Returns `scheme token` as a value that no log shows. Base64 and checked tokens can always stand in a header.
pub(crate) fn sensitive(scheme: &str, token: &str) -> HeaderValue {
    let mut value = HeaderValue::try_from(format!("{scheme} {token}"))
        .unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}
