//! The tools at a terminal: progress that they share, and what is left of it.

mod screen;

use std::{collections::BTreeSet, time::Duration};

use screen::Screen;
use soci_testkit::{
    faulty::{Fault, Faulty, registry_with_layers},
    process::Sandbox,
};

/// The usual size of a terminal.
const SIZE: (u16, u16) = (80, 24);

/// Starts a registry with an image of two layers, which takes some seconds to send them.
fn slow_registry() -> Faulty {
    let registry = registry_with_layers(Faulty::setup(), &[300_000, 250_000]);
    let drip = Fault::drip(8000, Duration::from_millis(50));
    registry.fault("GET", "*/blobs/*", drip);
    registry
}

/// Returns whether a line is one of a drawing: that of an image, or that of a layer or blob, such
/// as `  0f3a91cc57d2  [=====>    ]  12/66 MiB`.
fn is_drawn(line: &str) -> bool {
    let has_unit = line.contains("iB") || line.ends_with(" B");
    is_image(line) || (line.starts_with("  ") && has_unit && line.contains('/'))
}

/// Returns whether a line shows the progress of an image, such as `app:v1  1/2 layers`.
fn is_image(line: &str) -> bool {
    let words: Vec<&str> = line.split_whitespace().collect();
    let is_number = |text: &str| text.parse::<u64>().is_ok();
    words.windows(2).any(|pair| {
        matches!(pair[1], "layers" | "blobs")
            && pair[0]
                .split_once('/')
                .is_some_and(|(done, total)| is_number(done) && is_number(total))
    })
}

/// Asserts that a screen shows each image once at most, that no line is as wide as the terminal,
/// and that nothing else stands below the drawing.
fn assert_orderly(lines: &[String], columns: u16) {
    let images: Vec<&String> = lines.iter().filter(|line| is_image(line)).collect();
    let names: BTreeSet<&str> = images
        .iter()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names.len(), images.len(), "{}", lines.join("\n"));
    let drawn = lines.iter().filter(|line| is_drawn(line));
    for line in drawn.clone() {
        assert!(line.chars().count() < columns.into(), "{line}");
    }
    if let Some(first) = lines.iter().position(|line| is_drawn(line)) {
        let below = &lines[first..];
        assert!(
            below.iter().all(|line| is_drawn(line)),
            "{}",
            lines.join("\n")
        );
    }
}

/// Asserts that nothing of a drawing is left.
#[track_caller]
fn assert_clean(lines: &[String]) {
    let left = lines.iter().find(|line| is_drawn(line));
    assert_eq!(left, None, "{}", lines.join("\n"));
}

/// Returns whether a screen shows the progress of an image.
fn shows_progress(lines: &[String]) -> bool {
    lines.iter().any(|line| is_image(line))
}

#[test]
fn a_pipeline_draws_one_line_for_each_image_and_leaves_none() {
    let registry = slow_registry();
    registry.tag("app", "v2", &registry.tags("app")["v1"]);
    let (host, sandbox) = (registry.host(), Sandbox::new());
    let script = format!(
        "soci-pull {host}/app:v1 {host}/app:v2 | soci-plan -q | soci-index | soci-push > pushed.json"
    );
    let screen = Screen::run(&sandbox, SIZE, &script);
    let check = |lines: &[String]| assert_orderly(lines, SIZE.0);
    let lines = screen.wait(shows_progress, check);
    let image = lines.iter().find(|line| is_image(line)).expect("an image");
    assert!(image.contains("/2 layers  "), "{image}");
    let lines = screen.wait_for_end(check);
    assert_clean(&lines);
    assert_eq!(
        lines.last().map(String::as_str),
        Some("ended with 0"),
        "{lines:?}"
    );
}

#[test]
fn messages_of_other_tools_do_not_mix_with_the_drawing() {
    let registry = slow_registry();
    let stall = Fault::stall_head(Duration::from_millis(1500));
    let missing = stall.and(|_, reply| reply.status(404).body(""));
    registry.fault("GET", "*/missing/manifests/*", missing);
    let (host, sandbox) = (registry.host(), Sandbox::new());
    let script = format!(
        "soci-pull {host}/app:v1 {host}/missing:v1 | soci-plan -q | soci-index > indexed.json"
    );
    let screen = Screen::run(&sandbox, SIZE, &script);
    let check = |lines: &[String]| {
        // The message is longer than a line.
        let end = lines.iter().position(|line| line.contains("repository"));
        assert_orderly(&lines[end.map_or(0, |end| end + 1)..], SIZE.0);
    };
    screen.wait(shows_progress, check);
    let said = |lines: &[String]| {
        lines
            .iter()
            .any(|line| line.starts_with("soci-pull: error: "))
    };
    screen.wait(said, |_| {});
    let lines = screen.wait_for_end(|_| {});
    assert_clean(&lines);
    let error = format!("soci-pull: error: {host}/missing:v1: tag not found in the repository");
    assert!(lines.contains(&error), "{}", lines.join("\n"));
    assert_eq!(
        lines.last().map(String::as_str),
        Some("ended with 80"),
        "{lines:?}"
    );
}

#[test]
fn nothing_is_left_after_a_failure() {
    let registry = slow_registry();
    registry.clear_rules();
    let slow = Fault::drip(8000, Duration::from_millis(50));
    let flipped = slow.and(|_, reply| {
        if reply.len() > 200_000 {
            reply.flip(200_000)
        } else {
            reply
        }
    });
    registry.fault("GET", "*/blobs/*", flipped);
    let (host, sandbox) = (registry.host(), Sandbox::new());
    let script = format!("soci-pull {host}/app:v1 | soci-plan -q | soci-index > indexed.json");
    let screen = Screen::run(&sandbox, SIZE, &script);
    screen.wait(shows_progress, |_| {});
    let lines = screen.wait_for_end(|_| {});
    assert_clean(&lines);
    let errors = lines
        .iter()
        .filter(|line| line.starts_with("soci-index: error: "));
    assert_eq!(errors.count(), 1, "{}", lines.join("\n"));
    assert_eq!(
        lines.last().map(String::as_str),
        Some("ended with 65"),
        "{lines:?}"
    );
}

#[test]
fn nothing_is_left_after_ctrl_c() {
    let registry = registry_with_layers(Faulty::setup(), &[300_000, 250_000]);
    registry.fault(
        "GET",
        "*/blobs/*",
        Fault::stall_after(100_000, Duration::from_mins(2)),
    );
    let (host, sandbox) = (registry.host(), Sandbox::new());
    let script =
        format!("soci-pull {host}/app:v1 | soci-plan -q | soci-index | soci-push > pushed.json");
    let screen = Screen::run(&sandbox, SIZE, &script);
    screen.wait(shows_progress, |lines| assert_orderly(lines, SIZE.0));
    screen.type_keys("C-c");
    let lines = screen.wait_for_end(|_| {});
    assert_clean(&lines);
    let last = lines.last().expect("a line");
    assert!(
        last.starts_with("ended with ") && last != "ended with 0",
        "{lines:?}"
    );
    assert!(lines.len() <= 2, "{lines:?}");
}

/// A copy to a layout, and one to a registry, show the bytes of a blob while they are copied.
#[test]
fn copies_move() {
    for to in ["oci:copy:v1", "registry"] {
        let registry = slow_registry();
        let target = Faulty::start();
        let to = if to == "registry" {
            format!("{}/copy:v1", target.host())
        } else {
            to.to_owned()
        };
        let (host, sandbox) = (registry.host(), Sandbox::new());
        let script = format!(
            "soci-pull {host}/app:v1 | soci-plan -q | soci-index -q > indexed.json\n\
             soci-push --to {to} < indexed.json > pushed.json"
        );
        let screen = Screen::run(&sandbox, SIZE, &script);
        let seen = std::cell::RefCell::new(BTreeSet::new());
        let lines = screen.wait_for_end(|lines| {
            let image = lines
                .iter()
                .find(|line| is_image(line) && line.contains("blobs"));
            let bytes = image.and_then(|line| line.split("  ").nth(2).map(str::to_owned));
            seen.borrow_mut().extend(bytes);
        });
        assert_clean(&lines);
        assert_eq!(
            lines.last().map(String::as_str),
            Some("ended with 0"),
            "{lines:?}"
        );
        // More steps than there are blobs.
        let seen = seen.into_inner();
        assert!(seen.len() > 5, "{to}: {seen:?}");
    }
}

#[test]
fn narrow_and_low_terminals_are_not_overrun() {
    for (columns, rows) in [(30, 24), (12, 10), (80, 4)] {
        let registry = slow_registry();
        let (host, sandbox) = (registry.host(), Sandbox::new());
        let script = format!("soci-pull {host}/app:v1 | soci-plan -q | soci-index > indexed.json");
        let screen = Screen::run(&sandbox, (columns, rows), &script);
        let is_shown = |line: &&String| line.contains("0/2") || line.contains("1/2");
        let lines = screen.wait(
            |lines| lines.iter().any(|line| is_shown(&line)),
            |lines| assert!(lines.len() <= 3, "{}", lines.join("\n")),
        );
        assert_eq!(lines.iter().filter(is_shown).count(), 1, "{lines:?}");
        let lines = screen.wait_for_end(|_| {});
        assert_eq!(lines, ["ended with 0"], "{columns}x{rows}");
    }
}

#[test]
fn a_tool_that_waits_for_input_says_so() {
    for (tool, what) in [
        ("soci-pull", "references"),
        ("soci-plan", "documents"),
        ("soci-index", "documents"),
        ("soci-push", "documents"),
    ] {
        let sandbox = Sandbox::new();
        let screen = Screen::run(&sandbox, SIZE, tool);
        let said = format!("{tool}: reading {what} from the terminal; see --help");
        screen.wait(|lines| lines.contains(&said), |_| {});
        screen.type_keys("C-d");
        let lines = screen.wait_for_end(|_| {});
        assert_eq!(
            lines.last().map(String::as_str),
            Some("ended with 66"),
            "{lines:?}"
        );
    }
}
