//! The processes that this one has started, for a `credential_process` that hangs: the AWS SDK
//! starts it, and does not end it if its answer is no longer awaited.

use std::collections::BTreeSet;
use std::fs;
use std::process;

use rustix::process::{Pid, Signal, kill_process};

/// A process and the one that has started it, by their numbers.
struct Started {
    process: i32,
    parent: i32,
}

/// The processes below this one at some time.
#[derive(Debug, Default)]
pub(super) struct ChildProcesses(BTreeSet<i32>);

impl ChildProcesses {
    /// Returns the processes that run now and were started by this one, directly or not. They are
    /// empty on a machine without `/proc` (proc(5)).
    pub(super) fn read() -> Self {
        let own = i32::try_from(process::id()).unwrap_or_default();
        Self(find_descendants(&running_processes(), own))
    }

    /// Kills the processes that were started after these were read.
    pub(super) fn kill_later_ones(&self) {
        for process in Self::read().0.difference(&self.0) {
            if let Some(pid) = Pid::from_raw(*process) {
                // The process may have ended by itself.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// Returns the processes of the machine.
fn running_processes() -> Vec<Started> {
    let Ok(folders) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let started = folders.filter_map(|folder| {
        let folder = folder.ok()?;
        let process = folder.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(folder.path().join("stat")).ok()?;
        let parent = parse_parent(&stat)?;
        Some(Started { process, parent })
    });
    started.collect()
}

/// Returns the parent's number in a line of `/proc/PID/stat`: the second field after the name,
/// which stands in parentheses and may contain any character.
fn parse_parent(stat: &str) -> Option<i32> {
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Returns the processes that `root` has started, directly or not.
fn find_descendants(all: &[Started], root: i32) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        let children = all.iter().filter(|started| started.parent == parent);
        for child in children {
            if found.insert(child.process) {
                parents.push(child.process);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_children_and_their_children() {
        assert_eq!(parse_parent("7 (a) b) S 5 7 7 0"), Some(5));
        assert_eq!(parse_parent("7"), None);
        let started = |process, parent| Started { process, parent };
        let all = [
            started(4, 3),
            started(3, 2),
            started(5, 2),
            started(6, 1),
            started(2, 1),
        ];
        assert_eq!(find_descendants(&all, 2), BTreeSet::from([3, 4, 5]));
    }
}
