//! AWS on loopback: `moto_server`, which answers ECR's `GetAuthorizationToken` (with an expiry in the past) and STS.
//!
//! Its token is for [`USER`](crate::registry::USER) and [`PASSWORD`](crate::registry::PASSWORD).

use std::process::Command;

use crate::{
    http,
    process::Tool,
    server::{Server, from_setup},
};

/// A moto that runs until it is dropped.
#[derive(Debug)]
pub struct Moto {
    server: Server,
}

impl Moto {
    /// Starts moto on a free port and waits until it answers.
    pub fn start() -> Self {
        let program = from_setup("moto");
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

    /// Returns the base URL, as for `AWS_ENDPOINT_URL_ECR`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// Gives a tool credentials of moto's account and makes it speak to moto in place of AWS.
    pub fn serve(&self, tool: Tool) -> Tool {
        tool.env("AWS_ENDPOINT_URL", self.url())
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
    }

    /// Returns what moto has logged so far: one line for each request.
    pub fn log(&self) -> String {
        self.server.log()
    }
}
