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

    /// Adds what a challenge asks for, but for repositories: which ones are needed is known better here.
    pub(crate) fn widen(&mut self, asked: &str) {
        let scopes = asked.split_ascii_whitespace();
        let others = scopes.filter(|scope| !scope.starts_with("repository:"));
        self.0.extend(others.take(8).map(str::to_owned));
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
}
