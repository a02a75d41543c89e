use std::sync::{Arc, Mutex};

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use soci_document::Classify as _;

use super::*;
use crate::fake::{Fake, Reply};

const PRIVATE: &str = "123456789012.dkr.ecr.eu-west-3.amazonaws.com";

const PUBLIC: &str = "public.ecr.aws";

/// Asks a server that plays AWS for a token.
async fn ask(
    host: &str,
    fake: &Fake,
    keys: Keys,
) -> (Result<Option<Credential>, Failure>, Vec<String>) {
    let host = EcrHost::parse(host).expect("a host of ECR");
    let loader = host
        .loader()
        .endpoint_url(format!("http://{}", fake.address));
    let loader = match keys {
        Keys::Good => loader.credentials_provider(credentials()),
        Keys::None => loader.no_credentials(),
    };
    let mut tried = Vec::new();
    let config = loader.load().await;
    let found = host.ask(&config, &mut tried).await;
    (found, tried)
}

enum Keys {
    Good,
    None,
}

fn credentials() -> Credentials {
    Credentials::new("id", "key", None, None, "test")
}

#[tokio::test]
async fn gets_a_token_for_the_region_of_the_host() {
    let fake = Fake::start(|_, _| {
        // Expired long ago, as some stand-ins for AWS say.
        let token = STANDARD.encode("AWS:p:w");
        Reply::new(200).body(format!(
            r#"{{"authorizationData":[{{"authorizationToken":"{token}","expiresAt":1}}]}}"#
        ))
    });
    for host in [PRIVATE, "123456789012.dkr-ecr-fips.eu-west-3.on.aws"] {
        let (found, _) = ask(host, &fake, Keys::Good).await;
        let Ok(Some(Credential::Password {
            username, password, ..
        })) = found
        else {
            panic!("no token: {found:?}");
        };
        assert_eq!((username.as_str(), password.reveal()), ("AWS", "p:w"));
    }
    for seen in fake.seen() {
        let signed = &seen.headers["authorization"];
        assert!(signed.contains("/eu-west-3/ecr/"), "{signed}");
    }
}

#[tokio::test]
async fn names_the_action_that_aws_denies() {
    let fake = Fake::start(|_, _| {
        Reply::new(400).body(r#"{"__type":"AccessDeniedException","message":"not you"}"#)
    });
    let (found, _) = ask(PRIVATE, &fake, Keys::Good).await;
    let failure = found.expect_err("a denial");
    assert!(failure.reason().contains("not you"), "{failure:?}");
    let host = EcrHost::parse(PRIVATE).expect("a host of ECR");
    let operation = Operation {
        action: "fetch manifest",
        object: "v1".to_owned(),
        registry: PRIVATE.to_owned(),
        repository: "app".to_owned(),
    };
    let hint = host.error(&operation, failure).hint().expect("a hint");
    assert!(hint.contains("ecr:GetAuthorizationToken"), "{hint}");
}

#[tokio::test]
async fn does_without_aws_credentials() {
    let fake = Fake::start(|_, _| Reply::new(500));
    for host in [PRIVATE, PUBLIC] {
        let (found, tried) = ask(host, &fake, Keys::None).await;
        assert!(found.expect("no error").is_none());
        assert_eq!(tried.len(), 1);
    }
    assert!(fake.seen().is_empty());
}

/// Keeps the hosts that are asked, and reaches none.
#[derive(Clone, Debug, Default)]
struct Nowhere(Arc<Mutex<Vec<String>>>);

impl HttpClient for Nowhere {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Nowhere {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri = request.uri().to_owned();
        self.0.lock().expect("no panic").push(uri);
        let unreachable = ConnectorError::user("nowhere".into());
        HttpConnectorFuture::ready(Err(unreachable))
    }
}

/// Returns what is asked for a registry's token.
async fn asked(host: &str) -> String {
    let found = EcrHost::parse(host).expect("a host of ECR");
    let nowhere = Nowhere::default();
    let loader = found.loader().credentials_provider(credentials());
    let config = loader.http_client(nowhere.clone()).load().await;
    found.ask(&config, &mut vec![]).await.expect_err(host);
    let asked = nowhere.0.lock().expect("no panic").clone();
    asked.first().expect("a request").clone()
}

/// Every shape of ECR's host names without the account, with the endpoint that its region and kind have.
const ENDPOINTS: [(&str, &str); 14] = [
    (
        ".dkr.ecr.us-east-1.amazonaws.com",
        "api.ecr.us-east-1.amazonaws.com",
    ),
    (
        ".dkr.ecr.us-gov-west-1.amazonaws.com",
        "api.ecr.us-gov-west-1.amazonaws.com",
    ),
    (
        ".dkr.ecr-fips.us-east-2.amazonaws.com",
        "api.ecr-fips.us-east-2.amazonaws.com",
    ),
    (
        ".dkr.ecr-fips.us-gov-west-1.amazonaws.com",
        "api.ecr-fips.us-gov-west-1.amazonaws.com",
    ),
    (
        ".dkr.ecr.cn-north-1.amazonaws.com.cn",
        "api.ecr.cn-north-1.amazonaws.com.cn",
    ),
    (
        ".dkr.ecr.eusc-de-east-1.amazonaws.eu",
        "api.ecr.eusc-de-east-1.amazonaws.eu",
    ),
    (".dkr-ecr.eu-west-1.on.aws", "ecr.eu-west-1.api.aws"),
    (
        ".dkr-ecr-fips.us-east-2.on.aws",
        "ecr-fips.us-east-2.api.aws",
    ),
    (
        ".dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn",
        "ecr.cn-northwest-1.api.amazonwebservices.com.cn",
    ),
    (
        ".dkr-ecr.eusc-de-east-1.on.amazonwebservices.eu",
        "ecr.eusc-de-east-1.api.amazonwebservices.eu",
    ),
    (
        ".dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
        "api.ecr.us-isob-east-1.sc2s.sgov.gov",
    ),
    (
        ".dkr.ecr.us-iso-east-1.c2s.ic.gov",
        "api.ecr.us-iso-east-1.c2s.ic.gov",
    ),
    (
        ".dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk",
        "api.ecr.eu-isoe-west-1.cloud.adc-e.uk",
    ),
    (
        ".dkr.ecr.us-isof-east-1.csp.hci.ic.gov",
        "api.ecr.us-isof-east-1.csp.hci.ic.gov",
    ),
];

#[tokio::test]
async fn asks_the_endpoint_of_the_hosts_region_and_kind() {
    for (host, endpoint) in ENDPOINTS {
        let host = format!("123456789012{host}");
        assert_eq!(asked(&host).await, format!("https://{endpoint}/"), "{host}");
    }
    assert_eq!(
        asked(PUBLIC).await,
        "https://api.ecr-public.us-east-1.amazonaws.com/"
    );
    assert_eq!(
        asked("ecr-public.aws.com").await,
        "https://ecr-public.us-east-1.api.aws/"
    );
}
