//! References as users write them.

use std::path::Path;

use soci_document::{Exit, ImageReference};
use soci_oci::Reference;
use soci_oci::reference::{DEFAULT_REGISTRY, LEGACY_REGISTRY};

use crate::failure::Failure;

/// Parses a reference that the user wrote. The message of a failure does not repeat the reference.
///
/// A name that exists here as a file or folder is refused unless it begins with a registry: what
/// was meant is probably that file, and not a repository of Docker Hub. References inside documents
/// must not be parsed with this function, because the same document may be read in another folder.
///
/// # Errors
///
/// Returns an error with [`Exit::Usage`] if the text is malformed, or is the name of a file or
/// folder. Its hint says what to write instead, if that is known.
pub fn parse_reference(text: &str) -> Result<ImageReference, Failure> {
    let parsed = text.parse::<ImageReference>();
    match &parsed {
        Ok(image) if !has_default_registry(image) => {}
        // A text in the form of another tool has a hint of its own.
        Err(error) if error.hint().is_some() => {}
        Ok(_) | Err(_) => {
            if let Some(failure) = refuse_path(text, parsed.as_ref().ok()) {
                return Err(failure);
            }
        }
    }
    parsed.map_err(|error| {
        let mut failure = Failure::message(Exit::Usage, error.reason());
        failure.hint = error.hint().map(str::to_owned);
        failure
    })
}

/// Returns whether the reference is in Docker Hub because its text names no registry.
fn has_default_registry(image: &ImageReference) -> bool {
    let is_default = matches!(image.reference(), Reference::Registry(reference) if reference.registry == DEFAULT_REGISTRY);
    let first = image.as_str().split_once('/').map(|(first, _)| first);
    is_default && !matches!(first, Some(DEFAULT_REGISTRY | LEGACY_REGISTRY))
}

/// Returns the failure for a text that is, with or without a tag, the path of a file or folder.
/// `image` is the image in Docker Hub that it could also be.
fn refuse_path(text: &str, image: Option<&ImageReference>) -> Option<Failure> {
    let untagged = text.split_once(['@', ':']).map_or(text, |(name, _)| name);
    let path = [text, untagged]
        .into_iter()
        .find(|path| !path.is_empty() && Path::new(path).exists());
    let is_directory = path.is_some_and(|path| Path::new(path).is_dir());
    let message = match path {
        Some(path) if path == text && is_directory => "this is a folder here".to_owned(),
        Some(path) if path == text => "this is a file here".to_owned(),
        Some(path) if is_directory => format!("`{path}` is a folder here"),
        Some(path) => format!("`{path}` is a file here"),
        None if text.starts_with(['/', '~'])
            || text.starts_with("./")
            || text.starts_with("../") =>
        {
            "this is a path".to_owned()
        }
        None => return None,
    };
    let layout = format!("`oci:{text}` for an OCI image layout");
    let archives = format!("`oci-archive:{text}` or `docker-archive:{text}` for an archive");
    let mut forms = match path {
        Some(_) if is_directory => vec![layout],
        Some(_) => vec![archives],
        None => vec![layout, archives],
    };
    if let Some(image) = image {
        forms.push(format!(
            "`{}` for the image in Docker Hub",
            image.reference()
        ));
    }
    let hint = format!("write {}", forms.join(", or "));
    Some(Failure::message(Exit::Usage, message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_references_whose_names_do_not_exist_here() {
        for text in [
            "debian:12",
            "registry.example/src",
            "docker.io/library/src",
            "oci:src",
        ] {
            assert_eq!(parse_reference(text).expect(text).as_str(), text);
        }
    }

    // Unit tests run in the folder of the crate.
    #[test]
    fn refuses_the_names_of_files_and_folders() {
        for (text, hint) in [
            (
                "src",
                "write `oci:src` for an OCI image layout, or `docker.io/library/src:latest` for",
            ),
            ("src:v1", "write `oci:src:v1`"),
            ("./src", "write `oci:./src`"),
            ("src/", "write `oci:src/`"),
            (
                "src/lib.rs",
                "write `oci-archive:src/lib.rs` or `docker-archive:src/lib.rs`",
            ),
            ("./nowhere", "write `oci:./nowhere`"),
            ("/nowhere:v1", "write `oci:/nowhere:v1`"),
            ("docker://src", "drop `docker://`"),
        ] {
            let failure = parse_reference(text).expect_err(text);
            assert_eq!(failure.exit, Exit::Usage, "{text}");
            let found = failure.hint.as_deref().unwrap_or_default();
            assert!(found.starts_with(hint), "{text}: {found}");
        }
    }
}
