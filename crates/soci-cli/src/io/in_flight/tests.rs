use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::io::Output;
use crate::io::tests::{Written, io};

const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("not zero");

fn document(image: &str) -> String {
    json!({"version": 1, "image": image, "manifests": [],
        "root": {"mediaType": "application/vnd.oci.image.index.v1+json", "size": 2,
            "digest": soci_oci::Digest::of(b"{}").to_string()}})
    .to_string()
}

fn images(written: &Written) -> Vec<Value> {
    let lines = written.lines();
    lines.iter().map(|line| line["image"].clone()).collect()
}

/// An image that takes long holds up no other one, and the documents leave in order.
#[test]
fn a_slow_image_holds_up_no_work() {
    let written = Written::default();
    let names = ["slow:v1", "b:v1", "c:v1", "d:v1"];
    let lines = names.map(document).join("\n");
    let (last_done, wait_for_last) = channel();
    let wait_for_last = Arc::new(Mutex::new(wait_for_last));
    io(&lines, Output::Documents, &written)
        .work_on_documents(TWO, |document| {
            let (last_done, wait) = (last_done.clone(), Arc::clone(&wait_for_last));
            Ok(Work::beside_others(move |_| {
                match document.image.as_str() {
                    // It ends only after the last image.
                    "slow:v1" => wait.lock().expect("no panic").recv().expect("the last"),
                    "d:v1" => last_done.send(()).expect("a receiver"),
                    _ => {}
                }
                Ok(document)
            }))
        })
        .expect("documents");
    assert_eq!(images(&written), names);
}

/// The exit status is that of the first failed image in the order of the lines, and a failure
/// while an image is prepared counts as well.
#[test]
fn the_first_failure_in_the_order_of_the_lines_counts() {
    let written = Written::default();
    let lines = ["a:v1", "b:v1", "c:v1"].map(document).join("\n");
    let mut io = io(&lines, Output::Documents, &written);
    io.work_on_documents(TWO, |document| match document.image.as_str() {
        "c:v1" => Err(Failure::message(Exit::Usage, "not prepared")),
        "b:v1" => Ok(Work::beside_others(|_| {
            Err::<Document, _>(Failure::message(Exit::NotFound, "not found"))
        })),
        _ => Ok(Work::beside_others(|_| Ok(document))),
    })
    .expect("documents");
    assert_eq!(io.status(), Exit::NotFound.code());
    assert_eq!(images(&written), ["a:v1", "b:v1", "c:v1"]);
}

/// Work that must be alone starts when no other is in work, and nothing starts beside it.
#[test]
fn work_that_must_be_alone_is_alone() {
    let written = Written::default();
    let names = ["a:v1", "alone:v1", "b:v1", "alone:v2", "c:v1"];
    let lines = names.map(document).join("\n");
    let in_work = Mutex::new(0);
    io(&lines, Output::Documents, &written)
        .work_on_documents(TWO, |document| {
            let in_work = &in_work;
            let is_alone = document.image.as_str().starts_with("alone");
            let work = move |_: &Progress| {
                let mut count = in_work.lock().expect("no panic");
                *count += 1;
                assert!(!is_alone || *count == 1, "{}", document.image.as_str());
                drop(count);
                thread::yield_now();
                *in_work.lock().expect("no panic") -= 1;
                Ok(document)
            };
            Ok(if is_alone {
                Work::alone(work)
            } else {
                Work::beside_others(work)
            })
        })
        .expect("documents");
    assert_eq!(images(&written), names);
}
