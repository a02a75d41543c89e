//! The file system calls of a tool, parsed from the output of strace.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The calls that change files, or that make changes durable.
pub(crate) const CHANGING: &[&str] = &[
    "fchmod",
    "fsync",
    "fdatasync",
    "link",
    "linkat",
    "mkdir",
    "mkdirat",
    "rename",
    "renameat",
    "renameat2",
    "write",
];

/// The calls that open files.
pub(crate) const OPENING: &[&str] = &["open", "openat"];

/// The object of a call.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Object {
    /// A file or folder, with its path relative to the sandbox.
    File(PathBuf),
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// An object outside the sandbox.
    Other(String),
}

/// The effect of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// It changes a file or folder, or makes a change durable.
    Change,
    /// It reads a file, or opens it for reading.
    Read,
    /// It lists a folder.
    List,
}

/// A system call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The id of the thread that makes the call.
    pub(crate) thread: String,
    /// The name of the call, such as `fsync`.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The file or folder in the call's arguments.
    pub(crate) object: Object,
    /// The file that the call is made for.
    ///
    /// For an unfinished file this is the name that the file gets later. For the `fsync` of a
    /// folder it is the file whose name becomes durable.
    pub(crate) purpose: Object,
    /// The number of this call among the calls of this name in its thread, from 1.
    pub(crate) number: usize,
    /// The number of this call among the calls of this name for the same file in its thread, from
    /// 1.
    pub(crate) number_on_file: usize,
    /// Whether the call fails without an injected fault, such as the `mkdir` of an existing folder.
    pub(crate) fails_normally: bool,
}

/// Parses the output of `strace -f -y` for a tool that ran in the folder `root`.
pub(crate) fn parse(text: &str, root: &Path) -> Vec<Call> {
    let mut counts = BTreeMap::new();
    let mut calls: Vec<Call> = Vec::new();
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let Some((thread, name, arguments)) = split_line(line) else {
            continue;
        };
        let paths = quoted_paths(arguments, root);
        let object = parse_object(name, arguments, &paths);
        let number = increment(&mut counts, (thread, name, None));
        let number_on_file = increment(&mut counts, (thread, name, Some(object.clone())));
        if name.starts_with("rename") || name.starts_with("link") {
            names.insert(paths[0].clone(), paths[1].clone());
        }
        calls.push(Call {
            thread: thread.to_owned(),
            name: name.to_owned(),
            kind: classify(name, arguments),
            purpose: object.clone(),
            object,
            number,
            number_on_file,
            fails_normally: line.contains(") = -1 E"),
        });
    }
    find_purposes(&mut calls, &names, root);
    calls
}

/// Splits a line into thread, call and arguments.
///
/// strace prints two lines for a call that another thread interrupts. The first of them has the
/// arguments.
fn split_line(line: &str) -> Option<(&str, &str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (name, arguments) = rest.trim_start().split_once('(')?;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes()
        .all(is_name)
        .then_some((thread, name, arguments))
}

fn increment<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) -> usize {
    let count = counts.entry(key).or_default();
    *count += 1;
    *count
}

/// Returns the paths in quotes, relative to the tool's working directory `root`.
fn quoted_paths(arguments: &str, root: &Path) -> Vec<PathBuf> {
    let quoted = arguments.split('"').skip(1).step_by(2);
    quoted.map(|path| root.join(path)).collect()
}

/// Returns the object of a call: the file of its descriptor, or else its last path.
fn parse_object(name: &str, arguments: &str, paths: &[PathBuf]) -> Object {
    let by_descriptor = matches!(name, "read" | "write" | "fsync" | "fdatasync" | "fchmod");
    if !by_descriptor {
        let path = if OPENING.contains(&name) {
            paths.first()
        } else {
            paths.last()
        };
        return Object::File(path.cloned().unwrap_or_default());
    }
    let (descriptor, rest) = arguments.split_once('<').unwrap_or((arguments, ""));
    match (descriptor, rest.split_once('>')) {
        ("1", _) => Object::Stdout,
        ("2", _) => Object::Stderr,
        ("0", _) | (_, None) => Object::Other(arguments.to_owned()),
        (_, Some((path, _))) => Object::File(path.into()),
    }
}

fn classify(name: &str, arguments: &str) -> Kind {
    if CHANGING.contains(&name) || arguments.contains("O_CREAT") {
        Kind::Change
    } else if arguments.contains("O_DIRECTORY") {
        Kind::List
    } else {
        Kind::Read
    }
}

/// Sets the purpose of each call, and makes all paths relative to `root`.
///
/// `names` maps unfinished files to their later names.
fn find_purposes(calls: &mut [Call], names: &BTreeMap<PathBuf, PathBuf>, root: &Path) {
    let relative = |path: &Path| match path.strip_prefix(root) {
        Ok(path) => Object::File(path.to_owned()),
        Err(_) => Object::Other(path.display().to_string()),
    };
    let mut last: BTreeMap<String, PathBuf> = BTreeMap::new();
    for call in calls {
        let Object::File(path) = call.object.clone() else {
            continue;
        };
        let entry = last.entry(call.thread.clone()).or_default();
        let is_folder_of_last = entry.parent() == Some(path.as_path());
        if is_folder_of_last && (call.name == "fsync" || call.kind == Kind::Read) {
            // The tool opens and syncs the folder because of the file that it just created or
            // renamed in it.
            call.kind = Kind::Change;
            call.purpose = relative(entry);
        } else {
            let final_path = names.get(&path).unwrap_or(&path).clone();
            call.purpose = relative(&final_path);
            if call.name.starts_with("rename") || call.name.starts_with("mkdir") {
                entry.clone_from(&path);
            }
        }
        call.object = relative(&path);
    }
}

impl Call {
    /// Returns whether the object is in the sandbox, or is stdout or stderr.
    pub(crate) fn is_relevant(&self) -> bool {
        !matches!(self.object, Object::Other(_))
    }

    /// Returns whether the dynamic loader makes the call, so that the program would not start if it
    /// failed.
    pub(crate) fn is_made_by_loader(&self) -> bool {
        let libraries = ["/lib", "/usr/lib", "/etc/ld.so"];
        matches!(&self.object, Object::Other(path) if libraries.iter().any(|start| path.starts_with(start)))
    }
}
