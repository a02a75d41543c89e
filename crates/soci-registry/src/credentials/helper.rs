//! Docker's credential helpers: programs that keep secrets elsewhere.
//!
//! A helper gets the server on stdin and answers in JSON. It is given a time, an output limit, no shell and no secrets that
//! are for others; its name is checked, as it comes from a file and goes into a command.

mod inherited;

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::{Credential, Renewal};
use crate::error::ConfigurationError;
use crate::error::sanitize::sanitize;
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
    let program = format!("docker-credential-{}", sanitize(name));
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
    let mut command = Command::new(&program);
    for (variable, value) in std::env::vars_os() {
        let text = [&variable, &value].map(|text| text.to_string_lossy());
        if inherited::is_withheld(name, server, &text[0], &text[1]) {
            command.env_remove(&variable);
        }
    }
    ask(command, server, limit).await.map_err(failed)
}

/// Runs a helper and reads its answer. An error is what to say of it.
async fn ask(
    command: Command,
    server: &str,
    limit: Duration,
) -> Result<Option<Credential>, String> {
    let output = match tokio::time::timeout(limit, run(command, server)).await {
        Ok(output) => output.map_err(|error| error.to_string())?,
        // The program is killed when its handle is dropped.
        Err(_elapsed) => return Err(format!("no answer within {} s", limit.as_secs_f64())),
    };
    if output.stdout.len() as u64 > LIMIT {
        return Err(format!("more than {LIMIT} bytes of output"));
    }
    if output.succeeded {
        // The parser's own message may quote the secret.
        let reply: Reply = serde_json::from_slice(&output.stdout)
            .map_err(|error| format!("not the expected JSON, at column {}", error.column()))?;
        let is_empty = reply.secret.reveal().is_empty();
        return Ok((!is_empty)
            .then(|| Credential::from_pair(reply.username, reply.secret, Renewal::Possible)));
    }
    // Helpers say so on stdout, by their protocol, and in words. One may have given an answer first.
    let said = String::from_utf8_lossy(&output.stdout);
    match said.trim() {
        said if said.contains("credentials not found") => Ok(None),
        "" => Err("it failed without a word".to_owned()),
        said if said.contains('{') => Err("it failed after it had answered".to_owned()),
        said => Err(sanitize(said)),
    }
}

struct Output {
    succeeded: bool,
    stdout: Vec<u8>,
}

async fn run(mut command: Command, server: &str) -> std::io::Result<Output> {
    let mut child = command
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Runs a shell script as a helper.
    async fn answer(script: &str) -> Result<Option<Credential>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("docker-credential-test");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a script");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("a mode");
        ask(Command::new(path), "r.example", Duration::from_millis(700)).await
    }

    #[tokio::test]
    async fn speaks_the_protocol() {
        let script = r#"read server; [ "$1" = get ] || exit 1
            printf '{"ServerURL":"%s","Username":"%s","Secret":"s"}' "$server" "$server""#;
        let Ok(Some(Credential::Password {
            username, password, ..
        })) = answer(script).await
        else {
            panic!("no password");
        };
        assert_eq!((username.as_str(), password.reveal()), ("r.example", "s"));
        let script = r#"echo '{"Username":"<token>","Secret":"s"}'"#;
        let found = answer(script).await.expect("an answer");
        assert!(matches!(found, Some(Credential::IdentityToken { .. })));
    }

    #[tokio::test]
    async fn takes_not_found_for_an_answer() {
        let script = "echo credentials not found in native keychain; exit 1";
        assert!(answer(script).await.expect("an answer").is_none());
    }

    #[tokio::test]
    async fn says_what_a_helper_does_wrong() {
        for (script, expected) in [
            ("echo broken; exit 3", "broken"),
            ("exit 3", "without a word"),
            (
                "echo '{\"Secret\":\"s3cret\"}'; exit 3",
                "after it had answered",
            ),
            ("echo 's3cret no JSON'", "not the expected JSON"),
            ("exec sleep 60", "no answer within"),
            ("exec yes", "more than 65536 bytes"),
        ] {
            let error = answer(script).await.expect_err("an error");
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn takes_names_only() {
        assert!(is_name("ecr-login") && is_name("osxkeychain"));
        for name in ["", "../x", "a b", "a/b", "a\n"] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
