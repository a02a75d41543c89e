//! The runtime interface emulator of AWS Lambda, which runs a function and takes invocations over
//! HTTP.

use std::{
    net::{Ipv4Addr, TcpStream},
    process::Command,
};

use serde_json::Value;

use crate::{
    http,
    process::Tool,
    server::{Server, path_from_setup},
};

/// The port of the API that the function calls. The emulator cannot choose a free one.
const RUNTIME_API: &str = "127.0.0.1:9001";

/// The port that takes invocations.
const INVOCATIONS: u16 = 8080;

/// A function in the emulator, which runs until this is dropped.
#[derive(Debug)]
pub struct LambdaEmulator {
    server: Server,
}

impl LambdaEmulator {
    /// Starts the emulator with a function, whose variables and arguments are those of `tool`, and
    /// waits until the emulator takes invocations. The ports are fixed, so the test needs a network
    /// namespace.
    pub fn start(tool: Tool) -> Self {
        let emulator = path_from_setup("rie");
        let tool = tool.into_command();
        let command = |_: &std::path::Path, port: u16| {
            // The function ends when the emulator does, which is killed.
            let mut command = Command::new("setpriv");
            command
                .args(["--pdeathsig", "KILL"])
                .arg(&emulator)
                .args(["--runtime-api-address", RUNTIME_API])
                .arg("--runtime-interface-emulator-address")
                .arg(format!("127.0.0.1:{port}"))
                .args(["/usr/bin/setpriv", "--pdeathsig", "KILL"])
                .arg(tool.get_program())
                .args(tool.get_args())
                .env_clear();
            let variables = tool.get_envs();
            command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
            command
        };
        let ready = |port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        Self {
            server: Server::start(INVOCATIONS, command, ready),
        }
    }

    /// Invokes the function, and returns its answer.
    #[track_caller]
    pub fn invoke(&self, payload: &Value) -> Value {
        let host = format!("127.0.0.1:{INVOCATIONS}");
        let path = "/2015-03-31/functions/function/invocations";
        let headers = ["Content-Type: application/json"];
        let body = payload.to_string();
        let response = http::request_with_body(&host, "POST", path, &headers, body.as_bytes());
        let response = response.unwrap_or_else(|error| panic!("{error}:\n{}", self.log()));
        response.json()
    }

    /// Returns what the emulator and the function have written so far.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Returns the lines of the log that are JSON, which are those of the function and of the tools.
    pub fn json_lines(&self) -> Vec<Value> {
        let log = self.log();
        let lines = log.lines().filter(|line| line.starts_with('{'));
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }
}
