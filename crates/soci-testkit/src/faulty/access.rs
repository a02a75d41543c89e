//! Who may do what: HTTP Basic, and bearer tokens with the place that gives them.

use std::{collections::BTreeMap, sync::Mutex};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{
    Shared,
    place::Place,
    reply::Reply,
    request::{Request, parameter},
    setup::Access,
};

/// What a client is told whose token is of no use for what it wants.
const INSUFFICIENT: &str = ",error=\"insufficient_scope\"";

/// The tokens that were given.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<BTreeMap<String, Token>>);

#[derive(Debug)]
struct Token {
    scopes: Vec<String>,
    uses: usize,
}

impl Tokens {
    pub(super) fn given(&self) -> usize {
        self.0.lock().expect("no panic").len()
    }

    /// Makes all tokens that were given invalid.
    pub(super) fn expire(&self) {
        for token in self.0.lock().expect("no panic").values_mut() {
            token.uses = 0;
        }
    }
}

impl Shared {
    /// Returns the refusal of a request that has not the right to be answered.
    pub(super) fn refusal(&self, request: &Request, place: Place<'_>) -> Option<Reply> {
        if matches!(place, Place::Token | Place::Presigned(_)) {
            return None;
        }
        match &self.setup.access {
            Access::Anonymous => None,
            Access::Basic(user, password) => (!shows(request, user, password)).then(|| {
                let challenge = format!("Basic realm=\"{}\",service=\"faulty\"", self.url);
                denied().header("WWW-Authenticate", challenge)
            }),
            Access::Bearer(..) => self.token_refusal(request, place),
        }
    }

    fn token_refusal(&self, request: &Request, place: Place<'_>) -> Option<Reply> {
        let needed = needed_scope(request, place);
        let sent = request.header("authorization");
        let sent = sent.and_then(|sent| sent.strip_prefix("Bearer "));
        let mut tokens = self.tokens.0.lock().expect("no panic");
        let token = sent
            .and_then(|sent| tokens.get_mut(sent))
            .filter(|token| token.uses > 0);
        let reason = match token {
            None => "",
            Some(token)
                if needed
                    .as_ref()
                    .is_none_or(|needed| allows(&token.scopes, needed)) =>
            {
                token.uses -= 1;
                return None;
            }
            Some(_) => INSUFFICIENT,
        };
        let realm = self.setup.realm.clone();
        let realm = realm.unwrap_or_else(|| format!("{}/token", self.url));
        let scope = needed
            .map(|scope| format!(",scope=\"{scope}\""))
            .unwrap_or_default();
        let challenge = format!("Bearer realm=\"{realm}\",service=\"faulty\"{scope}{reason}");
        Some(denied().header("WWW-Authenticate", challenge))
    }

    /// Gives a token, for the password of HTTP Basic or for an identity token.
    pub(super) fn token(&self, request: &Request) -> Reply {
        let Access::Bearer(user, password) = &self.setup.access else {
            return Reply::error(404, "NOT_FOUND", "no tokens are given here");
        };
        let form = String::from_utf8_lossy(&request.body).into_owned();
        let refresh = parameter(&form, "refresh_token");
        let known = refresh.is_some() && refresh == self.setup.identity_token;
        let by_form = parameter(&form, "password").as_ref() == Some(password);
        if !known && !by_form && !shows(request, user, password) {
            return denied();
        }
        let asked = if request.method == "POST" {
            &form
        } else {
            &request.query
        };
        let scopes = asked.split('&').filter_map(|pair| parameter(pair, "scope"));
        let scopes: Vec<String> = scopes
            .flat_map(|scopes| scopes.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect();
        let mut tokens = self.tokens.0.lock().expect("no panic");
        let name = format!("canary-bearer-{}", tokens.len() + 1);
        let token = Token {
            scopes,
            uses: self.setup.token_uses,
        };
        tokens.insert(name.clone(), token);
        Reply::new(200).json(&json!({"token": name, "access_token": name, "expires_in": 300}))
    }
}

fn denied() -> Reply {
    Reply::error(401, "UNAUTHORIZED", "authentication required")
}

/// Returns whether a request shows a password by HTTP Basic.
fn shows(request: &Request, user: &str, password: &str) -> bool {
    let expected = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let sent = request.header("authorization");
    sent.and_then(|sent| sent.strip_prefix("Basic ")) == Some(&expected)
}

/// Returns the scope that a request needs; none where any token will do.
fn needed_scope(request: &Request, place: Place<'_>) -> Option<String> {
    let actions = match (request.method.as_str(), place) {
        ("GET" | "HEAD", Place::Upload(..)) => "pull,push",
        ("GET" | "HEAD", _) => "pull",
        ("DELETE", Place::Manifest(..) | Place::Blob(..)) => "delete",
        _ => "pull,push",
    };
    Some(format!("repository:{}:{actions}", place.repository()?))
}

fn allows(scopes: &[String], needed: &str) -> bool {
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
