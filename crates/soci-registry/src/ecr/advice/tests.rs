use std::io;

use aws_credential_types::provider::error::CredentialsError;

use super::*;
use crate::ecr::profile::ProfileFile;

fn profile(kind: ProfileKind) -> SelectedProfile {
    let file = |path: &str, error| ProfileFile {
        path: path.to_owned(),
        error,
    };
    SelectedProfile {
        name: "dev".to_owned(),
        is_named: true,
        kind,
        defined: vec!["ops".to_owned(), "prod".to_owned()],
        files: vec![
            file("/h/.aws/config", None),
            file("/h/.aws/credentials", Some(io::ErrorKind::NotFound.into())),
        ],
    }
}

fn refusal(status: u16, code: &str, message: &str) -> Refusal {
    Refusal {
        status,
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

/// Explains the failure of a profile's credentials after this answer of a service.
fn explain(kind: ProfileKind, refused: Option<Refusal>) -> (String, String) {
    let error = CredentialsError::provider_error("the cause\n  in two lines");
    let refused = refused.map(|refusal| ServiceRefusal {
        host: "sts.example".to_owned(),
        refusal,
    });
    let advice = explain_failure(&error, refused.as_ref(), &profile(kind));
    (advice.reason, advice.hint.unwrap_or_default())
}

fn sso() -> ProfileKind {
    ProfileKind::Sso("dev".to_owned())
}

#[test]
fn at_most_eight_profiles_are_named() {
    let hint = |count: usize| {
        let mut profile = profile(ProfileKind::Undefined);
        profile.defined = (0..count).map(|number| format!("p{number}")).collect();
        undefined_hint(&profile)
    };
    assert!(hint(0).contains("a profile that is defined, or unset it"));
    assert!(hint(8).contains("`p7`), or unset it"), "{}", hint(8));
    assert!(
        hint(9).contains("`p7` and more), or unset it"),
        "{}",
        hint(9)
    );
}

#[test]
fn an_undefined_profile_is_named_with_the_files() {
    let advice = explain_nothing(&profile(ProfileKind::Undefined)).expect("advice");
    assert_eq!(
        advice.reason,
        "profile `dev` of AWS_PROFILE is not defined in `/h/.aws/config` or `/h/.aws/credentials` (not found)"
    );
    let hint = advice.hint.expect("a hint");
    assert!(hint.contains("(`ops`, `prod`)"), "{hint}");
    let source = ProfileKind::UndefinedSource("base".to_owned());
    let advice = explain_nothing(&profile(source)).expect("advice");
    assert!(
        advice
            .reason
            .contains("profile `base`, the source_profile of `dev`")
    );
    // Without AWS_PROFILE, nothing is wrong.
    let unnamed = SelectedProfile {
        is_named: false,
        ..profile(ProfileKind::Undefined)
    };
    assert_eq!(explain_nothing(&unnamed), None);
}

#[test]
fn a_profile_without_credentials_is_named() {
    let nothing = |kind, is_named| {
        let profile = SelectedProfile {
            is_named,
            ..profile(kind)
        };
        explain_nothing(&profile).map(|advice| advice.reason)
    };
    let incomplete = "the SSO settings of profile `dev` are incomplete";
    assert_eq!(nothing(sso(), false).as_deref(), Some(incomplete));
    let empty = "profile `dev` of AWS_PROFILE holds no credentials";
    assert_eq!(nothing(ProfileKind::Empty, true).as_deref(), Some(empty));
    assert_eq!(nothing(ProfileKind::Empty, false), None);
    assert_eq!(nothing(ProfileKind::Keys, true), None);
}

#[test]
fn an_unreadable_file_is_named() {
    let mut unreadable = profile(ProfileKind::Undefined);
    unreadable.files[1].error = Some(io::ErrorKind::PermissionDenied.into());
    let advice = explain_nothing(&unreadable).expect("advice");
    assert_eq!(
        advice.reason,
        "`/h/.aws/credentials` cannot be read: permission denied"
    );
    assert!(advice.hint.expect("a hint").contains("--user"));
}

#[track_caller]
fn assert_advice(kind: ProfileKind, refused: Option<Refusal>, reason: &str, hint: &str) {
    let (found_reason, found_hint) = explain(kind, refused);
    assert!(found_reason.contains(reason), "{found_reason}");
    assert!(found_hint.contains(hint), "{found_hint}");
}

#[test]
fn the_cure_of_a_login_is_to_log_in() {
    const LOGIN: &str = "aws sso login --profile dev";
    let none = "profile `dev` has no valid SSO session: the cause in two lines";
    assert_advice(sso(), None, none, LOGIN);
    let expired = refusal(401, "UnauthorizedException", "Session token not found");
    let answered = "`sts.example` answered status 401 UnauthorizedException";
    assert_advice(sso(), Some(expired), answered, LOGIN);
    let forbidden = refusal(403, "ForbiddenException", "No access");
    let cure = "check sso_account_id and sso_role_name of profile `dev`";
    assert_advice(sso(), Some(forbidden), "ForbiddenException", cure);
    let login = ProfileKind::ConsoleLogin("dev".to_owned());
    let unsupported = "profile `dev` uses `login_session`, which these tools do not support";
    let cure = "aws configure export-credentials --profile dev";
    assert_advice(login, None, unsupported, cure);
}

#[test]
fn the_cure_fits_the_kind_of_profile() {
    let cause = "profile `dev`: the cause";
    let process = "credential_process of profile `dev`";
    assert_advice(ProfileKind::Process, None, cause, process);
    let correct = "correct the profile in `/h/.aws/config`";
    assert_advice(ProfileKind::Keys, None, cause, correct);
    // The service has answered, so that the profile is complete.
    let refused = refusal(400, "InvalidParameter", "no");
    let (_, hint) = explain(ProfileKind::Keys, Some(refused));
    assert_eq!(hint, "");
    let message = "User: u is not authorized to perform: sts:AssumeRole on resource: r";
    let denied = refusal(403, "AccessDenied", message);
    let needs = "the caller needs sts:AssumeRole";
    assert_advice(ProfileKind::Role, Some(denied), "AccessDenied", needs);
    let expired = || Some(refusal(400, "ExpiredTokenException", "old"));
    let reason = "the credentials have expired";
    assert_advice(
        ProfileKind::Role,
        expired(),
        reason,
        "renew the credentials",
    );
    assert_advice(sso(), expired(), "no valid SSO session", "aws sso login");
    let reason = "the identity token has expired";
    assert_advice(
        ProfileKind::WebIdentity,
        expired(),
        reason,
        "in the same job",
    );
}

#[track_caller]
fn assert_cure(refusal: &Refusal, origin: &Origin, kind: ProfileKind, expected: &str) {
    let advice = explain_refusal(refusal, origin, &profile(kind), "eu-west-1");
    let hint = advice.hint.unwrap_or_default();
    assert!(hint.contains(expected), "{hint}");
    assert!(!hint.contains("the caller needs"), "{hint}");
}

#[test]
fn the_cure_of_expired_keys_fits_their_origin() {
    let expired = refusal(400, "ExpiredTokenException", "old");
    let assert_hint = |origin, kind, expected| assert_cure(&expired, &origin, kind, expected);
    let environment = "set new AWS_ACCESS_KEY_ID";
    assert_hint(Origin::Environment, ProfileKind::Undefined, environment);
    assert_hint(Origin::Profile, sso(), "aws sso login --profile dev");
    let keys = "write new keys into profile `dev`";
    assert_hint(Origin::Profile, ProfileKind::Keys, keys);
    let process = "credential_process";
    assert_hint(Origin::Profile, ProfileKind::Process, process);
    let again = "run the job again";
    assert_hint(Origin::Instance, ProfileKind::Undefined, again);
}

#[test]
fn the_cure_of_refused_keys_fits_the_refusal() {
    for (code, message, expected) in [
        (
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
            "partition of `eu-west-1`",
        ),
        (
            "InvalidSignatureException",
            "The request signature we calculated does not match",
            "set both keys again",
        ),
        (
            "InvalidSignatureException",
            "Signature expired: x",
            "the clock of this machine",
        ),
        ("AccessDeniedException", "no", ""),
    ] {
        let refused = refusal(400, code, message);
        assert_cure(
            &refused,
            &Origin::Environment,
            ProfileKind::Undefined,
            expected,
        );
    }
}
