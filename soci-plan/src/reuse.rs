//! Images whose indexes may be taken from, as users name them.

use soci_cli::Failure;
use soci_document::Exit;
use soci_oci::Reference;

/// Checks references and returns them in full, each once. Nobody is asked whether they exist.
pub(crate) fn references(texts: &[String]) -> Result<Vec<String>, Failure> {
    let mut references = Vec::new();
    // A build without a predecessor leaves the name empty.
    for text in texts.iter().map(|text| text.trim()) {
        if text.is_empty() {
            continue;
        }
        let reference: Reference = text.parse().map_err(|error| {
            Failure::new(Exit::Usage, error).context("option --reuse-from or SOCI_REUSE_FROM")
        })?;
        let reference = reference.to_string();
        if !references.contains(&reference) {
            references.push(reference);
        }
    }
    Ok(references)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Result<Vec<String>, Failure> {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        references(&texts)
    }

    #[test]
    fn are_full_and_stand_once() {
        let short = of(&["app:v0", "", " docker.io/library/app:v0", "oci:build:v0"]);
        let expected = ["docker.io/library/app:v0", "oci:build:v0"];
        assert_eq!(short.expect("references"), expected);
    }

    #[test]
    fn are_checked() {
        let failure = of(&["app:v0", "App:v0"]).expect_err("malformed");
        assert_eq!(failure.exit, Exit::Usage);
        let message = format!("{:#}", failure.error);
        assert!(
            message.contains("--reuse-from") && message.contains("`App:v0`"),
            "{message}"
        );
    }
}
