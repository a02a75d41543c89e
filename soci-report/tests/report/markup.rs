//! The markup of the HTML page.

use crate::{IMAGES, run};

/// Returns the report on all images.
fn page() -> String {
    run("html", IMAGES).ends_with(80).text().to_owned()
}

#[test]
fn needs_no_network_and_runs_no_script() {
    let page = page();
    for forbidden in [
        "<script",
        "javascript:",
        "http://",
        "https://",
        "@import",
        " src=",
        " on",
        "<iframe",
        "<form",
        "<object",
        "<base",
    ] {
        let found = page.find(forbidden).map(|position| &page[position..]);
        let found = found.map(|rest| rest.chars().take(40).collect::<String>());
        // ` on` is the start of an attribute only within a tag.
        if forbidden == " on" {
            assert!(!tags(&page).any(|tag| tag.contains(" on")), "{found:?}");
        } else {
            assert_eq!(found, None);
        }
    }
    for tag in tags(&page).filter(|tag| tag.contains("href=")) {
        let is_local = tag.contains("href=\"#image-") || tag.contains("href=\"data:,\"");
        assert!(is_local, "{tag}");
    }
    assert!(!page.contains("url(") || page.split("url(").skip(1).all(|rest| rest.starts_with('#')));
    let policy = "default-src 'none'; style-src 'sha256-";
    assert!(page.contains(&format!("Content-Security-Policy\" content=\"{policy}")));
    assert!(
        !tags(&page).any(|tag| tag.contains(" style=")),
        "the policy forbids it"
    );
}

/// Returns the tags of a page, without their brackets.
pub(crate) fn tags(page: &str) -> impl Iterator<Item = &str> {
    let parts = page.split('<').skip(1);
    parts.map(|part| part.split('>').next().unwrap_or_default())
}

#[test]
fn is_well_formed() {
    let page = page();
    let mut open: Vec<&str> = Vec::new();
    for tag in tags(&page) {
        let name = tag.split(' ').next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "</{name}>"),
            None if tag.ends_with('/') || tag.starts_with('!') => {}
            None if ["meta", "link", "wbr"].contains(&name) => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    let mut anchors: Vec<&str> = page.split(" id=\"").skip(1).collect();
    let count = anchors.len();
    anchors.sort_unstable();
    anchors.dedup_by_key(|rest| rest.split('"').next());
    assert_eq!(anchors.len(), count, "an id occurs twice");
}

#[test]
fn can_be_read_without_colour_and_by_a_screen_reader() {
    let page = page();
    // Each kind of layer has a pattern and a word, and each drawing a text.
    for kind in ["indexed", "reused", "planned", "left out", "skipped"] {
        assert!(page.contains(&format!("<b>{kind}</b>")), "{kind}");
    }
    for tag in tags(&page).filter(|tag| tag.starts_with("svg ")) {
        assert!(
            tag.contains("aria-hidden=\"true\"") || tag.contains("aria-label=\""),
            "{tag}"
        );
    }
    for tag in tags(&page).filter(|tag| tag.starts_with("th ") || *tag == "th") {
        assert!(tag.contains("scope="), "{tag}");
    }
    assert!(page.contains("<html lang=\"en\">") && page.matches("<h1>").count() == 1);
    for query in ["prefers-color-scheme: dark", "print", "max-width"] {
        assert!(page.contains(query), "{query}");
    }
}
