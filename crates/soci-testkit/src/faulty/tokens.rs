//! The bearer tokens that a registry has issued.

use std::{collections::BTreeMap, sync::Mutex};

/// All issued tokens, by their value.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<BTreeMap<String, Token>>);

#[derive(Debug)]
struct Token {
    scopes: Vec<String>,
    /// For how many more requests it is valid.
    uses: usize,
}

/// The result of the check of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Validity {
    /// The token grants the request, which was counted as one use.
    Valid,
    /// The token is missing, unknown, used up or expired.
    Invalid,
    /// The token does not include the scope that the request needs.
    InsufficientScope,
}

impl Tokens {
    /// Issues a token for these scopes, each of the form `repository:NAME:ACTIONS`, and returns its
    /// value.
    pub(super) fn issue(&self, scopes: Vec<String>, uses: usize) -> String {
        let mut tokens = self.0.lock().expect("no panic");
        let value = format!("canary-bearer-{}", tokens.len() + 1);
        tokens.insert(value.clone(), Token { scopes, uses });
        value
    }

    /// Returns how many tokens were issued.
    pub(super) fn count(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }

    /// Makes all issued tokens invalid.
    pub(super) fn expire(&self) {
        for token in self.0.lock().expect("no panic").values_mut() {
            token.uses = 0;
        }
    }

    /// Checks the token of a request, and counts one use if it is valid. Without a `scope` every
    /// token is sufficient.
    pub(super) fn check(&self, value: Option<&str>, scope: Option<&str>) -> Validity {
        let mut tokens = self.0.lock().expect("no panic");
        let token = value.and_then(|value| tokens.get_mut(value));
        let Some(token) = token.filter(|token| token.uses > 0) else {
            return Validity::Invalid;
        };
        if scope.is_some_and(|scope| !include_scope(&token.scopes, scope)) {
            return Validity::InsufficientScope;
        }
        token.uses -= 1;
        Validity::Valid
    }
}

/// Returns whether the scopes of a token grant every action of `needed`.
fn include_scope(scopes: &[String], needed: &str) -> bool {
    let Some((repository, needed)) = needed.rsplit_once(':') else {
        return false;
    };
    needed.split(',').all(|action| {
        let mut scopes = scopes.iter().filter_map(|scope| scope.rsplit_once(':'));
        scopes.any(|(name, actions)| {
            name == repository
                && actions
                    .split(',')
                    .any(|granted| granted == action || granted == "*")
        })
    })
}
