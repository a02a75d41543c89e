//! A push that is killed: nothing in the registry is ever incomplete, and the next push does the
//! rest.

use std::{
    io::Write as _,
    process::{Child, Stdio},
    sync::{Mutex, mpsc},
    time::Duration,
};

use soci_testkit::faulty::{Contents, Fault, Faulty, Rule};

use crate::{IndexedImage, two_layers};

/// How long a test waits for the moment at which it kills.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a push with its document on a pipe.
fn start(indexed: &IndexedImage, host: &str) -> Child {
    let mut command = indexed.push_to(host).into_command();
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.spawn().expect("soci-push");
    let line = indexed.line_for(host);
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(line.as_bytes()).expect("a reader");
    child
}

/// Kills with a signal that cannot be caught.
fn kill(mut child: Child) {
    child.kill().expect("a child that runs");
    let status = child.wait().expect("a child that was not waited for");
    assert_eq!(status.code(), None, "it ended by itself: {status}");
}

/// E8, G4: a push that was killed after any of its requests is completed by the next push. The
/// fallback tag of a registry without the referrers API adds the most requests.
#[test]
fn completes_a_push_that_was_killed_after_any_request() {
    let setup = || Faulty::setup().without_referrers();
    let indexed = IndexedImage::of(&two_layers());
    let good = setup().start();
    let expected = indexed.contents_without_faults(&good);
    let requests = good.requests().len();
    assert!(requests > 15, "{}", good.log());
    for n in 0..requests {
        let registry = setup().start();
        let (done, when_done) = mpsc::channel();
        let done = Mutex::new(done);
        let stall = Fault::edit(move |_, reply| {
            done.lock()
                .expect("no panic")
                .send(())
                .expect("a test that waits");
            reply.stall_head(Duration::MAX)
        });
        registry.rule(Rule::on("*", "*", stall).skip(n).once());
        indexed.publish(&registry);
        let child = start(&indexed, &registry.host());
        when_done.recv_timeout(PATIENCE).expect("the request");
        kill(child);
        registry.clear_rules();
        // What was sent before the end is still done.
        registry.settle();
        let left = Contents::of(&registry);
        let before = registry.requests().len();
        indexed.push(&registry).run().succeeds();
        assert_eq!(
            Contents::of(&registry),
            expected,
            "killed after request {n}"
        );
        let again = registry.requests().split_off(before);
        let puts = again.iter().filter(|entry| entry.request.method == "PUT");
        let mut missing = expected.digests.difference(&left.digests).count();
        // If another manifest has the same bytes, only the tag is missing.
        if missing == 0 && left.tags != expected.tags {
            missing = 1;
        }
        // Without the tag, small ztocs and what names them are sent without a look.
        let most = if left.tags == expected.tags {
            missing
        } else {
            expected.digests.len()
        };
        assert!(
            (missing..=most).contains(&puts.count()),
            "after request {n}:\n{}",
            registry.log()
        );
    }
}
