//! The setup of a registry before it starts.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{rule::Rule, storage::Storage};
use crate::certificate::{Flaw, Trusted};

/// A deviation from the specification, or an option that it allows, which real registries have.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Habit {
    /// A `PATCH` is answered with 201 instead of 202, as by ECR.
    CreatedOnPatch,
    /// The response to the `PUT` of a manifest has no `Location`.
    NoLocationOfManifests,
    /// The response to the `GET` of a manifest has no `Docker-Content-Digest`, unlike that to a
    /// `HEAD`.
    NoDigestOfManifests,
    /// An existing tag cannot be pushed again, not even with the same manifest.
    ImmutableTags,
    /// A manifest without a `mediaType`, or with another one than its `Content-Type`, gives 405
    /// `UNSUPPORTED`, as by ECR.
    StrictManifests,
    /// The `GET` of a blob is redirected to a presigned URL.
    PresignedBlobs,
    /// The registry has no referrers API.
    NoReferrers,
    /// An upload session whose connection broke answers 416.
    SingleUseSessions,
    /// A push does not create the repository.
    KnownRepositories,
    /// The request for a mount begins an upload instead.
    NoMounts,
    /// Manifests have an `ETag`, and a `PUT` with `If-Match` fails if the tag has changed.
    ConditionalPuts,
    /// Only the bytes of a `PATCH` count as the content of a blob, not those of a `PUT`.
    OnlyPatchedBytes,
    /// The `HEAD` of a blob is answered with 401, as by ECR Public.
    NoHeadOfBlobs,
    /// A blob is stored from the `POST` that opens its session, as by olareg.
    SinglePosts,
}

/// The credentials that a client needs.
#[derive(Clone, Debug, Default)]
pub(super) enum Access {
    #[default]
    Anonymous,
    /// User and password, by HTTP Basic.
    Basic(String, String),
    /// A bearer token, which is issued for user and password.
    Bearer(String, String),
}

/// The setup of a registry: plain HTTP on a free port of `127.0.0.1`, unless the methods below
/// change it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Setup {
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) names: Vec<String>,
    pub(super) flaw: Flaw,
    pub(super) trusted: Trusted,
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
            trusted: Trusted::Authority,
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
    /// Listens on this address, such as `::1`, instead of `127.0.0.1`.
    pub fn address(mut self, address: &str) -> Self {
        self.address = address.parse().expect("an address");
        self
    }

    /// Listens on this port instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Serves HTTPS under these names, and under `127.0.0.1`, `::1` and `localhost`. The
    /// certificate's authority is in [`Faulty::ca_file`](super::Faulty::ca_file).
    pub fn tls(mut self, names: &[&str]) -> Self {
        self.names = ["127.0.0.1", "::1", "localhost"]
            .iter()
            .chain(names)
            .map(|name| (*name).to_owned())
            .collect();
        self
    }

    /// Serves HTTPS with an unacceptable certificate.
    pub fn flawed_tls(self, names: &[&str], flaw: Flaw) -> Self {
        Self {
            flaw,
            ..self.tls(names)
        }
    }

    /// Puts another certificate than that of the authority into
    /// [`Faulty::ca_file`](super::Faulty::ca_file).
    pub fn trusting(self, trusted: Trusted) -> Self {
        Self { trusted, ..self }
    }

    /// Requires a user and a password by HTTP Basic.
    pub fn basic(mut self, user: &str, password: &str) -> Self {
        self.access = Access::Basic(user.to_owned(), password.to_owned());
        self
    }

    /// Requires a bearer token. The registry's own `/token` issues it for a user and a password.
    pub fn bearer(mut self, user: &str, password: &str) -> Self {
        self.access = Access::Bearer(user.to_owned(), password.to_owned());
        self
    }

    /// Names another token endpoint in the challenge.
    pub fn realm(mut self, url: &str) -> Self {
        self.realm = Some(url.to_owned());
        self
    }

    /// Makes each token valid for this many requests.
    pub fn token_uses(mut self, requests: usize) -> Self {
        self.token_uses = requests;
        self
    }

    /// Issues tokens for this identity token too (`refresh_token`, in a form).
    pub fn identity_token(mut self, token: &str) -> Self {
        self.identity_token = Some(token.to_owned());
        self
    }

    /// Adds a deviation from the specification.
    pub fn habit(mut self, habit: Habit) -> Self {
        self.habits.insert(habit);
        self
    }

    /// Removes a deviation from the specification.
    pub fn without(mut self, habit: Habit) -> Self {
        self.habits.remove(&habit);
        self
    }

    /// Removes the referrers API.
    pub fn without_referrers(self) -> Self {
        self.habit(Habit::NoReferrers)
    }

    /// Adds the deviations of ECR, with mutable tags. Credentials are set by [`Setup::basic`].
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

    /// Accepts this many manifests per second, and answers the others with 429.
    pub fn manifest_puts_per_second(mut self, limit: u32) -> Self {
        self.manifest_puts = Some(limit);
        self
    }

    /// Adds `Retry-After` to the responses with 429 of [`Setup::manifest_puts_per_second`].
    pub fn retry_after(mut self, time: Duration) -> Self {
        self.retry_after = Some(time.as_secs().to_string());
        self
    }

    /// Limits each connection to this many bytes of response bodies per second.
    pub fn bytes_per_second_per_connection(mut self, limit: usize) -> Self {
        self.bytes_per_second = Some(limit);
        self
    }

    /// Adds a rule.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    pub(super) fn has(&self, habit: Habit) -> bool {
        self.habits.contains(&habit)
    }
}
