//! What messages say if AWS gives no token, and the cure that fits.

use std::error::Error;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::credential_feature::AwsCredentialFeature as Feature;
use aws_types::os_shim_internal::Env;

use super::action::denied_action;
use super::api::is_about_time;
use super::profile::{ProfileKind, SelectedProfile};
use super::refusal::ServiceRefusal;
use crate::error::sanitize::sanitize;
use crate::error::{Refusal, clock_hint};

/// Why AWS gave no token, for messages.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Advice {
    /// What is wrong, without the name of the source.
    pub(super) reason: String,
    /// What the user can do about it, if that is known.
    pub(super) hint: Option<String>,
}

impl Advice {
    fn new(reason: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            hint: Some(hint.into()),
        }
    }
}

/// Where AWS credentials come from, as far as their cure depends on it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    /// `AWS_ACCESS_KEY_ID` and its related variables.
    Environment,
    /// The selected profile.
    Profile,
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`.
    WebIdentity,
    /// The service that gives a container its credentials.
    Container,
    /// The metadata service of a virtual machine.
    Instance,
}

impl Origin {
    /// Returns where credentials come from that were found.
    pub(super) fn of(credentials: &Credentials) -> Self {
        let features = credentials.get_property::<Vec<Feature>>();
        let has = |feature| features.is_some_and(|features| features.contains(&feature));
        if has(Feature::CredentialsProfile) {
            Self::Profile
        } else if has(Feature::CredentialsHttp) {
            Self::Container
        } else if has(Feature::CredentialsImds) {
            Self::Instance
        } else if has(Feature::CredentialsEnvVarsStsWebIdToken)
            || has(Feature::CredentialsStsAssumeRoleWebId)
        {
            Self::WebIdentity
        } else {
            Self::Environment
        }
    }

    /// Returns where credentials were looked for when their source failed: the sources before it
    /// are not set up.
    fn of_failure(profile: &SelectedProfile) -> Self {
        let env = Env::real();
        let is_set = |name: &str| env.get(name).is_ok_and(|value| !value.is_empty());
        match profile.kind {
            ProfileKind::Undefined | ProfileKind::UndefinedSource(_) | ProfileKind::Empty => {
                if is_set("AWS_WEB_IDENTITY_TOKEN_FILE") {
                    Self::WebIdentity
                } else if is_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
                    || is_set("AWS_CONTAINER_CREDENTIALS_FULL_URI")
                {
                    Self::Container
                } else {
                    Self::Instance
                }
            }
            _ => Self::Profile,
        }
    }

    fn describe(&self, profile: &SelectedProfile) -> String {
        match self {
            Self::Environment => "the keys of AWS_ACCESS_KEY_ID".to_owned(),
            Self::Profile => format!("profile `{}`", profile.name),
            Self::WebIdentity => "web identity of AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(),
            Self::Container => "the credentials of the container".to_owned(),
            Self::Instance => "the metadata service of the instance (IMDS)".to_owned(),
        }
    }
}

/// Explains that the AWS credential chain found nothing. Returns `None` if nothing is set up that
/// the user could correct.
pub(super) fn explain_nothing(profile: &SelectedProfile) -> Option<Advice> {
    let name = &profile.name;
    if let Some(file) = profile.unreadable_file() {
        return Some(Advice::new(
            format!("`{}` cannot be read: permission denied", file.path),
            "make it readable for this user; in a container, pass --user \"$(id -u):$(id -g)\"",
        ));
    }
    match &profile.kind {
        ProfileKind::Undefined if profile.is_named => {
            let files = profile.describe_files();
            Some(Advice::new(
                format!("profile `{name}` of AWS_PROFILE is not defined in {files}"),
                undefined_hint(profile),
            ))
        }
        ProfileKind::UndefinedSource(source) => {
            let files = profile.describe_files();
            Some(Advice::new(
                format!(
                    "profile `{source}`, the source_profile of `{name}`, is not defined in {files}"
                ),
                format!("define the profile `{source}`, or correct `{name}`"),
            ))
        }
        ProfileKind::Sso(owner) => Some(Advice::new(
            format!("the SSO settings of profile `{owner}` are incomplete"),
            format!("run `aws configure sso --profile {owner}`"),
        )),
        ProfileKind::Empty if profile.is_named => Some(Advice::new(
            format!("profile `{name}` of AWS_PROFILE holds no credentials"),
            format!("run `aws configure sso --profile {name}`, or choose another profile"),
        )),
        _ => None,
    }
}

fn undefined_hint(profile: &SelectedProfile) -> String {
    const SHOWN: usize = 8;
    let defined: Vec<String> = profile
        .defined
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = if profile.defined.len() > SHOWN {
        " and more"
    } else {
        ""
    };
    if defined.is_empty() {
        "set AWS_PROFILE to a profile that is defined, or unset it".to_owned()
    } else {
        let defined = defined.join(", ");
        format!("set AWS_PROFILE to a profile that is defined ({defined}{more}), or unset it")
    }
}

/// Explains that a source of AWS credentials failed. `refusal` is the answer of the service that it
/// asked, if there was one.
pub(super) fn explain_failure(
    error: &dyn Error,
    refusal: Option<&ServiceRefusal>,
    profile: &SelectedProfile,
) -> Advice {
    let origin = Origin::of_failure(profile);
    let detail = match refusal {
        Some(ServiceRefusal { host, refusal }) => format!("`{host}` answered {refusal}"),
        None => describe_causes(error),
    };
    let source = origin.describe(profile);
    let reason = format!("{source}: {detail}");
    let refused = refusal.map(|refusal| &refusal.refusal);
    if let Some(action) = refused.and_then(|refusal| denied_action(&refusal.message)) {
        let hint = format!(
            "the caller needs {action}, and the trust policy of the role must permit the caller"
        );
        return Advice::new(reason, hint);
    }
    if refused.is_some_and(is_expired) {
        return explain_expired_source(&source, &detail, &origin, profile);
    }
    match (&origin, &profile.kind) {
        (Origin::Profile, ProfileKind::ConsoleLogin(owner)) => Advice::new(
            format!("profile `{owner}` uses `login_session`, which these tools do not support"),
            format!(
                "run `eval \"$(aws configure export-credentials --profile {owner} --format env)\"` \
                 first"
            ),
        ),
        (Origin::Profile, ProfileKind::Sso(owner)) => match refused {
            Some(refusal) if refusal.status == 403 => Advice::new(
                reason,
                format!("check sso_account_id and sso_role_name of profile `{owner}`"),
            ),
            _ => no_sso_session(owner, &detail),
        },
        (Origin::Profile, ProfileKind::Process) => Advice::new(
            reason,
            format!(
                "run the credential_process of profile `{}` by itself",
                profile.name
            ),
        ),
        (Origin::Profile, _) if refusal.is_none() => Advice::new(
            reason,
            format!("correct the profile in {}", profile.describe_files()),
        ),
        _ => Advice { reason, hint: None },
    }
}

/// Explains that the program of the selected profile has not answered within `limit`.
pub(super) fn explain_timeout(limit: Duration, profile: &SelectedProfile) -> Advice {
    let (name, seconds) = (&profile.name, limit.as_secs_f64());
    Advice::new(
        format!("the credential_process of profile `{name}` gave no answer within {seconds} s"),
        "run it by itself to see why, or set a longer --helper-timeout",
    )
}

fn no_sso_session(profile: &str, detail: &str) -> Advice {
    Advice::new(
        format!("profile `{profile}` has no valid SSO session: {detail}"),
        format!("run `aws sso login --profile {profile}`"),
    )
}

/// Explains that what a source of AWS credentials is based on has expired.
fn explain_expired_source(
    source: &str,
    detail: &str,
    origin: &Origin,
    profile: &SelectedProfile,
) -> Advice {
    match (origin, &profile.kind) {
        (Origin::Profile, ProfileKind::Sso(owner)) => no_sso_session(owner, detail),
        (Origin::WebIdentity, _) | (_, ProfileKind::WebIdentity) => Advice::new(
            format!("{source}: the identity token has expired: {detail}"),
            "request the token in the same job, shortly before this step: a CI system's token is \
             valid for minutes",
        ),
        _ => Advice::new(
            format!("{source}: the credentials have expired: {detail}"),
            format!(
                "renew the credentials that profile `{}` is based on",
                profile.name
            ),
        ),
    }
}

/// Explains that the API for ECR refused credentials. `region` is that of the registry.
pub(super) fn explain_refusal(
    refusal: &Refusal,
    origin: &Origin,
    profile: &SelectedProfile,
    region: &str,
) -> Advice {
    let source = origin.describe(profile);
    if is_about_time(&refusal.to_string()) {
        return Advice::new(refusal.to_string(), clock_hint());
    }
    if is_expired(refusal) {
        return Advice::new(
            format!("{source}: the credentials have expired: {refusal}"),
            expired_hint(origin, profile),
        );
    }
    match refusal.code.as_str() {
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId" => {
            Advice::new(
                format!("{source}: AWS does not know the access key: {refusal}"),
                format!(
                    "check that the keys are active, belong to the AWS partition of `{region}`, and that \
                     their account has that region enabled"
                ),
            )
        }
        "InvalidSignatureException" | "SignatureDoesNotMatch" => Advice::new(
            format!("{source}: the secret key does not belong to the access key: {refusal}"),
            "set both keys again, and AWS_SESSION_TOKEN if they are temporary",
        ),
        _ => Advice {
            reason: refusal.to_string(),
            hint: denied_action(&refusal.message)
                .map(|action| format!("the caller needs {action}")),
        },
    }
}

/// Returns whether a refusal is that of credentials or of an identity token that have expired.
fn is_expired(refusal: &Refusal) -> bool {
    matches!(
        refusal.code.as_str(),
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired"
    )
}

/// Returns the cure for AWS credentials that have expired.
fn expired_hint(origin: &Origin, profile: &SelectedProfile) -> String {
    let name = &profile.name;
    match (origin, &profile.kind) {
        (Origin::Environment, _) => {
            "set new AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or unset them so \
             that a profile or a role is used"
                .to_owned()
        }
        (Origin::Profile, ProfileKind::Sso(owner)) => {
            format!("run `aws sso login --profile {owner}`")
        }
        (Origin::Profile, ProfileKind::Process) => {
            format!("make the credential_process of profile `{name}` give new ones")
        }
        (Origin::Profile, _) => {
            format!("write new keys into profile `{name}`, or use a profile with `aws sso login`")
        }
        _ => "run the job again, or check the role that gives them".to_owned(),
    }
}

/// Returns the messages of the causes of an error in one printable line. The error itself is that
/// of the AWS SDK, which says no more than that credentials could not be loaded.
fn describe_causes(error: &dyn Error) -> String {
    let mut next = error.source();
    let mut causes = Vec::new();
    while let Some(cause) = next {
        let text = cause.to_string();
        causes.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        next = cause.source();
    }
    if causes.is_empty() {
        causes.push(error.to_string());
    }
    sanitize(&causes.join(": "))
}

#[cfg(test)]
mod tests;
