//! `moto_server`, a mock of AWS: ECR's `GetAuthorizationToken`, with an expiry in the past,
//! STS, and stacks of `CloudFormation`.
//!
//! Its token contains [`USER`](crate::registry::USER) and [`PASSWORD`](crate::registry::PASSWORD).

use std::process::Command;

use serde_json::Value;

use crate::{
    http,
    process::Tool,
    server::{Server, path_from_setup},
    workspace,
};

/// A moto server that runs until it is dropped.
#[derive(Debug)]
pub struct Moto {
    server: Server,
}

impl Moto {
    /// Starts the server on a free port, and waits until it answers.
    pub fn start() -> Self {
        let program = path_from_setup("moto");
        let command = |_: &std::path::Path, port: u16| {
            let mut command = Command::new(&program);
            command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
            command
        };
        let ready = |port| http::get(&format!("127.0.0.1:{port}"), "/moto-api/", &[]).is_ok();
        Self {
            server: Server::start(0, command, ready),
        }
    }

    /// Returns the base URL, for `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// Makes a tool use this server for all services of AWS, with credentials for it.
    pub fn configure(&self, tool: Tool) -> Tool {
        tool.env("AWS_ENDPOINT_URL", self.url())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
    }

    /// Creates a stack of `CloudFormation` with these parameters, such as `Name=value`, and returns
    /// what it consists of; see `tests/registries/moto/stack.py`.
    #[track_caller]
    pub fn create_stack(&self, template: &str, parameters: &[&str]) -> Value {
        let root = workspace::root();
        let mut script = Command::new(path_from_setup("moto").with_file_name("python"));
        script
            .arg(root.join("tests/registries/moto/stack.py"))
            .arg(self.url())
            .arg(root.join(template))
            .args(parameters);
        let output = script.output().expect("Python");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{template}: {said}\n{}",
            self.log()
        );
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Returns the server's log so far: one line for each request.
    pub fn log(&self) -> String {
        self.server.log()
    }
}
