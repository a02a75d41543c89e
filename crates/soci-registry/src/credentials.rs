//! Credential sources. This module sends nothing to a registry.
//!
//! Docker's configuration and its credential helpers are read by modules of this crate. The crate
//! `docker_credential` runs helpers without a timeout or an output limit and does not check a
//! helper's name.

pub(crate) mod chain;
pub(crate) mod docker_config;
pub(crate) mod docker_helper;
pub(crate) mod environment;
pub(crate) mod password_registry;
mod pipe;
pub(crate) mod source;

pub(crate) use chain::{CredentialChain, EcrSource};

use crate::secret::Secret;

/// A credential for one registry.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// A token that a token server accepts instead of a password.
    IdentityToken(Secret),
    /// A user name with a password.
    Password { username: String, password: Secret },
}

impl Credential {
    /// Creates a credential from a user name and a secret, as Docker's configuration and its
    /// helpers give them. The user name `<token>` marks an identity token.
    pub(crate) fn from_pair(username: String, secret: Secret) -> Self {
        if username == "<token>" {
            return Self::IdentityToken(secret);
        }
        Self::Password {
            username,
            password: secret,
        }
    }
}
