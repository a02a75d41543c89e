//! Batches of messages, with programs in the place of the tools.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use soci_lambda::{Handler, Settings};
use tempfile::TempDir;

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";

/// Programs that have the names of the tools. Each passes its input on, unless it is replaced.
struct Tools {
    directory: TempDir,
}

impl Tools {
    fn new() -> Self {
        let tools = Self {
            directory: tempfile::tempdir().expect("a directory"),
        };
        tools.replace("soci-pull", "printf '%s\\n' \"$@\" > \"$0.arguments\"");
        tools.replace("soci-plan", "printf '%s\\n' \"$@\" > \"$0.arguments\"; cat");
        tools.replace("soci-index", "cat");
        tools
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn replace(&self, tool: &str, script: &str) {
        let path = self.path(tool);
        // The file is written by another process: a thread of this one that starts a program at the
        // same time would keep it open for writing.
        let write = format!("cat > '{}'", path.display());
        let mut child = std::process::Command::new("sh")
            .args(["-c", &write])
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut stdin = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, format!("#!/bin/sh\n{script}\n").as_bytes())
            .expect("a script");
        drop(stdin);
        assert!(child.wait().expect("a shell").success());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a program");
    }

    /// Makes `soci-push` write these lines when the stages before it have ended.
    fn end_with(&self, lines: &[Value]) {
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        fs::write(self.path("documents"), lines.join("\n")).expect("a file");
        let documents = self.path("documents");
        self.replace("soci-push", &format!("cat; cat '{}'", documents.display()));
    }

    fn arguments(&self, tool: &str) -> String {
        fs::read_to_string(self.path(&format!("{tool}.arguments"))).unwrap_or_default()
    }

    fn settings(&self) -> Settings {
        Settings {
            filters: "app:*,team/*:v*".parse().expect("filters"),
            platforms: Vec::new(),
            tools: Some(self.directory.path().to_owned()),
            store: self.path("store"),
            own_suffix: Some("-soci"),
        }
    }

    /// Invokes the function, and returns the ids of the messages that failed.
    #[track_caller]
    fn invoke(&self, messages: &[(&str, String)]) -> Vec<String> {
        self.invoke_for(messages, Duration::from_mins(5))
    }

    #[track_caller]
    fn invoke_for(&self, messages: &[(&str, String)], time: Duration) -> Vec<String> {
        let records = messages.iter();
        let records: Vec<Value> = records
            .map(|(id, body)| json!({"messageId": id, "body": body, "eventSource": "aws:sqs"}))
            .collect();
        let answer =
            invoke(self.settings(), &json!({"Records": records}), time).expect("an answer");
        failed_ids(&answer)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "no output depends on the time that is left"
)]
fn invoke(settings: Settings, payload: &Value, time: Duration) -> Result<Value, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let handler = Handler::new(settings);
    let answer = handler.handle(payload, "request-1", SystemTime::now() + time);
    runtime.block_on(answer).map_err(|error| error.to_string())
}

fn failed_ids(answer: &Value) -> Vec<String> {
    let failures = answer["batchItemFailures"].as_array().expect("a list");
    let id = |failure: &Value| {
        failure["itemIdentifier"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    failures.iter().map(id).collect()
}

fn push(repository: &str, tag: &str) -> String {
    json!({"source": "aws.ecr", "detail-type": "ECR Image Action", "account": "123456789012",
        "region": "eu-west-1", "detail": {"action-type": "PUSH", "result": "SUCCESS",
        "repository-name": repository, "image-tag": tag, "image-digest": "sha256:00"}})
    .to_string()
}

fn done(image: &str) -> Value {
    let root = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 2,
        "digest": format!("sha256:{}", "0".repeat(64))});
    json!({"version": 1, "image": format!("{HOST}/{image}"), "root": root, "manifests": []})
}

fn failed(image: &str, exit: u8) -> Value {
    json!({"version": 1, "image": format!("{HOST}/{image}"),
        "error": {"stage": "soci-pull", "exit": exit, "message": "m"}})
}

#[test]
fn only_what_is_worth_a_retry_is_delivered_again() {
    let tools = Tools::new();
    tools.end_with(&[
        done("app:v1"),
        failed("app:gone", 80),
        failed("app:busy", 75),
        failed("app:bad", 65),
        failed("team/a:v1", 77),
    ]);
    let retried = tools.invoke(&[
        ("m1", push("app", "v1")),
        ("m2", push("app", "gone")),
        ("m3", push("app", "busy")),
        ("m4", push("app", "bad")),
        ("m5", push("team/a", "v1")),
    ]);
    assert_eq!(retried, ["m3", "m5"]);
    let expected = ["app:bad", "app:busy", "app:gone", "app:v1", "team/a:v1"];
    let expected = expected.map(|image| format!("{HOST}/{image}\n")).concat();
    assert_eq!(tools.arguments("soci-pull"), format!("--\n{expected}"));
    assert_eq!(tools.arguments("soci-plan"), "--all-platforms\n");
}

#[test]
fn a_malformed_message_does_not_harm_the_others() {
    let tools = Tools::new();
    tools.end_with(&[done("app:v1")]);
    let mut untagged: Value = serde_json::from_str(&push("app", "v1")).expect("JSON");
    untagged["detail"]["image-tag"].take();
    let retried = tools.invoke(&[
        ("m1", "{".to_owned()),
        ("m2", "[".repeat(100_000)),
        ("m3", push("app", "v1")),
        ("m4", push("app", "v1")),
        ("m5", push("app", "v1@sha256:00")),
        ("m6", push("other", "v1")),
        ("m7", untagged.to_string()),
        ("", push("app", "v2")),
    ]);
    assert!(retried.is_empty(), "{retried:?}");
    // Two messages about one image are one image.
    let expected = format!("--\n{HOST}/app:v1\n");
    assert_eq!(tools.arguments("soci-pull"), expected);
}

#[test]
fn odd_records_do_not_harm_the_others() {
    let tools = Tools::new();
    tools.end_with(&[failed("app:v1", 69)]);
    let payload = json!({"Records": [null, 7, {}, {"messageId": 7}, {"messageId": "m1"},
        {"messageId": "m2", "body": {"a": 1}}, {"messageId": "m3", "body": push("app", "v1")}]});
    let answer = invoke(tools.settings(), &payload, Duration::from_mins(5)).expect("an answer");
    assert_eq!(failed_ids(&answer), ["m3"]);
    for payload in [json!(null), json!([]), json!({"Records": 7}), json!({})] {
        let error = invoke(tools.settings(), &payload, Duration::from_mins(5));
        assert!(error.expect_err("no batch").contains("Records"));
    }
}

#[test]
fn nothing_is_started_for_a_batch_without_an_image() {
    let tools = Tools::new();
    let retried = tools.invoke(&[("m1", push("other", "v1")), ("m2", "x".to_owned())]);
    assert!(retried.is_empty());
    assert_eq!(tools.arguments("soci-pull"), "");
}

/// The event of the function's own push sends no request, and starts nothing.
#[test]
fn the_event_of_its_own_push_starts_nothing() {
    let tools = Tools::new();
    let failures = tools.invoke(&[("m1", push("app", "v1-soci"))]);
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(tools.arguments("soci-pull"), "");
    let other_tags = Settings {
        own_suffix: None,
        ..tools.settings()
    };
    tools.end_with(&[done("app:v1-soci")]);
    let records = json!({"Records": [{"messageId": "m1", "body": push("app", "v1-soci")}]});
    let answer = invoke(other_tags, &records, Duration::from_mins(5)).expect("an answer");
    assert_eq!(failed_ids(&answer), Vec::<String>::new());
    assert!(tools.arguments("soci-pull").contains("app:v1-soci"));
}

#[test]
fn images_without_a_result_are_delivered_again() {
    let tools = Tools::new();
    tools.end_with(&[done("app:v1")]);
    tools.replace("soci-index", "kill -KILL $$");
    let messages = [("m1", push("app", "v1")), ("m2", push("app", "v2"))];
    assert_eq!(tools.invoke(&messages), ["m2"]);
    // A tool that is not there, as in a broken image of the function.
    fs::remove_file(tools.path("soci-index")).expect("a tool");
    assert_eq!(tools.invoke(&messages), ["m1", "m2"]);
}

#[test]
fn stops_before_the_time_is_up() {
    let tools = Tools::new();
    let line = done("app:v1").to_string();
    let numbers = tools.path("numbers");
    // One image is done when the second one begins to take long.
    tools.replace(
        "soci-index",
        &format!(
            "echo '{line}'; echo $$ > '{}'; sleep 1000",
            numbers.display()
        ),
    );
    tools.replace("soci-push", "cat");
    let messages = [("m1", push("app", "v1")), ("m2", push("app", "v2"))];
    let retried = tools.invoke_for(&messages, Duration::from_secs(16));
    assert_eq!(retried, ["m2"]);
    let number = fs::read_to_string(&numbers).expect("the number of the process");
    let process = Path::new("/proc").join(number.trim());
    assert!(!process.exists(), "{} runs", process.display());
    // Without time left, no tool is started.
    fs::remove_file(&numbers).expect("a file");
    let retried = tools.invoke_for(&messages, Duration::ZERO);
    assert_eq!(retried, ["m1", "m2"]);
    assert!(!numbers.exists(), "soci-index was started");
}

#[test]
fn a_tool_that_ignores_the_signal_is_killed() {
    let tools = Tools::new();
    tools.replace("soci-push", "trap '' TERM; sleep 1000 & wait; sleep 1000");
    let retried = tools.invoke_for(&[("m1", push("app", "v1"))], Duration::from_secs(2));
    assert_eq!(retried, ["m1"]);
}
