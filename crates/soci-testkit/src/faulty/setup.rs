//! How a registry is set up before it starts.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{Faulty, Rule, storage::Storage};
use crate::certificate::Flaw;

/// A lawful or at least common difference from what the specification asks for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Habit {
    /// 201 and not 202 answers a `PATCH`.
    CreatedOnPatch,
    /// The push of a manifest is answered without a `Location`.
    NoLocationOfManifests,
    /// The `GET` of a manifest is answered without `Docker-Content-Digest`; its `HEAD` is not.
    NoDigestOfManifests,
    /// A tag that there is cannot be pushed, not even the same manifest.
    ImmutableTags,
    /// Manifests that ECR does not like are refused with 405 `UNSUPPORTED`.
    StrictManifests,
    /// Blobs are not sent but redirected to a presigned URL.
    PresignedBlobs,
    /// There is no referrers API.
    NoReferrers,
    /// A session whose upload broke off is of no more use: it answers 416.
    SingleUseSessions,
    /// A repository must be there before it is pushed to.
    KnownRepositories,
    /// No blob is ever mounted.
    NoMounts,
    /// Manifests have an `ETag`, and `If-Match` is obeyed.
    ConditionalPuts,
    /// A `HEAD` of a blob is denied, as by ECR Public.
    NoHeadOfBlobs,
}

/// What a client must show.
#[derive(Clone, Debug, Default)]
pub(super) enum Access {
    #[default]
    Anonymous,
    Basic(String, String),
    Bearer(String, String),
}

/// A registry to be started.
#[derive(Clone, Debug)]
#[must_use]
pub struct Setup {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) names: Vec<String>,
    pub(super) flaw: Flaw,
    pub(super) access: Access,
    pub(super) realm: Option<String>,
    pub(super) token_uses: usize,
    pub(super) identity_token: Option<String>,
    pub(super) habits: BTreeSet<Habit>,
    pub(super) presigned_base: Option<String>,
    pub(super) manifest_puts: Option<u32>,
    pub(super) retry_after: Option<String>,
    pub(super) bytes_per_second: Option<usize>,
    pub(super) rules: Vec<Rule>,
    pub(super) storage: Arc<Mutex<Storage>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            names: Vec::new(),
            flaw: Flaw::None,
            access: Access::Anonymous,
            realm: None,
            token_uses: usize::MAX,
            identity_token: None,
            habits: BTreeSet::new(),
            presigned_base: None,
            manifest_puts: None,
            retry_after: None,
            bytes_per_second: None,
            rules: Vec::new(),
            storage: Arc::default(),
        }
    }
}

impl Setup {
    /// Serves on this address, such as `::1`, and not on `127.0.0.1`.
    pub fn address(mut self, address: &str) -> Self {
        self.address = address.parse().expect("an address");
        self
    }

    /// Serves on this port, not on one that is free.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Serves HTTPS under these names, with a certificate of its own [`Faulty::ca_file`]; `127.0.0.1`, `::1` and
    /// `localhost` are always among them.
    pub fn tls(mut self, names: &[&str]) -> Self {
        self.names = ["127.0.0.1", "::1", "localhost"]
            .iter()
            .chain(names)
            .map(|name| (*name).to_owned())
            .collect();
        self
    }

    /// Serves HTTPS with a certificate that has a flaw.
    pub fn flawed_tls(self, names: &[&str], flaw: Flaw) -> Self {
        Self {
            flaw,
            ..self.tls(names)
        }
    }

    /// Asks for a user and a password by HTTP Basic.
    pub fn basic(mut self, user: &str, password: &str) -> Self {
        self.access = Access::Basic(user.to_owned(), password.to_owned());
        self
    }

    /// Asks for a token, which its own `/token` gives for a user and a password.
    pub fn bearer(mut self, user: &str, password: &str) -> Self {
        self.access = Access::Bearer(user.to_owned(), password.to_owned());
        self
    }

    /// Names another place where tokens are given.
    pub fn realm(mut self, url: &str) -> Self {
        self.realm = Some(url.to_owned());
        self
    }

    /// Lets each token be good for so many requests.
    pub fn token_uses(mut self, requests: usize) -> Self {
        self.token_uses = requests;
        self
    }

    /// Also gives tokens for this identity token (`refresh_token`, by `POST`).
    pub fn identity_token(mut self, token: &str) -> Self {
        self.identity_token = Some(token.to_owned());
        self
    }

    /// Has a habit.
    pub fn habit(mut self, habit: Habit) -> Self {
        self.habits.insert(habit);
        self
    }

    /// Does not have a habit.
    pub fn without(mut self, habit: Habit) -> Self {
        self.habits.remove(&habit);
        self
    }

    /// Has no referrers API.
    pub fn without_referrers(self) -> Self {
        self.habit(Habit::NoReferrers)
    }

    /// Has the habits of ECR, with mutable tags; credentials are up to [`Setup::basic`].
    pub fn ecr(mut self) -> Self {
        self.habits.extend([
            Habit::CreatedOnPatch,
            Habit::NoLocationOfManifests,
            Habit::NoDigestOfManifests,
            Habit::StrictManifests,
            Habit::PresignedBlobs,
            Habit::SingleUseSessions,
            Habit::KnownRepositories,
            Habit::NoMounts,
        ]);
        self
    }

    /// Holds what another registry holds, from now on and for both.
    pub fn sharing(mut self, other: &Faulty) -> Self {
        self.storage = Arc::clone(&other.shared.setup.storage);
        self
    }

    /// Redirects blobs to presigned URLs at another registry, which holds the same.
    pub fn presigned_at(self, other: &Faulty) -> Self {
        let shared = self.sharing(other).habit(Habit::PresignedBlobs);
        Self {
            presigned_base: Some(other.url()),
            ..shared
        }
    }

    /// Takes so many manifests a second and refuses more with 429.
    pub fn manifest_puts_per_second(mut self, limit: u32) -> Self {
        self.manifest_puts = Some(limit);
        self
    }

    /// Says when to come back to whom [`Setup::manifest_puts_per_second`] refuses.
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time.as_secs().to_string());
        self
    }

    /// Sends no more than so many bytes of bodies a second on each connection.
    pub fn bytes_per_second_per_connection(mut self, limit: usize) -> Self {
        self.bytes_per_second = Some(limit);
        self
    }

    /// Adds a rule.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Starts the registry, which answers from then on.
    pub fn start(self) -> Faulty {
        Faulty::of(self)
    }

    pub(super) fn has(&self, habit: Habit) -> bool {
        self.habits.contains(&habit)
    }
}
