//! The images of `--reuse-from`.

use soci_cli::{Failure, parse_reference};
use soci_document::ImageReference;
use soci_oci::printable::hide_credentials;

/// Parses references and returns each once, in its full form. Whether they exist is not checked.
pub(crate) fn parse_references(texts: &[String]) -> Result<Vec<ImageReference>, Failure> {
    let mut references = Vec::new();
    // A script leaves the name empty for the first build, which has no previous image.
    for text in texts.iter().map(|text| text.trim()) {
        if text.is_empty() {
            continue;
        }
        let shown = hide_credentials(text);
        let context = || format!("option --reuse-from or SOCI_REUSE_FROM, reference `{shown}`");
        let parsed = parse_reference(text).map_err(|failure| failure.context(context()))?;
        let reference = ImageReference::from(parsed.reference().clone());
        if !references.contains(&reference) {
            references.push(reference);
        }
    }
    Ok(references)
}

#[cfg(test)]
mod tests {
    use soci_document::Exit;

    use super::*;

    fn parse(texts: &[&str]) -> Result<Vec<String>, Failure> {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let references = parse_references(&texts)?;
        Ok(references.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn returns_full_references_without_duplicates() {
        let references = parse(&["app:v0", "", " docker.io/library/app:v0", "oci:build:v0"]);
        let expected = ["docker.io/library/app:v0", "oci:build:v0"];
        assert_eq!(references.expect("references"), expected);
    }

    #[test]
    fn rejects_malformed_references() {
        let failure = parse(&["app:v0", "App:v0"]).expect_err("malformed");
        assert_eq!(failure.exit, Exit::Usage);
        let message = format!("{:#}", failure.error);
        assert!(
            message.contains("--reuse-from") && message.contains("`App:v0`"),
            "{message}"
        );
    }
}
