//! Row K5: clocks that are wrong, or jump.

use std::process::Command;

use serde_json::Value;
use soci_testkit::{
    aws,
    certificate::Flaw,
    faulty::{Faulty, Request},
    namespace,
    process::{Sandbox, Tool, pipeline},
    workspace,
};

use crate::{
    reliability::{
        auth::{
            PASSWORD, USER, app, assert_fails, logged_in, registry_with_layers, with_short_waits,
        },
        secrets::assert_no_secret,
    },
    stages::{assert_sound, only_document},
};

/// Returns a tool whose wall clock is wrong by an offset such as `+10y`. Its monotonic clock is
/// right.
fn tool_with_clock(sandbox: &Sandbox, name: &str, offset: &str) -> Tool {
    let faketime = sandbox.program("faketime");
    let tool = faketime.args(["--exclude-monotonic", "-m", "-f", offset]);
    with_short_waits(tool.arg(workspace::bin(name))).env("SOCI_MIN_LAYER_SIZE", "0")
}

const OFFSETS: [&str; 4] = ["+1d", "-1d", "+10y", "-10y"];

/// K5: the error about a certificate that is expired or not valid yet names the clock.
#[test]
fn names_the_clock_for_an_expired_certificate() {
    let open = registry_with_layers(Faulty::setup(), &[3000]);
    let setup = Faulty::setup().flawed_tls(&[], Flaw::ShortLived);
    let registry = setup.sharing(&open).start();
    let secure = |tool: Tool| {
        logged_in(tool)
            .env("SOCI_PLAIN_HTTP", "false")
            .env("SOCI_CA_FILE", registry.ca_file())
            .arg(app(&registry))
    };
    for offset in OFFSETS {
        let sandbox = Sandbox::new();
        let ended = secure(tool_with_clock(&sandbox, "soci-pull", offset)).run();
        let fault = if offset.starts_with('+') {
            "certificate has expired"
        } else {
            "certificate is not valid yet"
        };
        assert_fails(
            &sandbox,
            ended,
            69,
            &[fault, "the clock of this machine says"],
        );
    }
    assert!(registry.requests().is_empty());
    let sandbox = Sandbox::new();
    let ended = secure(tool_with_clock(&sandbox, "soci-pull", "+0"))
        .run()
        .succeeds();
    assert_no_secret(&sandbox, &[&ended]);
}

/// Runs the stages with a wrong clock, and returns the parts of the document that hold no times. If
/// `jump` is set, the clock is right at first.
fn index_with_clock(offset: &str, jump: bool) -> Value {
    let registry = registry_with_layers(Faulty::setup().bearer(USER, PASSWORD), &[3000, 70_000]);
    let sandbox = Sandbox::new();
    let stages = [
        ("soci-pull", Some(app(&registry))),
        ("soci-plan", None),
        ("soci-index", None),
        ("soci-push", None),
    ];
    let tools = stages.map(|(name, argument)| {
        let tool = logged_in(tool_with_clock(&sandbox, name, offset)).args(argument);
        if jump {
            // The first 20 calls for the time still return the right one.
            tool.env("FAKETIME_START_AFTER_NUMCALLS", "20")
        } else {
            tool
        }
    });
    let ended: Vec<_> = pipeline(tools)
        .into_iter()
        .map(|ended| ended.succeeds())
        .collect();
    assert_sound(&sandbox.store());
    assert_no_secret(&sandbox, &ended.iter().collect::<Vec<_>>());
    let mut document = only_document(ended.last().expect("four stages").documents());
    let manifests = document["manifests"].take();
    let converted = document["converted"].take();
    Value::from([manifests, converted].to_vec())
}

/// K5: the ztocs and indexes do not depend on the clock.
#[test]
fn makes_the_same_bytes_with_any_clock() {
    let expected = index_with_clock("+0", false);
    assert!(expected[0][0]["index"].is_object(), "{expected}");
    for offset in OFFSETS {
        assert_eq!(index_with_clock(offset, false), expected, "{offset}");
    }
    for offset in ["+10y", "-10y"] {
        assert_eq!(
            index_with_clock(offset, true),
            expected,
            "{offset} on the way"
        );
    }
}

/// Returns the time by the test's own clock.
fn now(format: &str) -> String {
    let mut date = Command::new("date");
    let date = date.env("LC_ALL", "C").args(["-u", format]).output();
    let text = String::from_utf8(date.expect("a clock").stdout).expect("text");
    text.trim_end().to_owned()
}

/// K5: a signature that AWS rejects for its time is made again with AWS's time.
#[test]
fn corrects_the_time_of_a_signature() {
    const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    namespace::isolated(&[ECR], || {
        let setup = Faulty::setup().ecr().basic(USER, PASSWORD);
        let registry = registry_with_layers(setup.tls(&[ECR]).port(443), &[3000]);
        let today = now("+%Y%m%d");
        let is_of_today = move |request: &Request| {
            let date = request.header("x-amz-date").unwrap_or_default();
            date.starts_with(&today)
        };
        let refusal = || {
            let message = "Signature expired: it is now earlier than it should be";
            let refusal = aws::json_error(403, "InvalidSignatureException", message);
            refusal.header("Date", now("+%a, %d %b %Y %H:%M:%S GMT"))
        };
        let checking = aws::start_with_handler(Faulty::setup(), move |request| {
            if is_of_today(request) {
                aws::authorization_token(request, USER, PASSWORD)
            } else {
                refusal()
            }
        });
        let stubborn = aws::start_with_handler(Faulty::setup(), move |_| refusal());
        let pulled = |sandbox: &Sandbox, offset: &str, api: &Faulty| {
            let tool = tool_with_clock(sandbox, "soci-pull", offset).arg(format!("{ECR}/app:v1"));
            let tool = aws::use_endpoint(tool, api).env("SOCI_CA_FILE", registry.ca_file());
            tool.run()
        };
        for offset in OFFSETS {
            let sandbox = Sandbox::new();
            let before = checking.requests().len();
            let ended = pulled(&sandbox, offset, &checking);
            let asked = checking.requests().len() - before;
            // The refusal says what time it is, by which the request is signed once more.
            assert_eq!((asked, ended.code()), (2, 0), "{offset}: {}", ended.stderr);
            assert_no_secret(&sandbox, &[&ended]);
        }
        let sandbox = Sandbox::new();
        let says = ["Signature expired", "the clock of this machine says"];
        assert_fails(&sandbox, pulled(&sandbox, "+1d", &stubborn), 77, &says);
    });
}
