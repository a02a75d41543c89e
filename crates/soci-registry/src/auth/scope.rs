//! What a token is for.

use std::collections::BTreeSet;

/// The scopes of a token: the narrowest that will do, with what the registry itself adds.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Scope(BTreeSet<String>);

impl Scope {
    /// Reading from a repository.
    pub(crate) fn pull(repository: &str) -> Self {
        Self(BTreeSet::from([format!("repository:{repository}:pull")]))
    }

    /// Reading from and writing to a repository.
    pub(crate) fn push(repository: &str) -> Self {
        Self(BTreeSet::from([format!(
            "repository:{repository}:pull,push"
        )]))
    }

    /// Reading from another repository, too.
    pub(crate) fn and_pull(mut self, repository: &str) -> Self {
        self.0.insert(format!("repository:{repository}:pull"));
        self
    }

    /// Adds what a challenge asks for, but for other repositories: which ones are needed is known better here.
    pub(crate) fn widen(&mut self, asked: &str) {
        for scope in asked.split_ascii_whitespace().take(8) {
            let Some(repository) = scope.strip_prefix("repository:") else {
                self.0.insert(scope.to_owned());
                continue;
            };
            let (name, actions) = repository.rsplit_once(':').unwrap_or_default();
            let reading = Self::pull(name);
            if actions.split(',').any(|action| action == "push") && reading.0.is_subset(&self.0) {
                self.0 = &(&self.0 - &reading.0) | &Self::push(name).0;
            }
        }
    }

    /// Returns the scopes, each for one parameter.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widens_by_what_is_no_repository() {
        let mut scope = Scope::pull("a/b");
        scope.widen("aws repository:other:pull,push");
        assert_eq!(
            scope.iter().collect::<Vec<_>>(),
            ["aws", "repository:a/b:pull"]
        );
    }

    #[test]
    fn widens_to_writing_where_its_own_repository_wants_that() {
        for (asked, expected) in [
            ("repository:a/b:pull", "repository:a/b:pull"),
            ("repository:a/b:pull,push", "repository:a/b:pull,push"),
            ("repository:a/b:pull,delete", "repository:a/b:pull"),
            ("repository:push", "repository:a/b:pull"),
        ] {
            let mut scope = Scope::pull("a/b");
            scope.widen(asked);
            assert_eq!(scope.iter().collect::<Vec<_>>(), [expected], "{asked}");
        }
    }
}
