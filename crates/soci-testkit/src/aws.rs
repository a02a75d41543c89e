//! Stand-ins for AWS: the API that gives ECR's tokens, STS, and the services that give machines their credentials.
//!
//! Each is a [`Faulty`] whose every answer comes from a closure, so that it logs what it was asked and can misbehave;
//! [`Moto`](crate::moto::Moto) is a complete one that cannot.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::{
    faulty::{Fault, Faulty, Reply, Request, Rule, Setup},
    process::Tool,
};

/// When credentials end that last for the whole test.
const EXPIRATION: &str = "2100-01-01T00:00:00Z";

/// Starts a server that answers everything by a closure.
pub fn answering(
    setup: Setup,
    answer: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> Faulty {
    let fault = Fault::edit(move |request, _| answer(request));
    setup.rule(Rule::on("*", "*", fault)).start()
}

/// Lets a tool ask a stand-in in place of every service of AWS, with keys of its own.
#[must_use]
pub fn serve(tool: Tool, server: &Faulty) -> Tool {
    tool.env("AWS_ENDPOINT_URL", server.url())
        .env("AWS_ACCESS_KEY_ID", "canary-key")
        .env("AWS_SECRET_ACCESS_KEY", "canary-secret-key")
}

/// Answers `GetAuthorizationToken`, of ECR or of ECR Public, whichever is asked.
pub fn token(request: &Request, user: &str, password: &str) -> Reply {
    let token = BASE64_STANDARD.encode(format!("{user}:{password}"));
    // The past, as some stand-ins have it: how long a token is good is for the registry to say.
    let data = json!({"authorizationToken": token, "expiresAt": 1});
    let target = request.header("x-amz-target").unwrap_or_default();
    let body = match target {
        "SpencerFrontendService.GetAuthorizationToken" => json!({"authorizationData": data}),
        _ => json!({"authorizationData": [data]}),
    };
    answer(200).body(body.to_string())
}

/// Refuses as AWS's JSON services do.
pub fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({"__type": code, "message": message});
    answer(status).body(body.to_string())
}

fn answer(status: u16) -> Reply {
    Reply::new(status).header("Content-Type", "application/x-amz-json-1.1")
}

/// Gives credentials, as a container's or an instance's service does.
pub fn credentials() -> Reply {
    let body = json!({"Code": "Success", "AccessKeyId": "canary-key", "SecretAccessKey": "canary-secret-key",
        "Token": "canary-session", "Expiration": EXPIRATION});
    Reply::new(200)
        .header("Content-Type", "application/json")
        .body(body.to_string())
}

/// Answers as an instance's metadata service that insists on a token of its own.
pub fn metadata(request: &Request) -> Reply {
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
        Some("builder") => credentials(),
        _ => Reply::new(404),
    }
}

/// Answers STS's `AssumeRoleWithWebIdentity`.
pub fn assumed_role() -> Reply {
    xml(
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

/// Refuses as STS does.
pub fn role_refusal(code: &str, message: &str) -> Reply {
    xml(
        400,
        &format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        ),
    )
}

fn xml(status: u16, body: &str) -> Reply {
    Reply::new(status)
        .header("Content-Type", "text/xml")
        .body(body)
}
