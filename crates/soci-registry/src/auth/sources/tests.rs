//! Which source is used after another one was rejected.

use std::sync::Arc;

use tempfile::NamedTempFile;

use super::*;
use crate::credentials::chain::tests::chain;
use crate::credentials::environment::Environment;
use crate::error::Refusal;
use crate::secret::Secret;

/// The positions of the sources: a file with an entry and without helpers, the variables, and none.
const HELPER: usize = 0;
const ENTRY: usize = 1;
const VARIABLES: usize = 3;
const ANONYMOUS: usize = 4;

struct Tried {
    sources: Sources,
    notes: Notes,
    file: NamedTempFile,
}

impl Tried {
    fn new() -> Self {
        let file = NamedTempFile::new().expect("a file");
        let entry = r#"{"auths":{"r.example":{"username":"user","password":"canary"}}}"#;
        std::fs::write(file.path(), entry).expect("a file");
        let environment = Environment {
            authfile: Some(file.path().to_owned()),
            username: Some("user".to_owned()),
            password: Some(Secret::new("canary".to_owned())),
            ..Environment::default()
        };
        let chain = chain(environment, Some("r.example"));
        Self {
            notes: Notes::new(&chain, Arc::default()),
            sources: Sources::new(chain),
            file,
        }
    }

    /// Returns the position of the source that is used for a scope.
    async fn next(&mut self, scope: &Scope) -> Option<usize> {
        let operation = Operation {
            action: "fetch manifest",
            object: "v1".to_owned(),
            registry: "r.example".to_owned(),
            repository: "app".to_owned(),
            is_implied: true,
        };
        let next = self.sources.next(scope, &operation, &self.notes).await;
        next.expect("sound sources").map(|found| found.position)
    }

    fn reject(&mut self, position: usize, scope: &Scope, rejection: &Rejection) {
        self.sources.reject(position, scope, rejection, &self.notes);
    }
}

fn refused(token_server: Option<&str>, status: u16) -> Rejection {
    Rejection::Refused(CredentialRefusal {
        token_server: token_server.map(str::to_owned),
        refusal: Refusal {
            status,
            code: "UNAUTHORIZED".to_owned(),
            message: String::new(),
        },
    })
}

#[tokio::test]
async fn the_next_source_is_used_for_the_scope_that_was_rejected() {
    let mut tried = Tried::new();
    let (pull, push) = (Scope::pull("app"), Scope::push("app"));
    assert_eq!(tried.next(&pull).await, Some(ENTRY));
    tried.reject(ENTRY, &pull, &refused(None, 403));
    assert_eq!(tried.next(&pull).await, Some(VARIABLES));
    assert_eq!(tried.next(&push).await, Some(ENTRY));
    tried.reject(VARIABLES, &pull, &refused(None, 403));
    // The registry has rejected a token, so that access without one is not tried.
    assert_eq!(tried.next(&pull).await, None);
    let file = tried.file.path().display();
    let lines = [
        format!("`{file}`: rejected (expired?)"),
        "SOCI_USERNAME and SOCI_PASSWORD: rejected".to_owned(),
    ];
    assert_eq!(tried.notes.tried(), lines);
    assert!(tried.notes.refusal().is_some());
}

#[tokio::test]
async fn access_without_credentials_is_tried_after_unsuitable_ones() {
    let mut tried = Tried::new();
    let pull = Scope::pull("app");
    for position in [ENTRY, VARIABLES] {
        assert_eq!(tried.next(&pull).await, Some(position));
        let reason = (position == ENTRY).then_some("cannot answer");
        tried.reject(position, &pull, &Rejection::Unsuitable(reason));
    }
    assert_eq!(tried.next(&pull).await, Some(ANONYMOUS));
    tried.reject(ANONYMOUS, &pull, &refused(None, 401));
    assert_eq!(tried.next(&pull).await, None);
    let lines = tried.notes.tried();
    assert!(lines[0].ends_with(": cannot answer"), "{lines:?}");
    assert_eq!(lines[1..], ["without credentials: rejected"]);
    // Nothing was rejected that a user has given.
    assert!(tried.notes.refusal().is_none());
}

/// RFC 9110, section 15.5.2: after a 401 of the token server, the credential is of no use.
#[tokio::test]
async fn a_credential_that_the_token_server_does_not_know_is_used_for_no_scope() {
    let (pull, push) = (Scope::pull("app"), Scope::push("app"));
    for (server, status, next) in [
        (Some("auth.example"), 401, VARIABLES),
        (Some("auth.example"), 403, ENTRY),
        (None, 401, ENTRY),
    ] {
        let mut tried = Tried::new();
        assert_eq!(tried.next(&pull).await, Some(ENTRY));
        tried.reject(ENTRY, &pull, &refused(server, status));
        assert_eq!(tried.next(&push).await, Some(next), "{server:?} {status}");
    }
}

#[tokio::test]
async fn a_source_that_is_revived_is_used_again() {
    let mut tried = Tried::new();
    let pull = Scope::pull("app");
    assert_eq!(tried.next(&pull).await, Some(ENTRY));
    tried.reject(ENTRY, &pull, &refused(Some("auth.example"), 401));
    assert_eq!(tried.next(&pull).await, Some(VARIABLES));
    let Tried { sources, notes, .. } = &mut tried;
    sources.revive(&BTreeSet::from([ENTRY, VARIABLES]), &pull, notes);
    assert_eq!(tried.next(&pull).await, Some(ENTRY));
    assert_eq!(tried.notes.tried(), [""; 0]);
}

#[test]
fn a_helper_may_give_another_credential() {
    let sources = Tried::new().sources;
    for (position, is_renewable, kind) in [
        (HELPER, true, SourceKind::Renewable),
        (ENTRY, false, SourceKind::Fixed),
        (VARIABLES, false, SourceKind::Fixed),
        (ANONYMOUS, false, SourceKind::Fixed),
    ] {
        assert_eq!(sources.is_renewable(position), is_renewable);
        assert_eq!(sources.kind(position), kind);
    }
}
