//! The profile of the AWS configuration that is in use, for messages. Its credentials are read by
//! the AWS SDK, whose errors do not say where it has looked.

use std::fs::{self, File};
use std::io;

use aws_config::profile::{self, ProfileSet};
use aws_types::os_shim_internal::{Env, Fs};

use crate::error::sanitize::sanitize;

/// The profile that the environment selects.
#[derive(Debug)]
pub(super) struct SelectedProfile {
    pub(super) name: String,
    /// Whether `AWS_PROFILE` names it.
    pub(super) is_named: bool,
    pub(super) kind: ProfileKind,
    /// The names of the profiles that are defined.
    pub(super) defined: Vec<String>,
    pub(super) files: Vec<ProfileFile>,
}

/// Where a profile has its credentials from.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum ProfileKind {
    /// No file defines the profile.
    Undefined,
    /// It refers to this profile with `source_profile`, which no file defines.
    UndefinedSource(String),
    /// A login to AWS IAM Identity Center (`aws sso login`), of this profile.
    Sso(String),
    /// A login of the console (`aws login`), of this profile.
    ConsoleLogin(String),
    /// A program (`credential_process`).
    Process,
    /// A role that is assumed with a token of another identity provider.
    WebIdentity,
    /// A role that is assumed with other credentials.
    Role,
    /// Access keys.
    Keys,
    /// The profile has no credentials.
    Empty,
}

/// A file of the AWS configuration.
#[derive(Debug)]
pub(super) struct ProfileFile {
    pub(super) path: String,
    /// Why it cannot be opened, if it cannot.
    pub(super) error: Option<io::Error>,
}

/// The files of the AWS configuration: the variable that names each, and where it is by default.
const FILES: [(&str, &str); 2] = [
    ("AWS_CONFIG_FILE", "~/.aws/config"),
    ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
];

/// How many profiles may be chained by `source_profile`.
const MAX_CHAIN: usize = 16;

impl SelectedProfile {
    /// Reads the profile that the environment of this process selects.
    pub(super) async fn read() -> Self {
        let env = Env::real();
        let selected = selected_name(&env);
        #[expect(
            clippy::default_trait_access,
            reason = "the name of the type is deprecated in this crate"
        )]
        let set = profile::load(&Fs::real(), &env, &Default::default(), None).await;
        let name = selected.clone().unwrap_or_else(|| "default".to_owned());
        let mut defined: Vec<String> = set
            .iter()
            .flat_map(ProfileSet::profiles)
            .map(sanitize)
            .collect();
        defined.sort();
        Self {
            kind: set.map_or(ProfileKind::Empty, |set| find_kind(&set, &name)),
            name: sanitize(&name),
            is_named: selected.is_some(),
            defined,
            files: FILES.map(|file| ProfileFile::find(&env, file)).into(),
        }
    }

    /// Returns the files in which profiles were looked for, for a sentence.
    pub(super) fn describe_files(&self) -> String {
        let files = self.files.iter().map(|file| match &file.error {
            None => format!("`{}`", file.path),
            Some(error) if error.kind() == io::ErrorKind::NotFound => {
                format!("`{}` (not found)", file.path)
            }
            Some(error) => format!("`{}` ({error})", file.path),
        });
        files.collect::<Vec<_>>().join(" or ")
    }

    /// Returns the file that exists and cannot be read.
    pub(super) fn unreadable_file(&self) -> Option<&ProfileFile> {
        let is_unreadable = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let mut files = self.files.iter();
        files.find(|file| file.error.as_ref().is_some_and(is_unreadable))
    }
}

impl ProfileFile {
    fn find(env: &Env, (variable, default): (&str, &str)) -> Self {
        let path = env.get(variable).unwrap_or_else(|_| default.to_owned());
        let home = env.get("HOME").unwrap_or_default();
        let path = match path.strip_prefix("~/") {
            Some(rest) if !home.is_empty() => format!("{home}/{rest}"),
            _ => path,
        };
        // A pipe is not opened, because what the SDK reads from it can be read only once.
        let is_other = fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file());
        Self {
            error: (!is_other).then(|| File::open(&path).err()).flatten(),
            path: sanitize(&path),
        }
    }
}

/// Returns the profile that `AWS_PROFILE` names. An empty variable counts as not set.
pub(super) fn selected_name(env: &Env) -> Option<String> {
    env.get("AWS_PROFILE").ok().filter(|name| !name.is_empty())
}

/// Returns where the profile `selected` has its credentials from, by the rules of the AWS SDK.
fn find_kind(set: &ProfileSet, selected: &str) -> ProfileKind {
    let mut name = selected;
    for _ in 0..MAX_CHAIN {
        let Some(profile) = set.get_profile(name) else {
            return if name == selected {
                ProfileKind::Undefined
            } else {
                ProfileKind::UndefinedSource(sanitize(name))
            };
        };
        let has = |key: &str| profile.get(key).is_some();
        let has_keys = has("aws_access_key_id") || has("aws_secret_access_key");
        if has("role_arn") && !has("web_identity_token_file") {
            match profile.get("source_profile") {
                Some(next) if next != name => {
                    name = next;
                    continue;
                }
                _ if !has_keys => return ProfileKind::Role,
                _ => {}
            }
        }
        let is_chained = name != selected;
        return match () {
            () if is_chained && has_keys => ProfileKind::Role,
            () if has("web_identity_token_file") => ProfileKind::WebIdentity,
            () if has("sso_session") || has("sso_start_url") || has("sso_account_id") => {
                ProfileKind::Sso(sanitize(name))
            }
            () if has("login_session") => ProfileKind::ConsoleLogin(sanitize(name)),
            () if has("credential_process") => ProfileKind::Process,
            () if has_keys => ProfileKind::Keys,
            () => ProfileKind::Empty,
        };
    }
    ProfileKind::Role
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration with a profile of each kind.
    const CONFIG: &str = "
[profile keys]
aws_access_key_id = a
aws_secret_access_key = b
[profile sso]
sso_session = s
sso_account_id = 1
sso_role_name = r
[sso-session s]
sso_region = us-east-1
sso_start_url = https://example.awsapps.com/start
[profile role-of-sso]
role_arn = arn:aws:iam::1:role/r
source_profile = sso
[profile role-of-keys]
role_arn = arn:aws:iam::1:role/r
source_profile = keys
[profile role-of-nothing]
role_arn = arn:aws:iam::1:role/r
source_profile = missing
[profile loop]
role_arn = arn:aws:iam::1:role/r
source_profile = loop2
[profile loop2]
role_arn = arn:aws:iam::1:role/r
source_profile = loop
[profile web]
role_arn = arn:aws:iam::1:role/r
web_identity_token_file = /token
[profile sso-by-url]
sso_start_url = https://example.awsapps.com/start
[profile sso-by-account]
sso_account_id = 1
[profile role-of-web]
role_arn = arn:aws:iam::1:role/r
source_profile = web
[profile role-of-itself]
role_arn = arn:aws:iam::1:role/r
source_profile = role-of-itself
aws_access_key_id = a
[profile role-alone]
role_arn = arn:aws:iam::1:role/r
[profile role-with-keys]
role_arn = arn:aws:iam::1:role/r
aws_secret_access_key = b
[profile console]
login_session = arn:aws:iam::1:user/u
[profile process]
credential_process = /bin/true
[profile region]
region = us-east-1
";

    async fn set() -> ProfileSet {
        let fs = Fs::from_slice(&[("/config", CONFIG)]);
        let env = Env::from_slice(&[("AWS_CONFIG_FILE", "/config")]);
        #[expect(
            clippy::default_trait_access,
            reason = "the name of the type is deprecated in this crate"
        )]
        let set = profile::load(&fs, &env, &Default::default(), None).await;
        set.expect("a configuration")
    }

    #[tokio::test]
    async fn finds_where_a_profile_has_its_credentials_from() {
        let set = set().await;
        for (name, expected) in [
            ("keys", ProfileKind::Keys),
            ("sso", ProfileKind::Sso("sso".to_owned())),
            ("role-of-sso", ProfileKind::Sso("sso".to_owned())),
            ("role-of-keys", ProfileKind::Role),
            (
                "role-of-nothing",
                ProfileKind::UndefinedSource("missing".to_owned()),
            ),
            ("role-of-web", ProfileKind::WebIdentity),
            ("role-of-itself", ProfileKind::Keys),
            ("role-alone", ProfileKind::Role),
            ("role-with-keys", ProfileKind::Keys),
            ("sso-by-url", ProfileKind::Sso("sso-by-url".to_owned())),
            (
                "sso-by-account",
                ProfileKind::Sso("sso-by-account".to_owned()),
            ),
            ("loop", ProfileKind::Role),
            ("web", ProfileKind::WebIdentity),
            ("console", ProfileKind::ConsoleLogin("console".to_owned())),
            ("process", ProfileKind::Process),
            ("region", ProfileKind::Empty),
            ("nope", ProfileKind::Undefined),
        ] {
            assert_eq!(find_kind(&set, name), expected, "{name}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_its_cause() {
        let file = |path: &str, error: Option<io::ErrorKind>| ProfileFile {
            path: path.to_owned(),
            error: error.map(Into::into),
        };
        let mut profile = SelectedProfile {
            name: "dev".to_owned(),
            is_named: true,
            kind: ProfileKind::Undefined,
            defined: Vec::new(),
            files: vec![
                file("/a", Some(io::ErrorKind::NotFound)),
                file("/b", Some(io::ErrorKind::PermissionDenied)),
            ],
        };
        let files = "`/a` (not found) or `/b` (permission denied)";
        assert_eq!(profile.describe_files(), files);
        let unreadable = profile.unreadable_file().map(|file| file.path.as_str());
        assert_eq!(unreadable, Some("/b"));
        profile.files.pop();
        assert!(profile.unreadable_file().is_none());
    }

    #[test]
    fn an_empty_variable_names_no_profile() {
        for (value, expected) in [("mine", Some("mine")), ("", None)] {
            let name = selected_name(&Env::from_slice(&[("AWS_PROFILE", value)]));
            assert_eq!(name.as_deref(), expected);
        }
        assert_eq!(selected_name(&Env::from_slice(&[])), None);
    }

    #[test]
    fn finds_the_files_below_the_home_directory() {
        let find = |variables: &[(&str, &str)]| {
            let file = ProfileFile::find(&Env::from_slice(variables), FILES[0]);
            (file.path, file.error.map(|error| error.kind()))
        };
        let missing = Some(io::ErrorKind::NotFound);
        let home = ("HOME", "/no/home");
        let file = find(&[home]);
        assert_eq!(file, ("/no/home/.aws/config".to_owned(), missing));
        let file = find(&[home, ("AWS_CONFIG_FILE", "~/other")]);
        assert_eq!(file, ("/no/home/other".to_owned(), missing));
        for variables in [&[][..], &[("HOME", "")]] {
            assert_eq!(find(variables), ("~/.aws/config".to_owned(), missing));
        }
        // A folder is not opened.
        let file = find(&[("AWS_CONFIG_FILE", "/")]);
        assert_eq!(file, ("/".to_owned(), None));
    }
}
