//! Warnings of `SOCI_…` variables that no tool reads, such as a misspelled `SOCI_DRYRUN`.

mod claim;

use std::env;

pub(crate) use self::claim::Claims;

/// The variables that the tools read, one a line. `docs/options.md` describes them. The test that
/// compares that page with the tools compares this list as well.
const KNOWN: &str = include_str!("known_variables.txt");

/// Returns the variables with the prefix `SOCI_` that the tools read, in alphabetical order.
pub fn known_variables() -> impl Iterator<Item = &'static str> {
    KNOWN.lines()
}

/// Prefixes of variables that belong to the tests of the tools.
const TESTS: [&str; 3] = ["SOCI_BIN", "SOCI_SOAK_", "SOCI_TEST_"];

/// Warns of each variable of the environment that looks like one of the tools', and is none.
///
/// The variables of all tools are known to each tool. Of several tools in a pipe that see the same
/// unknown variable, only one warns: the one that has the returned claim.
pub(crate) fn warn_of_unknown_variables() -> Claims {
    let mut claims = Claims::new();
    for (name, value) in env::vars_os() {
        let Some(name) = name.to_str().filter(|_| !value.is_empty()) else {
            continue;
        };
        if is_known(name) || !claims.claim(name) {
            continue;
        }
        let hint = match find_nearest(name) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => "the tools read no such variable; see --help".to_owned(),
        };
        tracing::warn!(variable = name, hint, "unknown variable {name}");
    }
    claims
}

/// Returns whether a variable is one of the tools', or does not look like one.
fn is_known(name: &str) -> bool {
    !name.starts_with("SOCI_")
        || known_variables().any(|known| known == name)
        || TESTS.iter().any(|prefix| name.starts_with(prefix))
        || is_of_kubernetes(name)
}

/// Returns whether Kubernetes sets a variable for a service, such as `SOCI_PORT_80_TCP_ADDR` or
/// `SOCI_INDEX_SERVICE_HOST` (Kubernetes documentation, "Service", "Environment variables").
fn is_of_kubernetes(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.contains("_PORT_")
}

/// Returns the known variable whose name is most like `name`, or `None` if no name is.
fn find_nearest(name: &str) -> Option<&'static str> {
    let squashed = squash(name);
    let own_words: Vec<&str> = words(name).collect();
    let distance = |known: &'static str| {
        let (known_squashed, known_words) = (squash(known), words(known).collect::<Vec<_>>());
        let distance = edit_distance(&squashed, &known_squashed);
        let is_part = is_subset(&own_words, &known_words)
            || is_subset(&known_words, &own_words)
            || squashed.len() >= 3 && known_squashed.starts_with(&squashed);
        (is_part || distance <= 1 + squashed.len() / 5).then_some((distance, known))
    };
    let nearest = known_variables().filter_map(distance).min();
    nearest.map(|(_, known)| known)
}

/// Returns the words of a variable after `SOCI_`.
fn words(name: &str) -> impl Iterator<Item = &str> {
    name.split('_').skip(1).filter(|word| !word.is_empty())
}

/// Returns the name after `SOCI_` without underscores.
fn squash(name: &str) -> String {
    words(name).collect()
}

fn is_subset(words: &[&str], of: &[&str]) -> bool {
    !words.is_empty() && words.iter().all(|word| of.contains(word))
}

/// Returns how many characters must be inserted, removed or replaced to make `to` of `from`
/// (Levenshtein distance).
fn edit_distance(from: &str, to: &str) -> usize {
    let mut distances: Vec<usize> = (0..=to.len()).collect();
    for (row, byte) in from.bytes().enumerate() {
        let mut diagonal = row;
        distances[0] = row + 1;
        for (column, other) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(byte != other);
            diagonal = distances[column + 1];
            let changed = diagonal.min(distances[column]) + 1;
            distances[column + 1] = replaced.min(changed);
        }
    }
    distances[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_name() {
        for (name, nearest) in [
            ("SOCI_DRYRUN", "SOCI_DRY_RUN"),
            ("SOCI_PLATFORMM", "SOCI_PLATFORM"),
            ("SOCI_PLATFORMS", "SOCI_PLATFORM"),
            ("SOCI_LAYER_SIZE", "SOCI_MIN_LAYER_SIZE"),
            ("SOCI_USER", "SOCI_USERNAME"),
            ("SOCI_AUTH_FILE", "SOCI_AUTHFILE"),
            ("SOCI_INDEX_VERSIONS", "SOCI_INDEX_VERSION"),
            ("SOCI_JOB", "SOCI_JOBS"),
            ("SOCI_INSECURE_PLAIN_HTTP", "SOCI_PLAIN_HTTP"),
        ] {
            assert_eq!(find_nearest(name), Some(nearest), "{name}");
        }
        for name in ["SOCI_", "SOCI_SOMETHING_ELSE", "SOCI_X"] {
            assert_eq!(find_nearest(name), None, "{name}");
        }
    }

    #[test]
    fn knows_the_variables_of_every_tool_and_those_of_others() {
        for name in [
            "SOCI_TO",
            "SOCI_PASSWORD",
            "SOCI_SOAK_SEED",
            "SOCI_INDEX_SERVICE_HOST",
            "SOCI_PORT_80_TCP_ADDR",
            "SOCIAL",
            "PATH",
        ] {
            assert!(is_known(name), "{name}");
        }
        assert!(!is_known("SOCI_DRYRUN"));
    }

    #[test]
    fn measures_edits() {
        for (from, to, distance) in [
            ("", "", 0),
            ("", "AB", 2),
            ("AB", "", 2),
            ("ABC", "ABC", 0),
            ("ABC", "AXC", 1),
            ("ABCD", "ACD", 1),
            ("KITTEN", "SITTING", 3),
        ] {
            assert_eq!(edit_distance(from, to), distance, "{from} {to}");
        }
    }
}
