//! What messages say about the credential sources of one registry.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::credentials::CredentialChain;
use crate::credentials::source::{Problem, ProblemKind};
use crate::ecr::EcrHost;
use crate::error::Refusal;

/// The results of the credential sources of one registry.
#[derive(Debug)]
pub(super) struct Notes {
    registry: String,
    /// How to get a credential for the registry.
    login_hint: String,
    warnings: Arc<Warnings>,
    results: Mutex<Results>,
}

#[derive(Debug, Default)]
struct Results {
    /// By the position of the source.
    notes: BTreeMap<usize, Note>,
    /// The first refusal of a credential.
    refusal: Option<CredentialRefusal>,
    /// The source in use.
    current: Option<CurrentSource>,
}

/// The source in use.
#[derive(Clone, Debug)]
pub(super) struct CurrentSource {
    /// Its position in the order.
    pub(super) position: usize,
    /// What messages call it.
    pub(super) label: String,
    /// Whether it is access without credentials.
    pub(super) is_anonymous: bool,
}

/// The result of one source that gave no credential, or whose credential was rejected.
#[derive(Clone, Debug)]
pub(super) enum Note {
    /// The source has no credential for the registry.
    Nothing(String),
    /// The source cannot be used.
    Failed(Problem),
    /// The registry or its token server rejected the credential.
    Rejected(String),
}

/// A response that rejects a credential.
#[derive(Clone, Debug)]
pub(super) struct CredentialRefusal {
    /// The token server, unless the registry itself answered.
    pub(super) token_server: Option<String>,
    pub(super) refusal: Refusal,
}

/// The warnings about credential sources that a run has given. Registries share sources, such as a
/// helper that is not installed, and each is worth one warning.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Mutex<BTreeSet<String>>);

/// Which exit status an error without any accepted credential has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// A source is set up that cannot be used, and the registry has rejected nothing.
    Misconfigured,
    /// There is no credential, or each was rejected.
    Denied,
}

impl Note {
    fn line(&self) -> &str {
        match self {
            Self::Nothing(line) | Self::Rejected(line) => line,
            Self::Failed(problem) => &problem.line,
        }
    }
}

impl Notes {
    /// Returns empty notes for the registry of `chain`.
    pub(super) fn new(chain: &CredentialChain, warnings: Arc<Warnings>) -> Self {
        Self {
            registry: chain.registry().to_owned(),
            login_hint: login_hint(chain.ecr_host()),
            warnings,
            results: Mutex::default(),
        }
    }

    /// Records the result of the source at a position, or that it has none to report.
    pub(super) fn set(&self, position: usize, note: Option<Note>) {
        self.update(|results| match note {
            Some(note) => drop(results.notes.insert(position, note)),
            None => drop(results.notes.remove(&position)),
        });
    }

    /// Records the response that rejected a credential. The first one is kept.
    pub(super) fn set_refusal(&self, refusal: &CredentialRefusal) {
        self.update(|results| {
            results.refusal.get_or_insert_with(|| refusal.clone());
        });
    }

    /// Records the source in use.
    pub(super) fn set_current(&self, source: CurrentSource) {
        self.update(|results| results.current = Some(source));
    }

    /// Returns whether the registry is accessed without credentials although it asked for some.
    pub(super) fn is_anonymous(&self) -> bool {
        self.update(|results| {
            let current = results.current.as_ref();
            current.is_some_and(|source| source.is_anonymous)
        })
    }

    /// Returns the sources that were tried, with the one in use, which does not suffice for a
    /// request.
    pub(super) fn tried_for_request(&self) -> Vec<String> {
        self.update(|results| {
            let mut notes = results.notes.clone();
            if let Some(CurrentSource {
                position, label, ..
            }) = &results.current
            {
                let line = format!("{label}: not accepted for this request");
                notes.entry(*position).or_insert(Note::Rejected(line));
            }
            notes.values().map(|note| note.line().to_owned()).collect()
        })
    }

    /// Returns the sources that were tried, in their order, each with its result.
    pub(super) fn tried(&self) -> Vec<String> {
        self.update(|results| {
            let lines = results.notes.values().map(Note::line);
            lines.map(str::to_owned).collect()
        })
    }

    /// Returns the response that rejected a credential.
    pub(super) fn refusal(&self) -> Option<CredentialRefusal> {
        self.update(|results| results.refusal.clone())
    }

    /// Returns the kind of the error if no credential was accepted. If none was rejected, the first
    /// source in the order that cannot be used decides.
    pub(super) fn outcome(&self) -> Outcome {
        self.update(|results| {
            let mut notes = results.notes.values();
            if notes.any(|note| matches!(note, Note::Rejected(_))) {
                return Outcome::Denied;
            }
            let kind = results.notes.values().find_map(|note| match note {
                Note::Failed(problem) => Some(problem.kind),
                _ => None,
            });
            match kind {
                Some(ProblemKind::Configuration) => Outcome::Misconfigured,
                _ => Outcome::Denied,
            }
        })
    }

    /// Returns what the user can do if no credential was accepted: the cures of the first two
    /// sources that failed, or else how to log in.
    pub(super) fn hint(&self) -> String {
        let hints: Vec<String> = self.update(|results| {
            let hints = results.notes.values().filter_map(|note| match note {
                Note::Failed(problem) => problem.hint.clone(),
                _ => None,
            });
            hints.take(2).collect()
        });
        if hints.is_empty() {
            self.login_hint.clone()
        } else {
            hints.join("; ")
        }
    }

    /// Warns about the sources before `position` that cannot be used or were rejected, now that the
    /// registry has accepted a request. `access` says how it was sent, such as `with AWS`. Each
    /// source gets one warning in a run.
    pub(super) fn warn_of_skipped(&self, position: usize, access: &str) {
        let lines: Vec<String> = self.update(|results| {
            let skipped = results.notes.range(..position);
            let skipped = skipped.filter(|(_, note)| !matches!(note, Note::Nothing(_)));
            skipped.map(|(_, note)| note.line().to_owned()).collect()
        });
        for line in lines {
            if self.warnings.is_new(&line) {
                let registry = &self.registry;
                tracing::warn!("{line}; `{registry}` is accessed {access}");
            }
        }
    }

    fn update<T>(&self, change: impl FnOnce(&mut Results) -> T) -> T {
        change(&mut self.results.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Warnings {
    /// Returns whether this warning has not been given yet, and records it.
    fn is_new(&self, line: &str) -> bool {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.insert(line.to_owned())
    }
}

/// Returns how to get a credential for a registry.
fn login_hint(ecr: Option<&EcrHost>) -> String {
    match ecr {
        Some(EcrHost::Private { region, .. }) => format!(
            "for AWS credentials run `aws sso login`, set AWS_PROFILE, or give the job an IAM role; \
             or give the output of `aws ecr get-login-password --region {region}` to docker login"
        ),
        Some(EcrHost::Public { .. }) => {
            "for AWS credentials run `aws sso login`, set AWS_PROFILE, or give the job an IAM role; \
             or give the output of `aws ecr-public get-login-password --region us-east-1` to docker \
             login"
                .to_owned()
        }
        None => "log in with docker login, or set SOCI_USERNAME and SOCI_PASSWORD".to_owned(),
    }
}

#[cfg(test)]
mod tests;
