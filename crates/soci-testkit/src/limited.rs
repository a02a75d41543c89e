//! Tools whose memory is limited by the system.

use std::process::Command;

/// The memory in bytes that each tool must do with for any input: as much as a small container
/// has.
pub const MEMORY_LIMIT: u64 = 256 << 20;

/// Returns a command that runs `command` with at most `bytes` of memory: its heap, its stacks and
/// its data (`RLIMIT_DATA`, setrlimit(2)). A tool that asks for more is aborted, and so does not
/// exit with one of its own statuses.
pub(crate) fn limit(command: &Command, bytes: u64) -> Command {
    let mut limited = Command::new("prlimit");
    limited
        .arg(format!("--data={bytes}"))
        .arg(command.get_program())
        .args(command.get_args())
        .env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            limited.env(name, value);
        }
    }
    if let Some(directory) = command.get_current_dir() {
        limited.current_dir(directory);
    }
    limited
}
