//! Amazon ECR: which hosts it has, its tokens, and which permission is missing.

use aws_config::{BehaviorVersion, ConfigLoader, Region, SdkConfig};
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use reqwest::Method;

use crate::credentials::{Credential, Renewal};
use crate::error::{Denial, Operation, Refusal, RegistryError};
use crate::reply::printable;
use crate::secret::Secret;

/// A registry of ECR, as its host's name tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum EcrHost {
    /// An account's own registry.
    Private {
        region: String,
        /// Whether the endpoints validated by FIPS 140 are to be used.
        fips: bool,
    },
    /// The public gallery.
    Public,
}

/// The domains of private registries by the word between account and region.
const DOMAINS: [(&str, bool, &[&str]); 4] = [
    ("dkr.ecr", false, CLASSIC),
    ("dkr.ecr-fips", true, CLASSIC),
    ("dkr-ecr", false, DUAL_STACK),
    ("dkr-ecr-fips", true, DUAL_STACK),
];

const CLASSIC: &[&str] = &[
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "sc2s.sgov.gov",
    "c2s.ic.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];

const DUAL_STACK: &[&str] = &["on.aws", "on.amazonwebservices.com.cn"];

/// How many manifests ECR takes in a second, from an account in a region (`PutImage` in its list of quotas).
pub(crate) const MANIFESTS_PER_SECOND: u32 = 10;

/// Where ECR Public answers for its tokens.
const PUBLIC_REGION: &str = "us-east-1";

impl EcrHost {
    /// Reads the name of a registry. The whole name must match: one that only contains such a name is somebody else's.
    pub(crate) fn parse(registry: &str) -> Option<Self> {
        if matches!(registry, "public.ecr.aws" | "ecr-public.aws.com") {
            return Some(Self::Public);
        }
        let (account, rest) = registry.split_once('.')?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        DOMAINS.iter().find_map(|(word, fips, domains)| {
            let rest = rest.strip_prefix(word)?.strip_prefix('.')?;
            let (region, domain) = rest.split_once('.')?;
            let is_region = region.contains('-')
                && region
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
            (is_region && domains.contains(&domain)).then(|| Self::Private {
                region: region.to_owned(),
                fips: *fips,
            })
        })
    }

    /// Gets a token with what AWS credentials there are. None are needed for reading the public gallery.
    ///
    /// Boxed, because the SDK's futures are deeper than the compiler follows through all of its callers.
    pub(crate) fn credential<'a>(
        &'a self,
        operation: &'a Operation,
        tried: &'a mut Vec<String>,
        http: SharedHttpClient,
    ) -> BoxFuture<'a, Result<Option<Credential>, RegistryError>> {
        Box::pin(async move {
            let config = self.loader().http_client(http).load().await;
            self.ask(&config, operation, tried).await
        })
    }

    async fn ask(
        &self,
        config: &SdkConfig,
        operation: &Operation,
        tried: &mut Vec<String>,
    ) -> Result<Option<Credential>, RegistryError> {
        let denied = |reason: &str| {
            let denial = Denial::Aws {
                reason: printable(reason),
            };
            let action = match self {
                Self::Private { .. } => "ecr:GetAuthorizationToken",
                Self::Public => "ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken",
            };
            let hint = if is_about_time(reason) {
                crate::error::clock_hint()
            } else {
                format!("the caller needs {action}")
            };
            operation.denied(denial, Some(hint))
        };
        let Some(provider) = config.credentials_provider() else {
            tried.push("AWS: no credentials".to_owned());
            return Ok(None);
        };
        match provider.provide_credentials().await {
            Ok(_) => {}
            Err(CredentialsError::CredentialsNotLoaded(_)) => {
                tried.push(
                    "AWS: no credentials in environment, profile, web identity, container or instance"
                        .to_owned(),
                );
                return Ok(None);
            }
            Err(error) => return Err(denied(&chain(&error))),
        }
        let token = match self {
            Self::Private { .. } => private_token(config).await,
            Self::Public => public_token(config).await,
        };
        let token = match token {
            Ok(token) => token,
            // A role made for private registries need not be allowed to do this, and anybody may read.
            Err(reason) if *self == Self::Public => {
                tried.push(format!("AWS: {}", printable(&reason)));
                return Ok(None);
            }
            Err(reason) => return Err(denied(&reason)),
        };
        match credential(&token) {
            Some(credential) => Ok(Some(credential)),
            None => Err(denied("the token that came is malformed")),
        }
    }

    fn loader(&self) -> ConfigLoader {
        let loader = aws_config::defaults(BehaviorVersion::latest());
        match self {
            Self::Public => loader.region(Region::from_static(PUBLIC_REGION)),
            // The host's name decides, not the environment: the token must be for this registry.
            Self::Private { region, fips } => {
                let loader = loader.region(Region::new(region.clone()));
                if *fips { loader.use_fips(true) } else { loader }
            }
        }
    }
}

async fn private_token(config: &SdkConfig) -> Result<Secret, String> {
    let reply = aws_sdk_ecr::Client::new(config)
        .get_authorization_token()
        .send()
        .await
        .map_err(|error| chain(&error))?;
    // `expiresAt` is not read: the registry itself says when a token is no longer good.
    let data = reply.authorization_data.unwrap_or_default();
    let token = data.into_iter().find_map(|data| data.authorization_token);
    token.map(Secret::new).ok_or_else(no_token)
}

async fn public_token(config: &SdkConfig) -> Result<Secret, String> {
    let reply = aws_sdk_ecrpublic::Client::new(config)
        .get_authorization_token()
        .send()
        .await
        .map_err(|error| chain(&error))?;
    let data = reply.authorization_data;
    let token = data.and_then(|data| data.authorization_token);
    token.map(Secret::new).ok_or_else(no_token)
}

fn no_token() -> String {
    "the reply holds no token".to_owned()
}

/// Reads an ECR token: Base64 of name and password.
fn credential(token: &Secret) -> Option<Credential> {
    let plain = STANDARD.decode(token.reveal()).ok()?;
    let plain = String::from_utf8(plain).ok()?;
    let (username, password) = plain.split_once(':')?;
    Some(Credential::Password {
        username: username.to_owned(),
        password: Secret::new(password.to_owned()),
        renewal: Renewal::Possible,
    })
}

/// Returns an error with its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Says whether AWS complains about the time at which a request was signed.
fn is_about_time(reason: &str) -> bool {
    let complaints = [
        "RequestTimeTooSkewed",
        "RequestExpired",
        "Signature expired",
        "Signature not yet current",
    ];
    complaints
        .iter()
        .any(|complaint| reason.contains(complaint))
}

/// Says whether ECR complains about an expired token, which it does with 403 and without a challenge.
pub(crate) fn says_expired(refusal: &Refusal) -> bool {
    refusal
        .message
        .to_ascii_lowercase()
        .contains("authorization token has expired")
}

/// Returns the IAM action behind a request to a registry of ECR.
pub(crate) fn action(method: &Method, path: &str) -> Option<&'static str> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if path.contains("/blobs/uploads/") {
        return match *method {
            Method::POST => Some("ecr:InitiateLayerUpload"),
            Method::PATCH => Some("ecr:UploadLayerPart"),
            Method::PUT => Some("ecr:UploadLayerPart and ecr:CompleteLayerUpload"),
            _ => None,
        };
    }
    if path.contains("/blobs/") {
        return match *method {
            Method::GET => Some("ecr:GetDownloadUrlForLayer"),
            Method::HEAD => Some("ecr:BatchCheckLayerAvailability"),
            _ => None,
        };
    }
    if path.contains("/manifests/") {
        return match *method {
            Method::PUT => Some("ecr:PutImage"),
            _ => reads.then_some("ecr:BatchGetImage"),
        };
    }
    (reads && path.contains("/referrers/")).then_some("ecr:BatchGetImage")
}

#[cfg(test)]
mod tests {
    use aws_credential_types::Credentials;

    use super::*;
    use crate::fake::{Fake, Reply};

    #[test]
    fn knows_the_hosts_of_ecr() {
        let private = |region: &str, fips| {
            let region = region.to_owned();
            Some(EcrHost::Private { region, fips })
        };
        for (host, expected) in [
            (
                "123456789012.dkr.ecr.us-east-1.amazonaws.com",
                private("us-east-1", false),
            ),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                private("us-gov-west-1", true),
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                private("cn-north-1", false),
            ),
            (
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
                private("eusc-de-east-1", false),
            ),
            (
                "123456789012.dkr-ecr.eu-west-1.on.aws",
                private("eu-west-1", false),
            ),
            (
                "123456789012.dkr-ecr-fips.us-east-2.on.aws",
                private("us-east-2", true),
            ),
            (
                "123456789012.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn",
                private("cn-northwest-1", false),
            ),
            (
                "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov",
                private("us-iso-east-1", false),
            ),
            ("public.ecr.aws", Some(EcrHost::Public)),
            ("ecr-public.aws.com", Some(EcrHost::Public)),
        ] {
            assert_eq!(EcrHost::parse(host), expected, "{host}");
        }
    }

    #[test]
    fn is_not_fooled_by_hosts_that_look_alike() {
        for host in [
            "123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.example",
            "evil.example.123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "x123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "12345678901.dkr.ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com:443",
            "123456789012.dkr.ecr.us-east-1.evil.amazonaws.com",
            "123456789012.dkr.ecr.us-east-1.on.aws",
            "123456789012.dkr-ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr..amazonaws.com",
            "xpublic.ecr.aws",
            "public.ecr.aws.evil.example",
            "docker.io",
        ] {
            assert_eq!(EcrHost::parse(host), None, "{host}");
        }
    }

    #[test]
    fn names_the_missing_action() {
        for (method, path, expected) in [
            (Method::GET, "/v2/a/manifests/v1", Some("ecr:BatchGetImage")),
            (Method::PUT, "/v2/a/manifests/v1", Some("ecr:PutImage")),
            (
                Method::GET,
                "/v2/a/blobs/sha256:0",
                Some("ecr:GetDownloadUrlForLayer"),
            ),
            (
                Method::HEAD,
                "/v2/a/blobs/sha256:0",
                Some("ecr:BatchCheckLayerAvailability"),
            ),
            (
                Method::POST,
                "/v2/a/blobs/uploads/",
                Some("ecr:InitiateLayerUpload"),
            ),
            (Method::GET, "/v2/", None),
        ] {
            assert_eq!(action(&method, path), expected, "{method} {path}");
        }
    }

    /// Asks a server that plays AWS for a token.
    async fn ask(
        host: &str,
        fake: &Fake,
        keys: Keys,
    ) -> (Result<Option<Credential>, RegistryError>, Vec<String>) {
        let host = EcrHost::parse(host).expect("a host of ECR");
        let loader = host
            .loader()
            .endpoint_url(format!("http://{}", fake.address));
        let loader = match keys {
            Keys::Good => {
                loader.credentials_provider(Credentials::new("id", "key", None, None, "test"))
            }
            Keys::None => loader.no_credentials(),
        };
        let operation = Operation {
            action: "fetch manifest",
            object: "v1".to_owned(),
            registry: "r.example".to_owned(),
            repository: "app".to_owned(),
        };
        let mut tried = Vec::new();
        let config = loader.load().await;
        let found = host.ask(&config, &operation, &mut tried).await;
        (found, tried)
    }

    enum Keys {
        Good,
        None,
    }

    const PRIVATE: &str = "123456789012.dkr.ecr.eu-west-3.amazonaws.com";

    #[tokio::test]
    async fn gets_a_token_for_the_region_of_the_host() {
        let fake = Fake::start(|_, _| {
            // Expired long ago, as some stand-ins for AWS say.
            let token = STANDARD.encode("AWS:p:w");
            Reply::new(200).body(format!(
                r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":1}}]}}"#
            ))
        });
        let (found, _) = ask(PRIVATE, &fake, Keys::Good).await;
        let Ok(Some(Credential::Password {
            username, password, ..
        })) = found
        else {
            panic!("no token: {found:?}");
        };
        assert_eq!((username.as_str(), password.reveal()), ("AWS", "p:w"));
        let signed = fake.seen()[0].headers["authorization"].clone();
        assert!(signed.contains("/eu-west-3/ecr/"), "{signed}");
    }

    #[tokio::test]
    async fn names_the_action_that_aws_denies() {
        let fake = Fake::start(|_, _| {
            Reply::new(400).body(r#"{"__type":"AccessDeniedException","message":"not you"}"#)
        });
        let (found, _) = ask(PRIVATE, &fake, Keys::Good).await;
        let error = found.expect_err("a denial");
        assert!(error.to_string().contains("not you"), "{error}");
        let hint = error.hint().expect("a hint");
        assert!(hint.contains("ecr:GetAuthorizationToken"), "{hint}");
        // Anybody may read the public gallery, so there it is no error.
        let (found, tried) = ask("public.ecr.aws", &fake, Keys::Good).await;
        assert!(found.expect("no error").is_none());
        assert!(tried[0].contains("not you"), "{tried:?}");
    }

    #[tokio::test]
    async fn does_without_aws_credentials() {
        let fake = Fake::start(|_, _| Reply::new(500));
        let (found, tried) = ask(PRIVATE, &fake, Keys::None).await;
        assert!(found.expect("no error").is_none());
        assert_eq!(tried.len(), 1);
        assert!(fake.seen().is_empty());
    }
}
