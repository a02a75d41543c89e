//! Classifies the errors of the HTTP library.

use std::error::Error;
use std::io;

use rustls::{CertificateError, InvalidMessage, OtherError};
use url::Url;

use super::egress::{display_host, internal_address};
use super::resolver::ResolveError;
use super::retry::FailureKind;
use crate::error::sanitize::sanitize;
use crate::error::{Fault, Operation, RegistryError, TlsFailure, Violation};

/// Why a request got no response.
pub(super) enum TransportFailure {
    /// The network or the server failed.
    Fault(Fault, FailureKind),
    /// The registry pointed to a host that it may not point to.
    Violation(Violation),
    /// The content of an upload could not be read.
    Content(RegistryError),
    /// The proxy asks for credentials, or for other ones.
    ProxyDenied,
}

impl TransportFailure {
    /// Describes the failure for the log.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Fault(fault, _) => fault.describe_without_host(),
            Self::Violation(violation) => violation.to_string(),
            Self::Content(error) => error.to_string(),
            Self::ProxyDenied => "the proxy asks for credentials".to_owned(),
        }
    }

    /// Returns what failed, and of which kind it is.
    ///
    /// # Errors
    ///
    /// Returns an error for a failure that another try would not change.
    pub(super) fn into_fault(
        self,
        operation: &Operation,
    ) -> Result<(Fault, FailureKind), RegistryError> {
        match self {
            Self::Fault(fault, kind) => Ok((fault, kind)),
            Self::Violation(violation) => Err(operation.protocol(violation)),
            Self::Content(error) => Err(error),
            Self::ProxyDenied => Err(operation.denied_by_proxy()),
        }
    }
}

impl From<Violation> for TransportFailure {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

/// Classifies an error of a request to `url`.
pub(super) fn classify_error(url: &Url, error: &reqwest::Error) -> TransportFailure {
    let host = display_host(url);
    let reason = describe_causes(error);
    if let Some(tls) = find_cause::<rustls::Error>(error) {
        let failure = classify_tls_error(tls);
        let reason = describe_tls_error(tls, failure).unwrap_or(reason);
        let fault = Fault::Tls {
            host,
            failure,
            reason,
        };
        return TransportFailure::Fault(fault, FailureKind::Permanent);
    }
    if let Some(resolve) = find_cause::<ResolveError>(error) {
        let kind = match resolve {
            ResolveError::Forbidden { .. } => {
                return TransportFailure::Violation(internal_address(url));
            }
            ResolveError::Temporary(_) => FailureKind::Transient,
            ResolveError::Failed(_) => FailureKind::NameResolution,
        };
        return TransportFailure::Fault(Fault::Name { host, reason }, kind);
    }
    // The next two have private types in `hyper-util` and `hyper`, so only their text tells them.
    if reason.contains("proxy authorization required") {
        return TransportFailure::ProxyDenied;
    }
    if url.scheme() == "http" && reason.contains("invalid HTTP version") {
        return TransportFailure::Fault(Fault::not_plain_http(host), FailureKind::Permanent);
    }
    TransportFailure::Fault(Fault::Connection { host, reason }, FailureKind::Transient)
}

/// Returns the kind of a TLS error, which decides the hint to the user.
fn classify_tls_error(error: &rustls::Error) -> TlsFailure {
    match error {
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            // A trusted certificate with the name of the issuer has another key, such as the
            // predecessor of a self-signed one.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                TlsFailure::UntrustedIssuer
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => TlsFailure::OutsideValidity,
            CertificateError::Other(OtherError(other)) if is_self_signed_authority(&**other) => {
                TlsFailure::UntrustedIssuer
            }
            _ => TlsFailure::Other,
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            TlsFailure::PeerSpeaksPlainText
        }
        _ => TlsFailure::Other,
    }
}

/// Describes the TLS errors that users meet. The text of rustls itself would name its own types.
fn describe_tls_error(error: &rustls::Error, failure: TlsFailure) -> Option<String> {
    let text = match (failure, error) {
        (TlsFailure::UntrustedIssuer, _) => {
            "its certificate is not signed by an authority that this machine trusts"
        }
        (TlsFailure::PeerSpeaksPlainText, _) => "it does not speak TLS",
        (_, rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet"
            }
            CertificateError::NotValidForName => "its certificate is for another host name",
            CertificateError::NotValidForNameContext { presented, .. } => {
                return Some(describe_other_names(presented));
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(text.to_owned())
}

/// Describes a certificate for other names. rustls gives each name as `DnsName("registry.example")`
/// or the like.
fn describe_other_names(presented: &[String]) -> String {
    const SHOWN: usize = 3;
    let names = presented.iter().take(SHOWN).map(|name| {
        let name = name.split_once('(').map_or(name.as_str(), |(_, name)| name);
        format!("`{}`", sanitize(name.trim_matches(['"', ')'])))
    });
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return "its certificate names no host".to_owned();
    }
    let more = if presented.len() > SHOWN {
        " and others"
    } else {
        ""
    };
    format!(
        "its certificate is for {}{more}, not for this host name",
        names.join(", ")
    )
}

/// Returns whether a server uses the certificate of an authority as its own, as many self-signed
/// ones are. rustls has no variant for it.
fn is_self_signed_authority(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    matches!(
        error.downcast_ref::<webpki::Error>(),
        Some(webpki::Error::CaUsedAsEndEntity)
    )
}

/// Returns the first error of type `T` among an error and its causes.
pub(crate) fn find_cause<'a, T: Error + 'static>(
    error: &'a (dyn Error + 'static),
) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // The source of an `io::Error` is the source of its inner error, so that one is skipped.
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Returns the causes of an error in one line. The error's own text is left out if it has causes,
/// because it contains the URL, whose query may be secret.
pub(crate) fn describe_causes(error: &reqwest::Error) -> String {
    let mut texts = Vec::<String>::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // The text of hyper-util's own error is only its name.
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
            "the connection broke".to_owned()
        };
    }
    sanitize(&texts.join(": "))
}
