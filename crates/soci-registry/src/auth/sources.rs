//! The credential sources of one registry in a run: what each has given, and what was rejected.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::{CredentialRefusal, Note, Notes};
use super::scope::Scope;
use super::verdict::SourceKind;
use crate::credentials::CredentialChain;
use crate::credentials::source::{Answer, Found, Source};
use crate::ecr;
use crate::error::{Operation, RegistryError};

/// The credential sources of one registry, in the order in which they are tried. Each is asked when
/// the ones before it have no credential, and at most once unless its credential expires.
#[derive(Debug)]
pub(super) struct Sources {
    chain: CredentialChain,
    entries: Vec<Entry>,
    /// The failure of a source that may work later.
    outage: Option<RegistryError>,
}

#[derive(Debug)]
struct Entry {
    source: Source,
    state: EntryState,
    /// The scopes for which the credential was rejected, and who did so.
    rejected: BTreeMap<Scope, Rejector>,
}

#[derive(Clone, Debug)]
enum EntryState {
    Unasked,
    /// It has no credential, or cannot be used.
    Useless,
    /// It could not be reached.
    Unreachable,
    Found(Found),
    /// A token server rejected the credential itself, so that no scope can be had with it.
    Invalid,
}

/// A source with what it has given.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    /// Its position in the order.
    pub(super) position: usize,
    pub(super) found: Found,
}

/// Who has rejected a credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Rejector {
    Registry,
    TokenServer,
    /// The credential cannot answer the registry's challenge.
    Client,
}

/// Why the credential of a source is not used.
#[derive(Clone, Debug)]
pub(super) enum Rejection {
    /// The registry or its token server has refused it.
    Refused(CredentialRefusal),
    /// It cannot answer the registry's challenge, for this reason if it is worth a message.
    Unsuitable(Option<&'static str>),
}

impl Sources {
    pub(super) fn new(chain: CredentialChain) -> Self {
        let entry = |source| Entry {
            source,
            state: EntryState::Unasked,
            rejected: BTreeMap::new(),
        };
        Self {
            entries: chain.sources().into_iter().map(entry).collect(),
            chain,
            outage: None,
        }
    }

    /// Starts a new try: sources that could not be reached are asked again.
    pub(super) fn begin(&mut self) {
        self.outage = None;
        for entry in &mut self.entries {
            if matches!(entry.state, EntryState::Unreachable) {
                entry.state = EntryState::Unasked;
            }
        }
    }

    /// Returns the first source whose credential was not rejected for `scope`, or `None`. Access
    /// without credentials is not tried if the registry has rejected a token that was given for a
    /// credential, since it never allows more.
    ///
    /// # Errors
    ///
    /// Returns an error if a source that the user has named for this run cannot be used.
    pub(super) async fn next(
        &mut self,
        scope: &Scope,
        operation: &Operation,
        notes: &Notes,
    ) -> Result<Option<Candidate>, RegistryError> {
        for position in 0..self.entries.len() {
            if self.entries[position].rejected.contains_key(scope) {
                continue;
            }
            if self.entries[position].source == Source::Anonymous && self.has_rejected(scope) {
                continue;
            }
            if matches!(self.entries[position].state, EntryState::Unasked) {
                self.ask(position, operation, notes).await?;
            }
            if let EntryState::Found(found) = &self.entries[position].state {
                let found = found.clone();
                return Ok(Some(Candidate { position, found }));
            }
        }
        Ok(None)
    }

    async fn ask(
        &mut self,
        position: usize,
        operation: &Operation,
        notes: &Notes,
    ) -> Result<(), RegistryError> {
        let answer = self.chain.ask(&self.entries[position].source, operation);
        let (state, note) = match answer.await? {
            Answer::Found(found) => (EntryState::Found(found), None),
            Answer::Nothing(line) => (EntryState::Useless, line.map(Note::Nothing)),
            Answer::Failed(problem) => (EntryState::Useless, Some(Note::Failed(problem))),
            Answer::Outage(error) => {
                let line = format!("AWS: {error}");
                self.outage.get_or_insert(error);
                (EntryState::Unreachable, Some(Note::Rejected(line)))
            }
        };
        self.entries[position].state = state;
        notes.set(position, note);
        Ok(())
    }

    /// Returns whether the registry has rejected, for this scope, a token that was given for a
    /// credential.
    fn has_rejected(&self, scope: &Scope) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|entry| entry.rejected.get(scope) == Some(&Rejector::Registry))
    }

    /// Makes the source be asked again if it may give another credential.
    pub(super) fn renew(&mut self, position: usize) {
        let entry = &mut self.entries[position];
        if entry.source.is_renewable() {
            entry.state = EntryState::Unasked;
        }
    }

    /// Records that the credential of a source is not used for `scope`.
    pub(super) fn reject(
        &mut self,
        position: usize,
        scope: &Scope,
        rejection: &Rejection,
        notes: &Notes,
    ) {
        let entry = &mut self.entries[position];
        let EntryState::Found(found) = &entry.state else {
            return;
        };
        let label = &found.label;
        let (rejector, note) = match rejection {
            Rejection::Unsuitable(reason) => {
                let note = reason.map(|reason| Note::Nothing(format!("{label}: {reason}")));
                (Rejector::Client, note)
            }
            Rejection::Refused(refused) => {
                if entry.source != Source::Anonymous {
                    notes.set_refusal(refused);
                }
                let line = rejected_line(entry, label, refused);
                let note = Some(match entry.source {
                    Source::Anonymous => Note::Nothing(line),
                    _ => Note::Rejected(line),
                });
                let rejector = match refused.token_server {
                    Some(_) => Rejector::TokenServer,
                    None => Rejector::Registry,
                };
                // RFC 9110, section 15.5.2: the credential itself is not valid.
                if rejector == Rejector::TokenServer && refused.refusal.status == 401 {
                    entry.state = EntryState::Invalid;
                }
                (rejector, note)
            }
        };
        entry.rejected.insert(scope.clone(), rejector);
        notes.set(position, note);
    }

    /// Forgets the rejections of the sources at `positions` for `scope`.
    pub(super) fn revive(&mut self, positions: &BTreeSet<usize>, scope: &Scope, notes: &Notes) {
        for position in positions {
            let entry = &mut self.entries[*position];
            if entry.rejected.remove(scope).is_some() {
                entry.state = EntryState::Unasked;
                notes.set(*position, None);
            }
        }
    }

    /// Returns whether a source may give another credential than before.
    pub(super) fn is_renewable(&self, position: usize) -> bool {
        self.entries[position].source.is_renewable()
    }

    /// Returns the kind of a source.
    pub(super) fn kind(&self, position: usize) -> SourceKind {
        match &self.entries[position].source {
            Source::Aws => SourceKind::Aws,
            source if source.is_renewable() => SourceKind::Renewable,
            _ => SourceKind::Fixed,
        }
    }

    /// Takes the failure of a source that may work later.
    pub(super) fn take_outage(&mut self) -> Option<RegistryError> {
        self.outage.take()
    }
}

/// Returns the result of a source whose credential was rejected.
fn rejected_line(entry: &Entry, label: &str, refusal: &CredentialRefusal) -> String {
    if entry.source == Source::Anonymous {
        "without credentials: rejected".to_owned()
    } else if ecr::is_expired_token(&refusal.refusal) {
        format!("{label}: rejected (expired)")
    } else if entry.source.is_stored() {
        format!("{label}: rejected (expired?)")
    } else {
        format!("{label}: rejected")
    }
}

#[cfg(test)]
mod tests;
