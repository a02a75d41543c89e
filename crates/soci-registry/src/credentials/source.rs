//! The credential sources of one registry, and their answers.

use std::path::PathBuf;

use super::Credential;
use crate::error::RegistryError;

/// A credential source for one registry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// The helper that a credential file names for the registry (`credHelpers`).
    HostHelper(PathBuf),
    /// The registry's entry in a credential file (`auths`).
    Entry(PathBuf),
    /// The helper that a credential file names for all registries (`credsStore`).
    DefaultHelper(PathBuf),
    /// `SOCI_USERNAME` with `SOCI_PASSWORD`.
    Variables,
    /// The AWS credential chain, for a registry of Amazon ECR.
    Aws,
    /// Access without credentials, which is always the last source.
    Anonymous,
}

impl Source {
    /// Returns whether asking the source again may give another credential.
    pub(crate) const fn is_renewable(&self) -> bool {
        matches!(
            self,
            Self::HostHelper(_) | Self::DefaultHelper(_) | Self::Aws
        )
    }

    /// Returns whether the source holds a stored password, which a user may have stored long ago.
    pub(crate) const fn is_stored(&self) -> bool {
        matches!(
            self,
            Self::HostHelper(_) | Self::Entry(_) | Self::DefaultHelper(_)
        )
    }
}

/// The answer of a source that was asked for a credential.
#[derive(Debug)]
pub(crate) enum Answer {
    /// A credential, or access without one.
    Found(Found),
    /// The source has no credential for the registry. The line says so, if the source exists.
    Nothing(Option<String>),
    /// The source cannot be used.
    Failed(Problem),
    /// The source cannot be reached now, but another try may succeed.
    Outage(RegistryError),
}

/// What a source has given.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The credential, or `None` for access without one.
    pub(crate) credential: Option<Credential>,
    /// What messages call the source.
    pub(crate) label: String,
}

/// Why a source cannot be used.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// The source and what is wrong with it, in one line.
    pub(crate) line: String,
    pub(crate) kind: ProblemKind,
    /// What the user can do about it.
    pub(crate) hint: Option<String>,
}

/// The kind of a [`Problem`], which decides the exit status if no other source works.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ProblemKind {
    /// A file or a program of the user's configuration cannot be used.
    Configuration,
    /// AWS gave no token.
    Denied,
}
