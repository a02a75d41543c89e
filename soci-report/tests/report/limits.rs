//! Reports on many images and many layers.

use serde_json::{Value, json};

use crate::{pushed, report, run};

/// Returns the line of an image with so many layers.
fn image(name: &str, layers: usize) -> String {
    let mut document = pushed();
    document["image"] = format!("registry.example/{name}:v1").into();
    let layer = &document["manifests"][0]["layers"][0];
    document["manifests"][0]["layers"] = Value::Array(vec![layer.clone(); layers]);
    document.to_string()
}

/// GitHub rejects the summary of a step above 1 MiB.
#[test]
fn markdown_stays_below_the_limit_of_github() {
    let many: Vec<String> = (0..200)
        .map(|number| image(&format!("app-{number}"), 60))
        .collect();
    let error = json!({"stage": "soci-push", "exit": 77, "message": "x".repeat(2000)});
    let failed = json!({"version": 1, "image": "r.example/bad:v1", "error": error}).to_string();
    let lines = [many, vec![failed; 5000]].concat().join("\n");
    let finished = run("markdown", &lines).ends_with(77);
    let text = finished.text();
    assert!(text.len() < 1 << 20, "{}", text.len());
    // Failures come first, and what is left out is counted.
    let first = text.lines().find(|line| line.starts_with("| `"));
    assert!(first.expect("a row").contains("bad:v1"), "{first:?}");
    for expected in ["more images", "more failed images", "the details of"] {
        assert!(text.contains(expected), "{expected}");
    }
}

#[test]
fn long_lists_of_layers_are_cut_with_a_count() {
    let line = image("app", 3000);
    let markdown = report("markdown", &line);
    assert!(markdown.contains("more layers"), "{}", markdown.len());
    let html = report("html", &line);
    assert!(html.contains("2500 layers more"), "{}", html.len());
}

#[test]
fn a_dozen_images_of_sixty_layers_fit_on_a_page() {
    let lines: Vec<String> = (0..12)
        .map(|number| image(&format!("app-{number}"), 60))
        .collect();
    let html = report("html", &lines.join("\n"));
    assert!(html.len() < 1 << 20, "{}", html.len());
    assert_eq!(html.matches("<article ").count(), 12);
    // The overview comes first; each long table opens when it is asked for.
    assert_eq!(
        html.matches("<details><summary>Table of 60 layers").count(),
        12
    );
}
