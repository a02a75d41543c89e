//! Rows B8 and K3: proxies on the way, and the variables that name them.

use std::fs;

use soci_testkit::{
    aws,
    faulty::{Faulty, Setup},
    namespace,
    network::add_host,
    process::{Sandbox, Tool},
    proxy::Proxy,
};

use super::{FIRST, NAME, SECOND};
use crate::{
    reliability::{
        auth::{PASSWORD, USER, app, assert_fails, logged_in, pull, registry_with_layers},
        secrets::{assert_hidden, assert_no_secret},
    },
    stages::{Stages, assert_sound, indexed, planned, stage},
};

/// `user:canary-proxy`, as HTTP Basic sends it.
const CREDENTIALS: &str = "Basic dXNlcjpjYW5hcnktcHJveHk=";

const WITH_PASSWORD: &str = "http://user:canary-proxy@";

fn reference() -> String {
    format!("{NAME}/app:v1")
}

/// Starts a registry out in the world, with TLS, credentials and an image.
fn registry() -> Faulty {
    registry_of(Faulty::setup().basic(USER, PASSWORD), &[3000])
}

fn registry_of(setup: Setup, layers: &[usize]) -> Faulty {
    add_host(NAME, &[FIRST]);
    registry_with_layers(setup.tls(&[NAME]).address(FIRST).port(443), layers)
}

fn with_ca_file(tool: Tool, registry: &Faulty) -> Tool {
    logged_in(tool).env("SOCI_CA_FILE", registry.ca_file())
}

/// B8: the credentials of a proxy's URL are sent to the proxy only; without them the error says
/// that the proxy requires some.
#[test]
fn authenticates_to_a_proxy() {
    namespace::isolated(&[], || {
        let registry = registry();
        let proxy = Proxy::setup().authorization(CREDENTIALS).start();
        let sandbox = Sandbox::new();
        let open = registry_with_layers(Faulty::setup(), &[3000]);
        let line = indexed(&sandbox, &app(&open));
        let says = [
            "the proxy asks for a user name",
            "put name and password into the URL in HTTPS_PROXY",
        ];
        for user in ["", "user:canary-wrong@"] {
            let url = format!("http://{user}{}", proxy.host());
            let before = proxy.requests().len();
            let tool = with_ca_file(pull(&sandbox, &reference()), &registry);
            let ended = tool.env("HTTPS_PROXY", &url).run();
            assert_fails(&sandbox, ended, 77, &says);
            assert_eq!(proxy.requests().len() - before, 1);
            let push = stage(&sandbox, "soci-push").args(["--to", &reference()]);
            let push = with_ca_file(push, &registry).env("HTTPS_PROXY", &url);
            let ended = push.stdin(line.clone()).run();
            assert_fails(&sandbox, ended, 77, &says);
        }
        assert!(registry.requests().is_empty());
        let url = format!("{WITH_PASSWORD}{}", proxy.host());
        let run = Stages::of(&sandbox, &[reference()]).run_with(|tool| {
            let tool = with_ca_file(tool, &registry).env("SOCI_VERBOSE", "2");
            tool.env("HTTPS_PROXY", &url)
        });
        assert_hidden("stderr", run.stderr().as_bytes());
        run.succeeds();
        assert!(
            proxy
                .targets()
                .iter()
                .all(|target| *target == format!("{NAME}:443"))
        );
        // What is for the proxy stays with the proxy.
        for entry in registry.requests() {
            assert_eq!(entry.request.header("proxy-authorization"), None);
        }
    });
}

/// B8: the same for a registry over plain HTTP.
#[test]
fn authenticates_to_a_proxy_for_plain_http() {
    namespace::isolated(&[], || {
        add_host(NAME, &[FIRST]);
        let registry = registry_with_layers(Faulty::setup().address(FIRST).port(80), &[3000]);
        let proxy = Proxy::setup().authorization(CREDENTIALS).start();
        let sandbox = Sandbox::new();
        let through = |url: String| {
            let tool = pull(&sandbox, &reference()).arg("--plain-http");
            tool.env("HTTP_PROXY", url).run()
        };
        let ended = through(proxy.url());
        assert_fails(&sandbox, ended, 77, &["the proxy asks for a user name"]);
        assert!(registry.requests().is_empty());
        let ended = through(format!("{WITH_PASSWORD}{}", proxy.host())).succeeds();
        assert_no_secret(&sandbox, &[&ended]);
        for entry in registry.requests() {
            assert_eq!(entry.request.header("authorization"), None);
        }
    });
}

/// B8: a proxy that refuses, fails or is down is an outage after six tries.
#[test]
fn reports_a_proxy_that_refuses_or_is_down() {
    namespace::isolated(&[], || {
        let registry = registry();
        for (proxy, tries) in [
            (Some(Proxy::setup().reply_with(403).start()), 6),
            (Some(Proxy::setup().reply_with(502).start()), 6),
            (None, 6),
        ] {
            let sandbox = Sandbox::new();
            let host = proxy.as_ref().map_or("127.0.0.1:9".to_owned(), Proxy::host);
            let url = format!("{WITH_PASSWORD}{host}");
            let tool = with_ca_file(pull(&sandbox, &reference()), &registry);
            let ended = tool.env("HTTPS_PROXY", url).run();
            let says = [NAME, &format!("({tries} tries")];
            assert_fails(&sandbox, ended, 69, &says);
            if let Some(proxy) = proxy {
                assert_eq!(proxy.requests().len(), tries);
            }
        }
        assert!(registry.requests().is_empty());
    });
}

/// B8: hosts of `NO_PROXY` and this machine are reached without the proxy.
#[test]
fn obeys_no_proxy() {
    namespace::isolated(&[], || {
        let registry = registry();
        for (variable, value) in [
            ("NO_PROXY", NAME),
            ("no_proxy", ".example"),
            ("NO_PROXY", "other.test, registry.example"),
            ("NO_PROXY", "*"),
        ] {
            let proxy = Proxy::start();
            let sandbox = Sandbox::new();
            let tool = with_ca_file(pull(&sandbox, &reference()), &registry);
            let tool = tool.env("HTTPS_PROXY", proxy.url()).env(variable, value);
            tool.run().succeeds();
            assert_eq!(proxy.targets(), [""; 0], "{variable}={value}");
        }
        // This machine never is.
        let near = registry_with_layers(Faulty::setup().basic(USER, PASSWORD), &[3000]);
        let proxy = Proxy::start();
        let sandbox = Sandbox::new();
        for variable in ["HTTP_PROXY", "ALL_PROXY"] {
            let tool = logged_in(pull(&sandbox, &app(&near)));
            tool.env(variable, proxy.url()).run().succeeds();
        }
        assert_eq!(proxy.targets(), [""; 0]);
    });
}

/// B8: a layer resumes after the proxy broke off.
#[test]
fn resumes_after_a_proxy_broke_off() {
    namespace::isolated(&[], || {
        let length = 2 << 20;
        let registry = registry_of(Faulty::setup(), &[]);
        registry.push_layers(&[length]);
        let open = Faulty::setup().sharing(&registry).start();
        let sandbox = Sandbox::new();
        let line = String::from_utf8(planned(&sandbox, &app(&open))).expect("a document");
        let proxy = Proxy::setup().cut_after(2, 1 << 20).start();
        let tool = stage(&sandbox, "soci-index").stdin(line.replace(&open.host(), NAME));
        let tool = with_ca_file(tool, &registry).arg("--force");
        let ended = tool.env("HTTPS_PROXY", proxy.url()).run().succeeds();
        assert_no_secret(&sandbox, &[&ended]);
        assert_sound(&sandbox.store());
        let resumed = registry.requests_to("GET", "*/blobs/*");
        let resumed = resumed.iter().filter(|entry| entry.status == Some(206));
        assert!(resumed.count() >= 1, "{}", registry.log());
        assert!(proxy.targets().len() >= 2);
    });
}

/// B8: the AWS API is reached through the proxy, too.
#[test]
fn reaches_the_aws_api_through_the_proxy() {
    const ECR: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    const API: &str = "api.ecr.eu-west-1.amazonaws.com";
    namespace::isolated(&[], || {
        add_host(ECR, &[FIRST]);
        add_host(API, &[SECOND]);
        let setup = Faulty::setup().ecr().basic(USER, PASSWORD);
        let registry =
            registry_with_layers(setup.tls(&[ECR, FIRST]).address(FIRST).port(443), &[3000]);
        let api = Faulty::setup().tls(&[API]).address(SECOND).port(443);
        let api = aws::start_with_handler(api, |request| {
            aws::authorization_token(request, USER, PASSWORD)
        });
        let sandbox = Sandbox::new();
        let authorities = [registry.ca_file(), api.ca_file()]
            .map(|file| fs::read_to_string(file).expect("a certificate"));
        let authorities = sandbox.write("authorities.pem", authorities.concat());
        let proxy = Proxy::setup().authorization(CREDENTIALS).start();
        let pulled = |url: &str| {
            let tool = pull(&sandbox, &format!("{ECR}/app:v1"));
            tool.env("SOCI_CA_FILE", &authorities)
                .env("AWS_ACCESS_KEY_ID", "canary-key")
                .env("AWS_SECRET_ACCESS_KEY", "canary-secret-key")
                .env("HTTPS_PROXY", url)
                .run()
        };
        let ended = pulled(&format!("{WITH_PASSWORD}{}", proxy.host())).succeeds();
        assert_no_secret(&sandbox, &[&ended]);
        let asked = proxy.targets();
        for host in [ECR, API] {
            assert!(asked.contains(&format!("{host}:443")), "{asked:?}");
        }
        assert_eq!(api.requests().len(), 1);
    });
}

/// K3: every variable and form of URL that names a proxy is obeyed.
#[test]
fn obeys_every_proxy_variable() {
    namespace::isolated(&[], || {
        let registry = registry();
        let proxy = Proxy::start();
        let url = proxy.url();
        let port = url.rsplit_once(':').expect("a port").1.to_owned();
        let by_address = format!("http://[::1]:{port}/");
        let bare = proxy.host();
        let with_password = format!("{WITH_PASSWORD}{bare}");
        for (variable, value) in [
            ("HTTPS_PROXY", url.as_str()),
            ("https_proxy", url.as_str()),
            ("ALL_PROXY", url.as_str()),
            ("all_proxy", url.as_str()),
            ("HTTPS_PROXY", by_address.as_str()),
            ("HTTPS_PROXY", bare.as_str()),
            ("HTTPS_PROXY", with_password.as_str()),
        ] {
            let before = proxy.requests().len();
            let sandbox = Sandbox::new();
            let tool = with_ca_file(pull(&sandbox, &reference()), &registry);
            let ended = tool.env(variable, value).run().succeeds();
            assert_no_secret(&sandbox, &[&ended]);
            assert!(proxy.requests().len() > before, "{variable}={value}");
        }
        // One for the other scheme is none.
        let before = proxy.requests().len();
        let sandbox = Sandbox::new();
        let tool = with_ca_file(pull(&sandbox, &reference()), &registry);
        tool.env("HTTP_PROXY", &url).run().succeeds();
        assert_eq!(proxy.requests().len(), before);
    });
}
