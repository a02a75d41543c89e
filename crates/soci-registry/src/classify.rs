//! The exit statuses of errors, and what the user can do about them.

use soci_document::{Classify, Exit};

use crate::ecr::EcrHost;
use crate::error::{
    ConfigurationError, Fault, Operation, RegistryError, TlsFailure, Violation, clock_hint,
};

impl Classify for RegistryError {
    fn exit(&self) -> Exit {
        match self {
            Self::Denied { .. } => Exit::Denied,
            Self::NotFound { .. } => Exit::NotFound,
            Self::Unavailable { .. } => Exit::Unavailable,
            Self::Throttled { .. }
            | Self::Protocol {
                violation: Violation::Lost { .. },
                ..
            } => Exit::TryAgain,
            Self::Protocol { .. } => Exit::Protocol,
            Self::BadData { .. } => Exit::BadData,
            Self::Configuration(_) => Exit::Configuration,
            Self::Content(_) => Exit::Io,
        }
    }

    fn names_object(&self) -> bool {
        !matches!(self, Self::Configuration(_) | Self::Content(_))
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { hint, .. } => hint.clone(),
            Self::Configuration(ConfigurationError::NoCredentials { hint, .. }) => {
                Some(hint.clone())
            }
            Self::Configuration(ConfigurationError::SystemCertificates { .. }) => Some(
                "install the system's certificates (package ca-certificates), or set SSL_CERT_FILE \
                 to a file of certificates"
                    .to_owned(),
            ),
            Self::NotFound { refusal, operation } if refusal.code == "NAME_UNKNOWN" => {
                Some(missing_repository_hint(operation))
            }
            Self::Unavailable {
                fault: Fault::Name { .. },
                operation,
                ..
            } => region_hint(&operation.registry),
            Self::Unavailable {
                fault: Fault::Tls { failure, .. },
                ..
            } => tls_hint(*failure),
            _ => None,
        }
    }
}

/// Returns the hint for a repository that does not exist. On ECR, a wrong account or region in the
/// host name looks the same.
fn missing_repository_hint(operation: &Operation) -> String {
    let registry = &operation.registry;
    match EcrHost::parse(registry) {
        Some(EcrHost::Private { region, .. }) => {
            let account = registry.split('.').next().unwrap_or_default();
            format!(
                "create the repository in account {account}, region {region}, or check its name, and the \
                 account and the region in the host name"
            )
        }
        _ => "create the repository, or check its name".to_owned(),
    }
}

/// Returns the hint for the host name of an ECR registry that does not exist.
fn region_hint(registry: &str) -> Option<String> {
    match EcrHost::parse(registry)? {
        EcrHost::Private { region, .. } => Some(format!(
            "check the region `{region}` in the host name, and the name servers of this machine"
        )),
        EcrHost::Public { .. } => None,
    }
}

/// Returns the hint for a TLS failure.
fn tls_hint(failure: TlsFailure) -> Option<String> {
    let hint = match failure {
        TlsFailure::UntrustedIssuer => {
            "if the registry has a private certificate authority or a self-signed certificate, pass \
             that certificate with --ca-file"
        }
        TlsFailure::OutsideValidity => return Some(clock_hint()),
        TlsFailure::PeerSpeaksPlainText => "if it is meant to speak plain HTTP, pass --plain-http",
        TlsFailure::PeerRefusesPlainHttp => {
            "omit --plain-http, or pass --plain-http=false for a registry on this machine"
        }
        TlsFailure::Other => return None,
    };
    Some(hint.to_owned())
}
