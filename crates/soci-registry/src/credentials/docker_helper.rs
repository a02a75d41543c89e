//! Runs Docker's credential helpers: programs that store credentials outside its configuration.
//!
//! A helper reads the server's name from stdin and answers in JSON on stdout (the protocol of
//! `docker-credential-helpers`). It runs without a shell, with a timeout, an output limit and a
//! reduced environment. Its name is checked because it comes from a file and becomes part of a
//! program name.

mod withheld;

use std::fmt;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::Credential;
use crate::error::sanitize::sanitize;
use crate::secret::Secret;

/// Most output of a helper that is accepted, in bytes.
const MAX_OUTPUT: u64 = 64 << 10;

/// A helper's answer to `get`.
#[derive(Deserialize)]
struct HelperReply {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: Secret,
}

/// How a helper failed. No text holds a secret.
#[derive(Debug)]
pub(super) enum HelperFailure {
    /// There is no such program.
    NotInstalled,
    /// It did not end in time.
    Timeout(Duration),
    /// Any other failure, with its reason.
    Other(String),
}

impl HelperFailure {
    /// Returns what the user can do about the helper `program` that the file `path` names.
    pub(super) fn hint(&self, program: &str, path: &Path) -> String {
        let file = path.display();
        match self {
            Self::NotInstalled => {
                format!("install `{program}`, or remove its name from `{file}`")
            }
            Self::Timeout(_) => {
                format!("run `{program} list` to see why, or set a longer --helper-timeout")
            }
            Self::Other(_) => {
                format!("run `{program} list` to see why, or remove its name from `{file}`")
            }
        }
    }
}

impl fmt::Display for HelperFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => f.write_str("not installed"),
            Self::Timeout(limit) => write!(f, "no answer within {} s", limit.as_secs_f64()),
            Self::Other(reason) => f.write_str(reason),
        }
    }
}

impl From<io::Error> for HelperFailure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotInstalled,
            _ => Self::Other(error.to_string()),
        }
    }
}

/// Returns the program of the helper `name`, for messages.
pub(crate) fn program_name(name: &str) -> String {
    format!("docker-credential-{}", sanitize(name))
}

/// Runs `docker-credential-NAME get` for a server. Returns `None` if the helper has no credential.
///
/// # Errors
///
/// Returns an error if the helper's name is unsafe, or if it cannot be started, fails, gives a
/// malformed answer, or runs for longer than `timeout`.
pub(super) async fn ask_helper(
    name: &str,
    server: &str,
    timeout: Duration,
) -> Result<Option<Credential>, HelperFailure> {
    let failed = |reason: &str| Err(HelperFailure::Other(reason.to_owned()));
    if !is_program_name(name) {
        return failed("the name is not of the form [A-Za-z0-9._-]+");
    }
    if server.contains(['\n', '\r', '\0']) {
        return failed("the server's name contains a line break");
    }
    let mut command = Command::new(program_name(name));
    for (variable, value) in std::env::vars_os() {
        let text = [&variable, &value].map(|text| text.to_string_lossy());
        if withheld::is_withheld(name, server, &text[0], &text[1]) {
            command.env_remove(&variable);
        }
    }
    query_helper(command, server, timeout).await
}

/// Runs a helper and parses its answer.
async fn query_helper(
    command: Command,
    server: &str,
    timeout: Duration,
) -> Result<Option<Credential>, HelperFailure> {
    let other = |reason: String| Err(HelperFailure::Other(reason));
    let output = match tokio::time::timeout(timeout, run_helper(command, server)).await {
        Ok(output) => output?,
        // The program is killed when its handle is dropped.
        Err(_elapsed) => return Err(HelperFailure::Timeout(timeout)),
    };
    if output.stdout.len() as u64 > MAX_OUTPUT {
        return other(format!("more than {MAX_OUTPUT} bytes of output"));
    }
    if output.succeeded {
        return parse_reply(&output.stdout).map_err(HelperFailure::Other);
    }
    // By the protocol, a helper reports errors as text on stdout and has no code for "not found".
    // Output with a brace may be an answer with a secret, so it is not shown.
    let stdout = String::from_utf8_lossy(&output.stdout);
    match stdout.trim() {
        text if text.contains("credentials not found") => Ok(None),
        "" => other("it failed without an error message".to_owned()),
        text if text.contains('{') => other("it failed after it had answered".to_owned()),
        text => other(sanitize(text)),
    }
}

/// Parses the answer of a helper that has succeeded. An empty secret means "not found".
pub(crate) fn parse_reply(stdout: &[u8]) -> Result<Option<Credential>, String> {
    // The parser's own message may quote the secret.
    let reply: HelperReply = serde_json::from_slice(stdout)
        .map_err(|error| format!("not the expected JSON, at column {}", error.column()))?;
    if reply.secret.reveal().is_empty() {
        return Ok(None);
    }
    let HelperReply { username, secret } = reply;
    Ok(Some(Credential::from_pair(username, secret)))
}

/// The result of a helper that has ended.
struct HelperOutput {
    succeeded: bool,
    /// At most [`MAX_OUTPUT`] + 1 bytes.
    stdout: Vec<u8>,
}

/// Runs a helper to its end, or kills it if it writes more than [`MAX_OUTPUT`] bytes.
async fn run_helper(mut command: Command, server: &str) -> io::Result<HelperOutput> {
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
            // A failed write needs no error of its own: the helper's answer shows the problem.
            drop(stdin.write_all(format!("{server}\n").as_bytes()).await);
        }
        drop(stdin);
    };
    let ((), stdout) = tokio::join!(write, read_limited(stdout.as_mut()));
    let stdout = stdout?;
    if stdout.len() as u64 > MAX_OUTPUT {
        child.kill().await?;
    }
    let succeeded = child.wait().await?.success();
    Ok(HelperOutput { succeeded, stdout })
}

/// Reads at most [`MAX_OUTPUT`] + 1 bytes.
async fn read_limited(stdout: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stdout) = stdout {
        stdout.take(MAX_OUTPUT + 1).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Returns whether a helper's name is safe in a program's name, and in particular not a path.
fn is_program_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a shell script as a helper, for as long as a busy machine may take.
    async fn query_script(script: &str) -> Result<Option<Credential>, HelperFailure> {
        query_script_within(script, Duration::from_mins(1)).await
    }

    /// Runs a shell script as a helper that has to answer within `limit`.
    async fn query_script_within(
        script: &str,
        limit: Duration,
    ) -> Result<Option<Credential>, HelperFailure> {
        let mut shell = Command::new("sh");
        shell.args(["-c", script, "docker-credential-test"]);
        query_helper(shell, "r.example", limit).await
    }

    #[tokio::test]
    async fn speaks_the_protocol_of_credential_helpers() {
        let script = r#"read server; [ "$1" = get ] || exit 1
            printf '{"ServerURL":"%s","Username":"%s","Secret":"s"}' "$server" "$server""#;
        let Ok(Some(Credential::Password { username, password })) = query_script(script).await
        else {
            panic!("no password");
        };
        assert_eq!((username.as_str(), password.reveal()), ("r.example", "s"));
        let script = r#"echo '{"Username":"<token>","Secret":"s"}'"#;
        let found = query_script(script).await.expect("an answer");
        assert!(matches!(found, Some(Credential::IdentityToken(_))));
    }

    #[tokio::test]
    async fn not_found_is_not_an_error() {
        let script = "echo credentials not found in native keychain; exit 1";
        assert!(query_script(script).await.expect("an answer").is_none());
    }

    #[tokio::test]
    async fn a_failure_is_explained_without_secrets() {
        for (script, expected) in [
            ("echo broken; exit 3", "broken"),
            ("exit 3", "without an error message"),
            (
                "echo '{\"Secret\":\"s3cret\"}'; exit 3",
                "after it had answered",
            ),
            ("echo 's3cret no JSON'", "not the expected JSON"),
            ("exec yes", "more than 65536 bytes"),
        ] {
            let error = query_script(script).await.expect_err("an error");
            let error = error.to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[tokio::test]
    async fn gives_up_after_the_time_limit() {
        let limit = Duration::from_millis(100);
        let error = query_script_within("exec sleep 60", limit)
            .await
            .expect_err("an error")
            .to_string();
        assert!(error.contains("no answer within"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_program_is_not_installed() {
        let found = ask_helper("soci-test-missing", "r.example", Duration::from_mins(1)).await;
        assert!(matches!(found, Err(HelperFailure::NotInstalled)));
    }

    #[test]
    fn a_path_is_not_a_program_name() {
        assert!(is_program_name("ecr-login") && is_program_name("osxkeychain"));
        for name in ["", "../x", "a b", "a/b", "a\n"] {
            assert!(!is_program_name(name), "{name:?}");
        }
    }
}
