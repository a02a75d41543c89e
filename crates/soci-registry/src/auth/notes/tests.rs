//! What messages say about the sources that were tried.

use super::*;
use crate::credentials::chain::tests::chain;
use crate::credentials::environment::Environment;

fn notes() -> Notes {
    Notes::new(&chain(Environment::default(), None), Arc::default())
}

fn failed(kind: ProblemKind, hint: &str) -> Note {
    Note::Failed(Problem {
        line: format!("a source: {hint}"),
        kind,
        hint: Some(hint.to_owned()),
    })
}

fn refusal(message: &str) -> CredentialRefusal {
    CredentialRefusal {
        token_server: None,
        refusal: Refusal {
            status: 401,
            code: "UNAUTHORIZED".to_owned(),
            message: message.to_owned(),
        },
    }
}

#[test]
fn the_source_in_use_is_among_those_that_do_not_suffice() {
    let notes = notes();
    assert!(!notes.is_anonymous());
    notes.set(0, Some(Note::Nothing("a file: no entry".to_owned())));
    for is_anonymous in [false, true] {
        notes.set_current(CurrentSource {
            position: 2,
            label: "no credentials".to_owned(),
            is_anonymous,
        });
        assert_eq!(notes.is_anonymous(), is_anonymous);
    }
    assert_eq!(notes.tried(), ["a file: no entry"]);
    let tried = [
        "a file: no entry",
        "no credentials: not accepted for this request",
    ];
    assert_eq!(notes.tried_for_request(), tried);
    notes.set(
        2,
        Some(Note::Rejected("no credentials: rejected".to_owned())),
    );
    assert_eq!(notes.tried_for_request()[1], "no credentials: rejected");
    notes.set(2, None);
    assert_eq!(notes.tried(), ["a file: no entry"]);
}

#[test]
fn the_first_refusal_is_kept() {
    let notes = notes();
    assert!(notes.refusal().is_none());
    notes.set_refusal(&refusal("first"));
    notes.set_refusal(&refusal("second"));
    let kept = notes.refusal().expect("a refusal").refusal.message;
    assert_eq!(kept, "first");
}

#[test]
fn a_configuration_that_cannot_be_used_decides_unless_a_credential_was_rejected() {
    let notes = notes();
    assert_eq!(notes.outcome(), Outcome::Denied);
    notes.set(3, Some(failed(ProblemKind::Denied, "log in")));
    assert_eq!(notes.outcome(), Outcome::Denied);
    notes.set(1, Some(failed(ProblemKind::Configuration, "install it")));
    assert_eq!(notes.outcome(), Outcome::Misconfigured);
    notes.set(2, Some(Note::Rejected("a file: rejected".to_owned())));
    assert_eq!(notes.outcome(), Outcome::Denied);
}

#[test]
fn the_hints_are_those_of_the_first_two_sources_that_failed() {
    let notes = notes();
    assert!(notes.hint().starts_with("log in with docker login"));
    for (position, hint) in [(5, "third"), (1, "first"), (3, "second")] {
        notes.set(position, Some(failed(ProblemKind::Denied, hint)));
    }
    assert_eq!(notes.hint(), "first; second");
}

#[test]
fn each_warning_is_given_once() {
    let warnings = Warnings::default();
    assert!(warnings.is_new("a source: rejected"));
    assert!(!warnings.is_new("a source: rejected"));
    assert!(warnings.is_new("another source: rejected"));
}
