//! What the errors of the HTTP library mean.

use std::error::Error;
use std::io;

use crate::error::sanitize::sanitize;

/// What is wrong with a server that does not speak plain HTTP.
pub(crate) const SPEAKS_TLS: &str = "it does not speak plain HTTP, but TLS perhaps";

/// Says whether TLS itself failed, which another try does not mend.
pub(crate) fn is_tls(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        // An `io::Error` hides the error it is made of, and shows only that one's source.
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

/// Returns the causes of an error in one line: not the error's own text where it has causes, since that repeats the URL,
/// which may be secret.
pub(crate) fn causes(error: &reqwest::Error) -> String {
    let mut texts = Vec::<String>::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // The library's own layer adds nothing but its name.
        let is_noise = text.starts_with("client error (");
        if !is_noise && texts.last().is_none_or(|last| *last != text) {
            texts.push(text);
        }
        next = cause.source();
    }
    if texts.is_empty() {
        return if error.is_timeout() {
            "timed out".to_owned()
        } else {
            "broken off".to_owned()
        };
    }
    sanitize(&texts.join(": "))
}
