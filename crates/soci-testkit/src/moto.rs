//! `moto_server`, a mock of AWS: ECR's `GetAuthorizationToken`, with an expiry in the past, and
//! STS.
//!
//! Its token contains [`USER`](crate::registry::USER) and [`PASSWORD`](crate::registry::PASSWORD).

use std::process::Command;

use crate::{
    http,
    process::Tool,
    server::{Server, path_from_setup},
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

    /// Returns the server's log so far: one line for each request.
    pub fn log(&self) -> String {
        self.server.log()
    }
}
