//! Tokens that expire or do not suffice, and layers and redirects that lead to other servers.

use serde_json::json;
use soci_testkit::{
    faulty::{Fault, Faulty, Reply, Rule},
    process::{Sandbox, Tool},
    store::assert_no_secret,
};

use crate::{
    app, assert_fails,
    registry_access::{PASSWORD, USER, logged_in},
    registry_with_layers, soci_tool,
};

/// Returns a pull with the most verbose log.
fn pull(sandbox: &Sandbox, reference: &str) -> Tool {
    soci_tool(sandbox).arg(reference).env("SOCI_VERBOSE", "2")
}

/// A3: a token that expires in the middle of a run is renewed once.
#[test]
fn renews_a_token_that_expires_in_a_run() {
    let setup = Faulty::setup().bearer(USER, PASSWORD).token_uses(2);
    let registry = registry_with_layers(setup, &[3000, 4000]);
    let sandbox = Sandbox::new();
    let tool = logged_in(pull(&sandbox, &app(&registry))).arg("--layers");
    let finished = tool.run().succeeds();
    assert_no_secret(&sandbox, &[&finished]);
    // Four requests, two for each token: the manifest, the configuration and two layers.
    assert_eq!(registry.tokens_given(), 2, "{}", registry.log());
    let blobs = registry.requests_to("GET", "*/blobs/*");
    let blobs = blobs.iter().filter(|entry| entry.status == Some(200));
    assert_eq!(blobs.count(), 3, "{}", registry.log());
}

/// A6: a pull requests the wider scope that the registry asks for, and not again and again.
#[test]
fn requests_the_scope_that_the_registry_asks_for() {
    const READING: &str = "repository:app:pull";
    const WRITING: &str = "repository:app:pull,push";
    let setup = Faulty::setup().bearer(USER, PASSWORD);
    let registry = registry_with_layers(setup, &[3000]);
    let challenge = format!(
        "Bearer realm=\"{}/token\",service=\"faulty\",scope=\"{WRITING}\",error=\"insufficient_scope\"",
        registry.url()
    );
    let refusal = Reply::error(401, "UNAUTHORIZED", "insufficient scope");
    let fault = Fault::reply(refusal.header("WWW-Authenticate", challenge));
    let rule = Rule::on("GET", "*/manifests/*", fault.clone());
    registry.rule(rule.skip(1).once());
    let scopes = || -> Vec<String> {
        let tokens = registry.requests_to("GET", "/token").into_iter();
        let scopes = tokens.map(|token| token.request.parameter("scope"));
        scopes.flatten().collect()
    };
    let sandbox = Sandbox::new();
    let finished = logged_in(pull(&sandbox, &app(&registry))).run().succeeds();
    assert_no_secret(&sandbox, &[&finished]);
    assert_eq!(scopes(), [READING, WRITING]);
    // A registry that is never satisfied.
    registry.fault("GET", "*/manifests/*", fault);
    let sandbox = Sandbox::new();
    let finished = logged_in(pull(&sandbox, &app(&registry))).run();
    assert_fails(&sandbox, finished, 77, &["insufficient scope"]);
    assert!(scopes().len() <= 4, "{}", registry.log());
}

/// A12: a token is taken from the field that has it.
#[test]
fn reads_a_token_from_either_field() {
    const TOKEN: &str = "canary-bearer-1";
    for reply in [
        json!({"token": TOKEN}),
        json!({"access_token": TOKEN}),
        json!({"token": "", "access_token": TOKEN}),
        json!({"token": TOKEN, "access_token": ""}),
        json!({"token": null, "access_token": TOKEN}),
    ] {
        let setup = Faulty::setup().bearer(USER, PASSWORD);
        let registry = registry_with_layers(setup, &[3000]);
        let body = reply.to_string();
        let only = Fault::edit(move |_, reply| reply.body(body.clone()));
        registry.fault("GET", "/token", only);
        let sandbox = Sandbox::new();
        let finished = logged_in(pull(&sandbox, &app(&registry))).run().succeeds();
        assert_no_secret(&sandbox, &[&finished]);
    }
}

/// A12: a malformed challenge does not hide a good one, in the same header or in another.
#[test]
fn finds_the_challenge_beside_a_malformed_one() {
    const CHALLENGE: &str = "WWW-Authenticate";
    type Combine = fn(Reply, &str) -> Reply;
    let combinations: [Combine; 6] = [
        |reply, good| reply.header(CHALLENGE, format!("Digest realm=, {good}")),
        |reply, good| reply.header(CHALLENGE, format!("{good}, Basic realm=\"x")),
        |reply, good| reply.header(CHALLENGE, format!("Negotiate, =, {good}")),
        |reply, good| reply.header(CHALLENGE, good.replace(',', " ")),
        |reply, good| {
            let reply = reply.header(CHALLENGE, "Bearer realm=\"\"");
            reply.another_header(CHALLENGE, good)
        },
        |reply, good| {
            let reply = reply.header(CHALLENGE, good);
            reply.another_header(CHALLENGE, "Bearer realm=,=\"")
        },
    ];
    for (number, combine) in combinations.into_iter().enumerate() {
        let setup = Faulty::setup().bearer(USER, PASSWORD);
        let registry = registry_with_layers(setup, &[3000]);
        let challenges = Fault::edit(move |_, reply| match reply.get(CHALLENGE) {
            Some(good) => {
                let good = good.to_owned();
                combine(reply, &good)
            }
            None => reply,
        });
        registry.fault("*", "/v2/*", challenges);
        let sandbox = Sandbox::new();
        let finished = logged_in(pull(&sandbox, &app(&registry))).run();
        assert_eq!(finished.code(), 0, "{number}: {}", finished.stderr);
        assert_no_secret(&sandbox, &[&finished]);
    }
}

/// A8: a foreign layer is fetched from the registry if that holds it, and never from its URL.
#[test]
fn fetches_foreign_layers_from_the_registry_only() {
    for held in [true, false] {
        let elsewhere = Faulty::setup().basic(USER, "canary-elsewhere").start();
        let setup = Faulty::setup().basic(USER, PASSWORD);
        let registry = registry_with_layers(setup, &[3000, 4000]);
        let manifest = registry.manifest("app", "v1").expect("the image");
        let mut json = manifest.json();
        let layer = &mut json["layers"][1];
        layer["mediaType"] = json!("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
        layer["urls"] = json!([format!("{}/foreign", elsewhere.url())]);
        let foreign = layer["digest"].as_str().expect("a digest").to_owned();
        let digest = registry.put_manifest("app", &manifest.media_type, json.to_string());
        registry.tag("app", "v1", &digest);
        if !held {
            registry.remove(&foreign);
        }
        let sandbox = Sandbox::new();
        let tool = logged_in(pull(&sandbox, &app(&registry))).arg("--layers");
        let finished = tool.run().succeeds();
        assert_no_secret(&sandbox, &[&finished]);
        let document = &finished.documents()[0];
        let entry = &document["manifests"][0]["layers"][1];
        assert_eq!(entry["held"] == false, !held, "{document}");
        assert!(elsewhere.requests().is_empty(), "{}", elsewhere.log());
    }
}

/// A9: a request for a manifest is not redirected from HTTPS to plain HTTP.
#[test]
fn refuses_a_redirect_from_https_to_plain_http() {
    let plain = Faulty::start();
    let setup = Faulty::setup().tls(&[]).basic(USER, PASSWORD);
    let registry = registry_with_layers(setup, &[3000]);
    let location = format!("{}/elsewhere", plain.url());
    registry.fault("GET", "*/manifests/*", Fault::redirect(307, &location));
    let sandbox = Sandbox::new();
    let tool = logged_in(pull(&sandbox, &app(&registry))).arg("--plain-http=false");
    let finished = tool.env("SOCI_CA_FILE", registry.ca_file()).run();
    assert_fails(&sandbox, finished, 76, &["it is plain HTTP"]);
    assert!(plain.requests().is_empty(), "{}", plain.log());
}

/// Returns the servers that were shown a password or token.
fn shown_to(registries: &[&Faulty]) -> Vec<bool> {
    let shown = |registry: &&Faulty| {
        let requests = registry.requests();
        let mut requests = requests.iter();
        requests.any(|entry| entry.request.header("authorization").is_some())
    };
    registries.iter().map(shown).collect()
}

/// A1: of two registries, only the first one gets the password, or the one that is named.
#[test]
fn sends_the_password_to_one_of_two_registries() {
    for setup in [
        Faulty::setup().basic(USER, PASSWORD),
        Faulty::setup().bearer(USER, PASSWORD),
    ] {
        let registries = [
            registry_with_layers(setup.clone(), &[3000]),
            registry_with_layers(setup, &[4000]),
        ];
        let [one, two] = &registries;
        for (name, expected) in [("", [true, false]), (&two.host(), [false, true])] {
            let sandbox = Sandbox::new();
            let tool = soci_tool(&sandbox).args([app(one), app(two)]);
            let tool = logged_in(tool).env("SOCI_REGISTRY", name);
            registries.iter().for_each(Faulty::clear_requests);
            let finished = tool.env("SOCI_VERBOSE", "2").run().ends_with(77);
            assert_no_secret(&sandbox, &[&finished]);
            let finished = finished.says("name it in SOCI_REGISTRY");
            assert!(finished.stdout.len() > 100, "{}", finished.text());
            assert_eq!(shown_to(&[one, two]), expected);
        }
    }
}
