//! Mocks of AWS: the API that issues ECR's tokens, STS, and the services that give machines their
//! credentials.
//!
//! Each is a `Faulty` whose responses all come from a function, so that it records requests and
//! can fail. [`Moto`](crate::moto::Moto) implements more of these APIs, but cannot fail.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    faulty::{Fault, Faulty, Reply, Request, Rule, Setup},
    process::Tool,
};

/// An expiry that no test reaches.
const EXPIRATION: &str = "2100-01-01T00:00:00Z";

/// Starts a server that answers all requests by a function.
pub fn start_with_handler(
    setup: Setup,
    handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> Faulty {
    let fault = Fault::edit(move |request, _| handler(request));
    setup.rule(Rule::on("*", "*", fault)).start()
}

/// Makes a tool use a mock for all services of AWS, with credentials for it.
#[must_use]
pub fn use_endpoint(tool: Tool, server: &Faulty) -> Tool {
    tool.env("AWS_ENDPOINT_URL", server.url())
        .env("AWS_ACCESS_KEY_ID", "canary-key")
        .env("AWS_SECRET_ACCESS_KEY", "canary-secret-key")
}

/// Answers `GetAuthorizationToken` of ECR or ECR Public, depending on the request.
pub fn authorization_token(request: &Request, user: &str, password: &str) -> Reply {
    let token = BASE64_STANDARD.encode(format!("{user}:{password}"));
    // An expiry in the past, as some mocks send it: only the registry's response decides whether a
    // token is valid.
    let data = json!({"authorizationToken": token, "expiresAt": 1});
    let target = request.header("x-amz-target").unwrap_or_default();
    let body = match target {
        "SpencerFrontendService.GetAuthorizationToken" => json!({"authorizationData": data}),
        _ => json!({"authorizationData": [data]}),
    };
    json_reply(200).body(body.to_string())
}

/// Returns an error of an AWS service with a JSON protocol.
pub fn json_error(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({"__type": code, "message": message});
    json_reply(status).body(body.to_string())
}

fn json_reply(status: u16) -> Reply {
    Reply::new(status).header("Content-Type", "application/x-amz-json-1.1")
}

/// Returns temporary credentials, as the service for containers and that for instances send them.
pub fn temporary_credentials() -> Reply {
    let body = json!({"Code": "Success", "AccessKeyId": "canary-key", "SecretAccessKey": "canary-secret-key",
        "Token": "canary-session", "Expiration": EXPIRATION});
    Reply::new(200)
        .header("Content-Type", "application/json")
        .body(body.to_string())
}

/// Answers as an instance's metadata service that requires a session token (`IMDSv2`).
pub fn instance_metadata(request: &Request) -> Reply {
    const TOKEN: &str = "canary-metadata-token";
    const ROLE: &str = "/latest/meta-data/iam/security-credentials/";
    if request.is("PUT", "/latest/api/token") {
        return Reply::new(200)
            .header("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", 21600)
            .body(TOKEN);
    }
    if request.header("x-aws-ec2-metadata-token") != Some(TOKEN) {
        return Reply::new(401);
    }
    match request.path.strip_prefix(ROLE) {
        Some("") => Reply::new(200).body("builder"),
        Some("builder") => temporary_credentials(),
        _ => Reply::new(404),
    }
}

/// Returns the response of STS to `AssumeRoleWithWebIdentity`.
pub fn assumed_role() -> Reply {
    xml_reply(
        200,
        &format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>canary-key</AccessKeyId>\
             <SecretAccessKey>canary-secret-key</SecretAccessKey><SessionToken>canary-session</SessionToken>\
             <Expiration>{EXPIRATION}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
             </AssumeRoleWithWebIdentityResponse>"
        ),
    )
}

/// Returns an error of STS.
pub fn sts_error(code: &str, message: &str) -> Reply {
    xml_reply(
        400,
        &format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        ),
    )
}

fn xml_reply(status: u16, body: &str) -> Reply {
    Reply::new(status)
        .header("Content-Type", "text/xml")
        .body(body)
}
