//! The pipe of the tools, as child processes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, PipeReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use soci_document::MAX_LINE;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use crate::Settings;
use crate::log::Log;
use crate::outcome::Outcome;

/// How long the tools have to remove what they have begun after a signal. They need two seconds.
const GRACE: Duration = Duration::from_secs(3);

/// The longest line of a log that is written as one.
const MAX_LOG_LINE: u64 = 64 * 1024;

/// What the pipe has done.
#[derive(Debug, Default)]
pub(crate) struct Finished {
    /// The outcome of each image, by its reference.
    pub(crate) outcomes: BTreeMap<String, Outcome>,
    /// Whether the pipe was stopped because its time was up.
    pub(crate) was_stopped: bool,
}

/// Runs the pipe for some images until it ends, or until `stop_at`. If that has passed, no tool is
/// started.
///
/// # Errors
///
/// Returns an error if a tool cannot be started.
pub(crate) async fn run(
    settings: &Settings,
    images: &[&str],
    stop_at: Instant,
    log: &Log,
) -> io::Result<Finished> {
    if stop_at <= Instant::now() {
        return Ok(Finished {
            was_stopped: true,
            ..Finished::default()
        });
    }
    let mut pipe = Pipe::start(settings, images, log)?;
    let group = pipe.group;
    let mut finished = Finished::default();
    let outcomes = &mut finished.outcomes;
    let mut work = Box::pin(pipe.run(outcomes));
    let was_stopped = tokio::select! {
        () = &mut work => false,
        () = sleep_until(stop_at) => true,
    };
    if was_stopped {
        // A signal fails only if all processes of the group have ended.
        let _ = kill_process_group(group, Signal::TERM);
        if timeout(GRACE, &mut work).await.is_err() {
            let _ = kill_process_group(group, Signal::KILL);
            drop(timeout(GRACE, &mut work).await);
        }
    }
    drop(work);
    finished.was_stopped = was_stopped;
    Ok(finished)
}

/// The tools, while they run. They are one process group, so that a signal reaches all of them and
/// the programs that they have started.
struct Pipe {
    children: Vec<Child>,
    logs: Vec<JoinHandle<()>>,
    group: Pid,
}

impl Pipe {
    fn start(settings: &Settings, images: &[&str], log: &Log) -> io::Result<Self> {
        let mut starting = Starting {
            children: Vec::new(),
            group: None,
            stdin: None,
        };
        let stages = stages(settings, images);
        let last = stages.len() - 1;
        for (position, (tool, arguments)) in stages.into_iter().enumerate() {
            let mut command = Command::new(path_of(settings, tool));
            command.args(arguments).env("SOCI_STORE", &settings.store);
            starting.start(command, position == last)?;
        }
        let Starting {
            mut children,
            group,
            ..
        } = starting;
        let logs = children.iter_mut().zip(TOOLS).filter_map(|(child, tool)| {
            let stderr = child.stderr.take()?;
            Some(tokio::spawn(forward(tool, stderr, log.clone())))
        });
        Ok(Self {
            logs: logs.collect(),
            children,
            group: group.ok_or_else(|| io::Error::other("the first tool has ended already"))?,
        })
    }

    /// Collects the outcomes until the last stage has closed its stdout, and waits for the tools.
    async fn run(&mut self, outcomes: &mut BTreeMap<String, Outcome>) {
        let last = self.children.last_mut();
        if let Some(stdout) = last.and_then(|child| child.stdout.take()) {
            let mut stdout = BufReader::new(stdout);
            let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX);
            while let Some(line) = read_line(&mut stdout, limit).await {
                outcomes.extend(Outcome::parse(&line));
            }
        }
        for child in &mut self.children {
            // How a tool ended is in its document and in its log.
            drop(child.wait().await);
        }
        for log in &mut self.logs {
            drop(log.await);
        }
    }
}

/// The tools that are started already.
struct Starting {
    children: Vec<Child>,
    group: Option<Pid>,
    /// The end of the pipe that the next tool reads.
    stdin: Option<PipeReader>,
}

impl Starting {
    fn start(&mut self, mut command: Command, is_last: bool) -> io::Result<()> {
        let group = self.group.map_or(0, |group| group.as_raw_nonzero().get());
        command
            .env("SOCI_LOG_FORMAT", "json")
            .env("SOCI_FORMAT", "json")
            .stdin(self.stdin.take().map_or_else(Stdio::null, Stdio::from))
            .stderr(Stdio::piped())
            .process_group(group)
            .kill_on_drop(true);
        if is_last {
            command.stdout(Stdio::piped());
        } else {
            let (reader, writer) = io::pipe()?;
            command.stdout(writer);
            self.stdin = Some(reader);
        }
        let child = command.spawn()?;
        if self.group.is_none() {
            let number = child.id().and_then(|id| i32::try_from(id).ok());
            self.group = number.and_then(Pid::from_raw);
        }
        self.children.push(child);
        Ok(())
    }
}

const TOOLS: [&str; 4] = ["soci-pull", "soci-plan", "soci-index", "soci-push"];

/// Returns the tools with their arguments.
fn stages(settings: &Settings, images: &[&str]) -> [(&'static str, Vec<OsString>); 4] {
    let [pull, plan, index, push] = TOOLS;
    let mut references: Vec<OsString> = vec!["--".into()];
    references.extend(images.iter().map(OsString::from));
    let platforms = if settings.platforms.is_empty() {
        vec!["--all-platforms".into()]
    } else {
        let each = settings.platforms.iter();
        each.map(|platform| format!("--platform={platform}").into())
            .collect()
    };
    [
        (pull, references),
        (plan, platforms),
        (index, Vec::new()),
        (push, Vec::new()),
    ]
}

fn path_of(settings: &Settings, tool: &str) -> OsString {
    let directory = settings.tools.as_deref();
    directory.map_or_else(|| Path::new(tool).into(), |it| it.join(tool).into())
}

async fn forward(tool: &'static str, stderr: impl AsyncRead + Unpin, log: Log) {
    let mut stderr = BufReader::new(stderr);
    while let Some(line) = read_line(&mut stderr, MAX_LOG_LINE).await {
        log.forward(tool, &line);
    }
}

/// Reads a line, or as much of it as the limit permits. Returns `None` at the end.
async fn read_line(reader: &mut BufReader<impl AsyncRead + Unpin>, limit: u64) -> Option<Vec<u8>> {
    let mut line = Vec::new();
    let mut bounded = reader.take(limit);
    match bounded.read_until(b'\n', &mut line).await {
        Ok(length) if length > 0 => Some(line),
        _ => None,
    }
}
