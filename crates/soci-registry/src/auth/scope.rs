//! The scopes of a token (distribution's "Token Scope Documentation").

use std::collections::BTreeSet;

/// The scopes to request for a token, such as `repository:team/app:pull`.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Scope(BTreeSet<String>);

/// Number of scopes of a challenge that are considered.
const MAX_CHALLENGE_SCOPES: usize = 8;

impl Scope {
    /// Returns the scope for reading from `repository`.
    pub(crate) fn pull(repository: &str) -> Self {
        Self(BTreeSet::from([format!("repository:{repository}:pull")]))
    }

    /// Returns the scope for reading from and writing to `repository`.
    pub(crate) fn push(repository: &str) -> Self {
        Self(BTreeSet::from([format!(
            "repository:{repository}:pull,push"
        )]))
    }

    /// Adds the scope for reading from another repository, as a cross-repository mount needs it.
    pub(crate) fn and_pull(mut self, repository: &str) -> Self {
        self.0.insert(format!("repository:{repository}:pull"));
        self
    }

    /// Adds the scopes that a challenge asks for. Scopes of repositories that are not in `self` are
    /// ignored: the client knows which repositories its request concerns, and a registry must not
    /// obtain tokens for others.
    pub(crate) fn add_from_challenge(&mut self, challenge_scope: &str) {
        let scopes = challenge_scope.split_ascii_whitespace();
        for scope in scopes.take(MAX_CHALLENGE_SCOPES) {
            let Some(repository) = scope.strip_prefix("repository:") else {
                self.0.insert(scope.to_owned());
                continue;
            };
            let (name, actions) = repository.rsplit_once(':').unwrap_or_default();
            let pull = Self::pull(name);
            if actions.split(',').any(|action| action == "push") && pull.0.is_subset(&self.0) {
                self.0 = &(&self.0 - &pull.0) | &Self::push(name).0;
            }
        }
    }

    /// Returns the scopes. Each one becomes a `scope` parameter of its own.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_scopes_that_concern_no_repository() {
        let mut scope = Scope::pull("a/b");
        scope.add_from_challenge("aws repository:other:pull,push");
        assert_eq!(
            scope.iter().collect::<Vec<_>>(),
            ["aws", "repository:a/b:pull"]
        );
    }

    #[test]
    fn a_mount_reads_from_another_repository() {
        let scope = Scope::push("a/b").and_pull("c");
        let scopes: Vec<_> = scope.iter().collect();
        assert_eq!(scopes, ["repository:a/b:pull,push", "repository:c:pull"]);
    }

    #[test]
    fn adds_push_only_for_its_own_repository() {
        for (challenge, expected) in [
            ("repository:a/b:pull", "repository:a/b:pull"),
            ("repository:a/b:pull,push", "repository:a/b:pull,push"),
            ("repository:a/b:pull,delete", "repository:a/b:pull"),
            ("repository:push", "repository:a/b:pull"),
        ] {
            let mut scope = Scope::pull("a/b");
            scope.add_from_challenge(challenge);
            assert_eq!(scope.iter().collect::<Vec<_>>(), [expected], "{challenge}");
        }
    }
}
