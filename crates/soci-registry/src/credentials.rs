//! Credential sources. This module sends nothing to a registry.
//!
//! Docker's configuration and its credential helpers are read by modules of this crate. The crate
//! `docker_credential` runs helpers without a timeout or an output limit and does not check a
//! helper's name.

pub(crate) mod chain;
mod docker_config;
mod docker_helper;
pub(crate) mod environment;

pub(crate) use chain::{CredentialChain, EcrSource};

use crate::secret::Secret;

/// A credential for one registry.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// No source has a credential.
    Anonymous {
        /// The sources that were tried, each with its result, for messages.
        tried: Vec<String>,
    },
    /// A token that a token server accepts instead of a password.
    IdentityToken { token: Secret, renewal: Renewal },
    /// A user name with a password.
    Password {
        username: String,
        password: Secret,
        renewal: Renewal,
    },
}

/// Whether asking the same source again may give another credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Renewal {
    /// The source holds one fixed credential.
    Fixed,
    /// The source creates credentials that expire.
    Possible,
}

impl Credential {
    /// Creates a credential from a user name and a secret, as Docker's configuration and its
    /// helpers give them. The user name `<token>` marks an identity token.
    pub(crate) fn from_pair(username: String, secret: Secret, renewal: Renewal) -> Self {
        if username == "<token>" {
            return Self::IdentityToken {
                token: secret,
                renewal,
            };
        }
        Self::Password {
            username,
            password: secret,
            renewal,
        }
    }

    /// Returns whether the source may give another credential.
    pub(crate) const fn renewal(&self) -> Renewal {
        match self {
            Self::Anonymous { .. } => Renewal::Fixed,
            Self::IdentityToken { renewal, .. } | Self::Password { renewal, .. } => *renewal,
        }
    }
}
