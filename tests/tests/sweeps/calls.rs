//! The calls that a tool makes to the file system, as strace tells them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The calls that change files, or make changes durable.
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

/// The calls that open files, to read or to write them.
pub(crate) const OPENING: &[&str] = &["open", "openat"];

/// What a call is about.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Object {
    /// A file or folder, by its path below the sandbox.
    File(PathBuf),
    /// Standard error.
    Stderr,
    /// Standard output.
    Stdout,
    /// Something outside the sandbox.
    Other(String),
}

/// What a call does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// It changes something, or makes it durable.
    Change,
    /// It reads, or opens to read.
    Read,
    /// It lists a folder.
    List,
}

/// One call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) thread: String,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The file or folder in the call itself.
    pub(crate) object: Object,
    /// What it is for: the name that an unfinished file gets, or whose entry in a folder is made durable.
    pub(crate) purpose: Object,
    /// How many calls of this name its thread has made, this one included.
    pub(crate) number: usize,
    /// How many of these were about the same file.
    pub(crate) number_on_file: usize,
    /// Whether it fails even where nothing is wrong.
    pub(crate) fails_anyway: bool,
}

/// Reads what `strace -f -y` wrote about a tool that ran in the folder `root`.
pub(crate) fn parse(text: &str, root: &Path) -> Vec<Call> {
    let mut counts = BTreeMap::new();
    let mut calls: Vec<Call> = Vec::new();
    let mut names = BTreeMap::new();
    for line in text.lines() {
        let Some((thread, name, arguments)) = split(line) else {
            continue;
        };
        let paths = paths(arguments, root);
        let object = object(name, arguments, &paths);
        let number = count(&mut counts, (thread, name, None));
        let number_on_file = count(&mut counts, (thread, name, Some(object.clone())));
        if name.starts_with("rename") || name.starts_with("link") {
            names.insert(paths[0].clone(), paths[1].clone());
        }
        calls.push(Call {
            thread: thread.to_owned(),
            name: name.to_owned(),
            kind: kind(name, arguments),
            purpose: object.clone(),
            object,
            number,
            number_on_file,
            fails_anyway: line.contains(") = -1 E"),
        });
    }
    purposes(&mut calls, &names, root);
    calls
}

/// Splits a line into thread, call and arguments. A call that another thread interrupts is told twice: the first line counts.
fn split(line: &str) -> Option<(&str, &str, &str)> {
    let (thread, rest) = line.split_once(' ')?;
    let (name, arguments) = rest.trim_start().split_once('(')?;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes()
        .all(is_name)
        .then_some((thread, name, arguments))
}

fn count<K: Ord>(counts: &mut BTreeMap<K, usize>, key: K) -> usize {
    let count = counts.entry(key).or_default();
    *count += 1;
    *count
}

/// Returns the paths in quotes, from where the tool ran.
fn paths(arguments: &str, root: &Path) -> Vec<PathBuf> {
    let quoted = arguments.split('"').skip(1).step_by(2);
    quoted.map(|path| root.join(path)).collect()
}

/// Returns what a call is about: for a descriptor what it stands for, else the last path.
fn object(name: &str, arguments: &str, paths: &[PathBuf]) -> Object {
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

fn kind(name: &str, arguments: &str) -> Kind {
    if CHANGING.contains(&name) || arguments.contains("O_CREAT") {
        Kind::Change
    } else if arguments.contains("O_DIRECTORY") {
        Kind::List
    } else {
        Kind::Read
    }
}

/// Finds out what each call is for, and makes paths those below `root`.
fn purposes(calls: &mut [Call], names: &BTreeMap<PathBuf, PathBuf>, root: &Path) {
    let below = |path: &Path| match path.strip_prefix(root) {
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
            // A folder is opened and synced for what was just made or renamed in it.
            call.kind = Kind::Change;
            call.purpose = below(entry);
        } else {
            let final_path = names.get(&path).unwrap_or(&path).clone();
            call.purpose = below(&final_path);
            if call.name.starts_with("rename") || call.name.starts_with("mkdir") {
                entry.clone_from(&path);
            }
        }
        call.object = below(&path);
    }
}

impl Call {
    /// Says whether the call is about the sandbox or one of the standard streams that the tool writes.
    pub(crate) fn is_of_interest(&self) -> bool {
        !matches!(self.object, Object::Other(_))
    }

    /// Says whether the program would not even start if the call failed.
    pub(crate) fn is_of_the_loader(&self) -> bool {
        let libraries = ["/lib", "/usr/lib", "/etc/ld.so"];
        matches!(&self.object, Object::Other(path) if libraries.iter().any(|start| path.starts_with(start)))
    }
}
