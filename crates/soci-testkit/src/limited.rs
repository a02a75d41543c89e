//! Tools whose memory is limited by the system.

use std::path::Path;
use std::process::Command;

use crate::process::Tool;

/// The memory in bytes that each tool must do with, whatever its input is.
pub const MEMORY_LIMIT: u64 = 256 << 20;

impl Tool {
    /// Limits the memory that the tool may allocate to [`MEMORY_LIMIT`], whether or not it uses it
    /// (`RLIMIT_DATA`, setrlimit(2)). A tool that asks for more is aborted, and so does not exit
    /// with one of its own statuses.
    #[must_use]
    pub fn limit_memory(mut self) -> Self {
        let kib = MEMORY_LIMIT >> 10;
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("ulimit -d {kib}; exec \"$0\" \"$@\"")])
            .arg(self.command.get_program())
            .args(self.command.get_args())
            .env_clear();
        if let Some(directory) = self.command.get_current_dir() {
            command.current_dir(directory);
        }
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        self.command = command;
        self
    }
}

/// Returns the file name of a command's program, or of the program whose memory it limits.
pub(crate) fn file_name(command: &Command) -> String {
    let limited = command.get_args().nth(2);
    let limited = limited.filter(|_| command.get_program() == "sh");
    let name = Path::new(limited.unwrap_or(command.get_program())).file_name();
    name.unwrap_or_default().to_string_lossy().into_owned()
}
