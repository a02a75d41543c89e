//! Docker's credential helpers: programs that keep secrets elsewhere.
//!
//! A helper gets the server on stdin and answers in JSON. It is given a time, an output limit and no shell; its name is
//! checked, as it comes from a file and goes into a command.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::{Credential, Renewal};
use crate::error::ConfigurationError;
use crate::reply::printable;
use crate::secret::Secret;

/// How much of a helper's output is read.
const LIMIT: u64 = 64 << 10;

#[derive(Deserialize)]
struct Reply {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: Secret,
}

/// Asks `docker-credential-NAME` for what it knows about a server.
pub(crate) async fn get(
    name: &str,
    server: &str,
    limit: Duration,
) -> Result<Option<Credential>, ConfigurationError> {
    let program = format!("docker-credential-{}", printable(name));
    let failed = |reason: String| ConfigurationError::Helper {
        program: program.clone(),
        reason,
    };
    if !is_name(name) {
        return Err(failed(
            "the name is not of the form [A-Za-z0-9._-]+".to_owned(),
        ));
    }
    if server.contains(['\n', '\r', '\0']) {
        return Err(failed("the server's name has a line break".to_owned()));
    }
    let run = tokio::time::timeout(limit, run(&program, server));
    let output = match run.await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => return Err(failed(error.to_string())),
        // The program is killed when its handle is dropped.
        Err(_elapsed) => {
            return Err(failed(format!(
                "no answer within {} s",
                limit.as_secs_f64()
            )));
        }
    };
    if output.stdout.len() as u64 > LIMIT {
        return Err(failed(format!("more than {LIMIT} bytes of output")));
    }
    if output.succeeded {
        // The parser's own message may quote the secret.
        let reply: Reply = serde_json::from_slice(&output.stdout).map_err(|error| {
            failed(format!(
                "not the expected JSON, at column {}",
                error.column()
            ))
        })?;
        if reply.secret.reveal().is_empty() {
            return Ok(None);
        }
        let renewal = Renewal::Possible;
        return Ok(Some(Credential::from_pair(
            reply.username,
            reply.secret,
            renewal,
        )));
    }
    // Helpers say so on stdout, by their protocol. There is no secret where there is a failure.
    let said = String::from_utf8_lossy(&output.stdout);
    if said.contains("credentials not found") {
        return Ok(None);
    }
    Err(failed(match said.trim() {
        "" => "it failed without a word".to_owned(),
        said => printable(said),
    }))
}

struct Output {
    succeeded: bool,
    stdout: Vec<u8>,
}

async fn run(program: &str, server: &str) -> std::io::Result<Output> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take();
    let mut stdout = child.stdout.take();
    let write = async {
        if let Some(stdin) = &mut stdin {
            // A helper that does not read what it is asked says so by its answer.
            drop(stdin.write_all(format!("{server}\n").as_bytes()).await);
        }
        drop(stdin);
    };
    let ((), stdout) = tokio::join!(write, read(stdout.as_mut()));
    let stdout = stdout?;
    if stdout.len() as u64 > LIMIT {
        child.kill().await?;
    }
    let succeeded = child.wait().await?.success();
    Ok(Output { succeeded, stdout })
}

async fn read(stdout: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stdout) = stdout {
        stdout.take(LIMIT + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Says whether a name can only be a program's name, never a path.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}
