//! The order of the system calls by which a file of the store gets its name.

use std::{collections::BTreeMap, fs, path::Path};

use soci_testkit::{
    image::{self, Image},
    process::Sandbox,
    workspace,
};

use crate::stages::{layer, planned};

/// Returns the successful calls of a trace, each after its thread. A trace splits a call into two
/// lines if another thread made a call in the meantime.
fn parse_calls(trace: &str) -> Vec<String> {
    let mut begun = BTreeMap::new();
    let mut calls = Vec::new();
    for line in trace.lines().filter(|line| !line.contains("+++")) {
        let (thread, call) = line.split_once(' ').expect("a thread");
        let call = call.trim_start();
        if let Some(start) = call.strip_suffix("<unfinished ...>") {
            begun.insert(thread, start);
            continue;
        }
        let whole = match call.split_once("resumed>") {
            Some((_, end)) => format!("{}{end}", begun.remove(thread).expect("its start")),
            None => call.to_owned(),
        };
        if whole.contains(" = 0") {
            calls.push(format!("{thread} {whole}"));
        }
    }
    calls
}

/// F9: a file is synchronized before it gets its name, and its folder after that.
#[test]
fn syncs_a_file_before_it_gets_its_name() {
    let sandbox = Sandbox::new();
    let image = Image::new("linux/amd64").layer(layer(1, 20_000));
    image::write_layout(&sandbox.path().join("image"), &[image]);
    let plan = planned(&sandbox, "oci:image");
    let trace = sandbox.path().join("trace");
    let tool = sandbox
        .program("strace")
        .args([
            "-f",
            "-y",
            "-e",
            "trace=fsync,rename,renameat,renameat2,linkat",
            "-o",
        ])
        .arg(&trace)
        .arg(workspace::bin("soci-index"))
        .env("SOCI_MIN_LAYER_SIZE", "0");
    tool.stdin(plan).run().succeeds();
    let trace = fs::read_to_string(trace).expect("a trace");
    let calls = parse_calls(&trace);
    let mut published = 0;
    for (number, call) in calls.iter().enumerate() {
        if !call.contains("rename") || !call.contains(".unfinished-") {
            continue;
        }
        published += 1;
        let thread = call.split_whitespace().next().expect("a thread");
        let own: Vec<&String> = calls
            .iter()
            .filter(|other| other.starts_with(thread))
            .collect();
        let at = own.iter().position(|other| other == &call).expect("itself");
        let name = call.split('"').nth(1).expect("a path");
        let unfinished = Path::new(name)
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert!(
            at > 0 && own[at - 1].contains("fsync(") && own[at - 1].contains(&unfinished),
            "call {number} publishes what is not durable:\n{trace}"
        );
        let folder = Path::new(call.split('"').nth(3).expect("a path"))
            .parent()
            .expect("a folder");
        let folder = folder
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let next = own
            .get(at + 1)
            .is_some_and(|next| next.contains("fsync(") && next.contains(&format!("/{folder}>")));
        assert!(
            next,
            "the entry that call {number} makes is not durable:\n{trace}"
        );
    }
    assert!(published >= 4, "{trace}");
}
