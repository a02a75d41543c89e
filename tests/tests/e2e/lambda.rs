//! The Lambda function in the emulator of AWS Lambda, and its stack in a mock of AWS.

mod stack;

use std::{path::Path, time::Duration};

use serde_json::{Value, json};
use soci_testkit::{
    aws,
    canary::assert_hidden,
    emulator::LambdaEmulator,
    faulty::{Fault, Faulty, registry_with_layers},
    namespace,
    process::{Sandbox, Tool},
    store::blob_file,
    workspace,
};

const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const USER: &str = "AWS";
const PASSWORD: &str = "canary-password";

/// A registry that behaves as ECR, the API that issues its tokens, and a directory.
struct Cloud {
    registry: Faulty,
    api: Faulty,
    sandbox: Sandbox,
}

impl Cloud {
    /// Starts the servers, with an image `app:v1`.
    fn start() -> Self {
        let setup = Faulty::setup().ecr().basic(USER, PASSWORD);
        Self {
            registry: registry_with_layers(setup.tls(&[ECR]).port(443), &[3000]),
            api: aws::start_with_handler(Faulty::setup(), |request| {
                aws::authorization_token(request, USER, PASSWORD)
            }),
            sandbox: Sandbox::new(),
        }
    }

    /// Starts the function with variables as in `deploy/lambda/template.yaml`.
    fn start_function(&self, set: impl Fn(Tool) -> Tool) -> LambdaEmulator {
        let temporary = self.sandbox.path().join("tmp");
        std::fs::create_dir_all(&temporary).expect("a directory");
        let function = self.sandbox.program(workspace::bin("soci-lambda"));
        let function = aws::use_endpoint(function, &self.api)
            .env_remove("SOCI_STORE")
            .env_remove("HOME")
            .env("TMPDIR", temporary)
            .env("SOCI_CA_FILE", self.registry.ca_file())
            .env("SOCI_RETRY_WAIT", "0.005")
            .env("SOCI_MIN_LAYER_SIZE", "1KiB")
            .env("IMAGE_ARCH", "all")
            .env("IMAGE_FILTERS", "app:*");
        LambdaEmulator::start(set(function))
    }

    /// Returns whether a store contains the layer of the image.
    fn has_layer(&self, store: &Path) -> bool {
        let manifest = self.registry.manifest("app", "v1").expect("the image");
        blob_file(store, &manifest.json()["layers"][0]["digest"]).exists()
    }

    fn tags(&self) -> Vec<String> {
        self.registry.tags("app").into_keys().collect()
    }
}

/// Returns ECR's event of a push, as `EventBridge` puts it into the queue.
fn push(repository: &str, tag: &str) -> String {
    json!({"version": "0", "id": "13cde686-328b-6117-af20-0e5566167482", "detail-type": "ECR Image Action",
        "source": "aws.ecr", "account": "123456789012", "time": "2026-11-16T01:54:34Z",
        "region": "eu-west-1", "resources": [], "detail": {"result": "SUCCESS", "action-type": "PUSH",
        "repository-name": repository, "image-digest": "sha256:7f5b2640", "image-tag": tag}})
    .to_string()
}

/// Returns the batch of messages that the queue invokes the function with.
fn batch(messages: &[(&str, String)]) -> Value {
    let record = |(id, body): &(&str, String)| {
        json!({"messageId": id, "receiptHandle": "h", "body": body, "attributes":
            {"ApproximateReceiveCount": "1"}, "messageAttributes": {}, "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:soci", "awsRegion": "eu-west-1"})
    };
    let records: Vec<Value> = messages.iter().map(record).collect();
    json!({ "Records": records })
}

fn answer(failed: &[&str]) -> Value {
    let failed = failed.iter().map(|id| json!({"itemIdentifier": id}));
    json!({"batchItemFailures": failed.collect::<Vec<_>>()})
}

/// Returns the outcome of a message from the log.
#[track_caller]
fn outcome(function: &LambdaEmulator, message: &str) -> Value {
    let lines = function.json_lines();
    let line = lines.into_iter().find(|line| line["messageId"] == message);
    line.unwrap_or_else(|| panic!("{message}: {}", function.log()))
}

/// Asserts the outcome of each message of the first batch.
#[track_caller]
fn assert_outcomes(function: &LambdaEmulator) {
    for (message, field, expected) in [
        ("m1", "outcome", json!("indexed")),
        ("m1", "image", json!(format!("{ECR}/app:v1"))),
        ("m1", "indexedLayers", json!(1)),
        ("m2", "exit", json!(80)),
        ("m2", "retry", json!(false)),
        ("m3", "exit", json!(69)),
        ("m3", "retry", json!(true)),
        ("m4", "outcome", json!("malformed")),
        ("m5", "outcome", json!("ignored")),
    ] {
        let line = outcome(function, message);
        assert_eq!(line[field], expected, "{line}");
        assert!(line["requestId"].is_string(), "{line}");
    }
}

#[test]
fn indexes_what_is_pushed_and_nothing_twice() {
    namespace::isolated(&[ECR], || {
        let cloud = Cloud::start();
        let unavailable = Fault::error(503, "UNAVAILABLE", "try again");
        cloud.registry.fault("GET", "*/manifests/busy", unavailable);
        // With another tag than the default, the function must look at the event of its own push.
        let function = cloud.start_function(|tool| tool.env("SOCI_TAG", "{tag}-lazy"));
        let messages = batch(&[
            ("m1", push("app", "v1")),
            ("m2", push("app", "gone")),
            ("m3", push("app", "busy")),
            ("m4", "{".to_owned()),
            ("m5", push("other", "v1")),
        ]);
        assert_eq!(
            function.invoke(&messages),
            answer(&["m3"]),
            "{}",
            function.log()
        );
        assert_eq!(cloud.tags(), ["v1", "v1-lazy"]);
        assert_outcomes(&function);
        let lines = function.json_lines();
        let mut tools = lines.iter().filter(|line| line["tool"] == "soci-pull");
        assert!(tools.all(|line| line["requestId"].is_string()));
        // The event of its own push makes no other push, so this does not go on for ever.
        cloud.registry.clear_requests();
        let own = batch(&[("m6", push("app", "v1-lazy"))]);
        assert_eq!(function.invoke(&own), answer(&[]));
        assert_eq!(outcome(&function, "m6")["outcome"], "unchanged");
        let requests = cloud.registry.requests();
        assert!(requests.len() <= 6, "{}", cloud.registry.log());
        let mut methods = requests.iter().map(|entry| &*entry.request.method);
        assert!(methods.all(|method| method == "GET" || method == "HEAD"));
        assert_eq!(cloud.tags(), ["v1", "v1-lazy"]);
        // The index of version 1 and the manifests of the converted image have no tag.
        cloud.registry.clear_requests();
        let untagged = push("app", "v1").replace("image-tag", "no-tag");
        assert_eq!(function.invoke(&batch(&[("m7", untagged)])), answer(&[]));
        assert!(cloud.registry.requests().is_empty());
        assert_hidden("the log", function.log().as_bytes());
        let store = cloud.sandbox.path().join("tmp/soci");
        assert!(store.join("oci-layout").exists());
        assert!(!cloud.has_layer(&store), "a layer is on disk");
    });
}

#[test]
fn stops_before_the_deadline_of_lambda() {
    namespace::isolated(&[ECR], || {
        let cloud = Cloud::start();
        let stall = Fault::stall_head(Duration::MAX);
        cloud.registry.fault("GET", "*/blobs/*", stall);
        let function = cloud.start_function(|tool| tool.env("AWS_LAMBDA_FUNCTION_TIMEOUT", "16"));
        let one = batch(&[("m1", push("app", "v1"))]);
        assert_eq!(function.invoke(&one), answer(&["m1"]), "{}", function.log());
        let line = outcome(&function, "m1");
        assert_eq!(line["retry"], true, "{line}");
        // The next invocation of the same process works.
        cloud.registry.clear_rules();
        let other = batch(&[("m2", "{".to_owned())]);
        assert_eq!(function.invoke(&other), answer(&[]));
    });
}
