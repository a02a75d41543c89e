//! Where credentials come from. Nothing here speaks to a registry.
//!
//! Docker's configuration and its helpers are read by our own small modules: the crate `docker_credential` runs helpers
//! without a limit of time or output, and does not check a helper's name.

pub(crate) mod chain;
pub(crate) mod config;
pub(crate) mod environment;
pub(crate) mod helper;

pub(crate) use chain::Chain;

use crate::secret::Secret;

/// What a source says about a registry.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// No source knows anything.
    Anonymous {
        /// The sources that were asked, each with what came of it.
        tried: Vec<String>,
    },
    /// A token that a token server takes in place of a password.
    IdentityToken { token: Secret, renewal: Renewal },
    /// A name with a password.
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
    /// The source makes credentials that expire.
    Possible,
}

impl Credential {
    /// Makes a credential of a name and a secret, as Docker's configuration and helpers give them.
    pub(crate) fn from_pair(username: String, password: Secret, renewal: Renewal) -> Self {
        if username == "<token>" {
            let token = password;
            return Self::IdentityToken { token, renewal };
        }
        Self::Password {
            username,
            password,
            renewal,
        }
    }

    pub(crate) const fn renewal(&self) -> Renewal {
        match self {
            Self::Anonymous { .. } => Renewal::Fixed,
            Self::IdentityToken { renewal, .. } | Self::Password { renewal, .. } => *renewal,
        }
    }
}
