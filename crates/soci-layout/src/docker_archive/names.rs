//! The names of the images in an archive.

use soci_oci::Reference;
use soci_oci::reference::Selector;

use crate::docker_archive::entry::Entry;
use crate::error::LayoutError;
use crate::index_json::LISTED_IMAGES;
use crate::tar_file::TarFile;

/// Returns the positions of the images that `name` names: by a name as it stands in
/// `manifest.json`, else by the same name in full (`app:v1` for `docker.io/library/app:v1`), else
/// by its tag alone.
pub(crate) fn find_named(name: &str, entries: &[Entry]) -> Vec<usize> {
    let full = normalize(name);
    let is_equal = |repo_tag: &str| repo_tag == name;
    let is_same = |repo_tag: &str| full.is_some() && normalize(repo_tag) == full;
    let has_tag = |repo_tag: &str| tag_of(repo_tag) == Some(name);
    let rules: [&dyn Fn(&str) -> bool; 3] = [&is_equal, &is_same, &has_tag];
    let matching = |rule: &dyn Fn(&str) -> bool| -> Vec<usize> {
        let has_match = |entry: &Entry| entry.repo_tags().iter().any(|name| rule(name));
        let entries = entries.iter().enumerate();
        entries
            .filter_map(|(index, entry)| has_match(entry).then_some(index))
            .collect()
    };
    let mut found = rules.into_iter().map(matching);
    found.find(|found| !found.is_empty()).unwrap_or_default()
}

/// Returns the tag of the image's name that was selected, else that of its first name.
pub(crate) fn choose_tag(selector: &Selector, repo_tags: &[String]) -> Option<String> {
    let selected = match selector {
        Selector::Name(name) => repo_tags.iter().find(|repo_tag| {
            *repo_tag == name
                || tag_of(repo_tag) == Some(name)
                || normalize(repo_tag).is_some_and(|full| Some(full) == normalize(name))
        }),
        Selector::Any | Selector::Digest(_) => None,
    };
    let name = selected.or(repo_tags.first())?;
    tag_of(name).map(str::to_owned)
}

/// Returns the error for a selector that selects `found` images instead of one. It lists the names
/// of the images.
pub(crate) fn no_such_image(
    tar: &TarFile,
    selector: &Selector,
    found: usize,
    entries: &[Entry],
) -> LayoutError {
    let one = if found > 1 { "single image" } else { "image" };
    let wanted = match selector {
        Selector::Any => one.to_owned(),
        Selector::Name(name) => format!("{one} named `{}`", name.escape_debug()),
        Selector::Digest(digest) => format!("manifest with digest `{digest}`"),
    };
    let names = entries.iter().map(|entry| match entry.repo_tags().first() {
        Some(name) => format!("`{}`", name.escape_debug()),
        None => format!("one without a name (`{}`)", entry.config.escape_debug()),
    });
    let names: Vec<String> = names.take(LISTED_IMAGES).collect();
    LayoutError::NoSuchImage {
        path: tar.path().to_owned(),
        wanted,
        found: if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        },
    }
}

/// Returns the tag at the end of a name such as `localhost:5000/app:v1`.
fn tag_of(name: &str) -> Option<&str> {
    let (_, tag) = name.rsplit_once(':')?;
    (!tag.contains('/')).then_some(tag)
}

/// Returns a name in full, with Docker's defaults, or `None` if it is not that of an image in a
/// registry.
fn normalize(name: &str) -> Option<String> {
    match name.parse() {
        Ok(Reference::Registry(reference)) => Some(reference.to_string()),
        _ => None,
    }
}
