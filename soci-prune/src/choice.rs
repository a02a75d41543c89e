//! Chooses which files of a store are removed.

use std::time::{Duration, SystemTime};

use soci_layout::RemoveWhen;

use crate::file::{File, Kind};

/// The age from which on a layer may be removed while a tool uses the store. A tool that misses a
/// layer reads it from the registry.
const LAYER_AGE: Duration = Duration::from_hours(1);

/// The age from which on any other file may be removed while a tool uses the store: that tool may
/// be about to read it.
const SAFE_AGE: Duration = Duration::from_hours(24);

/// What is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The age from which on a file is removed.
    pub(crate) keep: Option<Duration>,
    /// The size in bytes to which the store is reduced.
    pub(crate) max_size: Option<u64>,
    /// The age up to which a file is kept, unless it is a layer or unfinished.
    pub(crate) min_age: Duration,
}

/// Whether a tool uses the store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Usage {
    Idle,
    InUse,
}

/// A file that is to be removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Chosen {
    /// Its position in the list of all files.
    pub(crate) position: usize,
    pub(crate) when: RemoveWhen,
}

/// Chooses the files to remove. A file comes after those that need it.
pub(crate) fn choose(files: &[File], limits: Limits, usage: Usage, now: SystemTime) -> Vec<Chosen> {
    let is_removable = |position: &usize| {
        let file = &files[*position];
        !file.is_listed && age_of(file, now) >= minimum_age(file.kind, limits.min_age, usage)
    };
    let mut candidates: Vec<usize> = (0..files.len()).filter(is_removable).collect();
    candidates.sort_by_key(|position| {
        let file = &files[*position];
        (class_of(file), file.last_use, file.depth, *position)
    });
    let mut size: u64 = files.iter().map(File::size).sum();
    candidates.retain(|position| {
        let file = &files[*position];
        let is_old = limits.keep.is_some_and(|keep| age_of(file, now) >= keep);
        let is_too_much = limits.max_size.is_some_and(|max_size| size > max_size);
        let is_chosen = file.kind == Kind::Unfinished || is_old || is_too_much;
        if is_chosen {
            size -= file.size();
        }
        is_chosen
    });
    // The rest is too young for `max_size`, or listed.
    candidates.sort_by_key(|position| files[*position].depth);
    let chosen = candidates.into_iter().map(|position| {
        let file = &files[position];
        let is_safe = age_of(file, now) >= minimum_age(file.kind, limits.min_age, Usage::InUse);
        let when = if is_safe {
            RemoveWhen::Unused
        } else {
            RemoveWhen::Idle
        };
        Chosen { position, when }
    });
    chosen.collect()
}

/// Returns how early a file is removed for the sake of the size: what can be downloaded again comes
/// first, and what a SOCI index needs comes last.
fn class_of(file: &File) -> u8 {
    match file.kind {
        Kind::Unfinished => 0,
        Kind::Layer => 1,
        _ if !file.is_indexed => 2,
        _ => 3,
    }
}

/// Returns the age up to which files of a kind are kept.
fn minimum_age(kind: Kind, min_age: Duration, usage: Usage) -> Duration {
    match (kind, usage) {
        (Kind::Layer | Kind::Unfinished, Usage::Idle) => Duration::ZERO,
        (Kind::Layer, Usage::InUse) => LAYER_AGE,
        (Kind::Unfinished, Usage::InUse) => SAFE_AGE,
        (_, Usage::Idle) => min_age,
        (_, Usage::InUse) => min_age.max(SAFE_AGE),
    }
}

/// Returns the time since the last use. A file that was used in the future has the age 0.
fn age_of(file: &File, now: SystemTime) -> Duration {
    now.duration_since(file.last_use).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use soci_layout::{StoreFile, StoredFile};
    use soci_oci::Digest;

    const HOUR: Duration = Duration::from_hours(1);
    const DAY: Duration = Duration::from_hours(24);

    const NO_LIMITS: Limits = Limits {
        keep: None,
        max_size: None,
        min_age: DAY,
    };

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + 1000 * DAY
    }

    /// Returns a file of 100 bytes.
    fn file(kind: Kind, age: Duration) -> File {
        let stored = StoredFile {
            name: StoreFile::Blob(Digest::of(b"")),
            size: 100,
            last_use: now() - age,
        };
        File::new(stored, kind)
    }

    fn choose_positions(files: &[File], limits: Limits, usage: Usage) -> Vec<usize> {
        let chosen = choose(files, limits, usage, now());
        chosen.into_iter().map(|chosen| chosen.position).collect()
    }

    #[test]
    fn removes_layers_first_then_what_no_index_needs_then_the_oldest() {
        let indexed = |kind, age| File {
            is_indexed: true,
            ..file(kind, age)
        };
        let files = [
            indexed(Kind::Ztoc, 9 * DAY),
            indexed(Kind::SociIndex, 8 * DAY),
            file(Kind::Manifest, 3 * DAY),
            file(Kind::Layer, 2 * DAY),
            file(Kind::Layer, 4 * DAY),
        ];
        for (max_size, expected) in [
            (500, &[][..]),
            (499, &[4]),
            (300, &[4, 3]),
            (200, &[4, 3, 2]),
            (100, &[4, 3, 2, 0]),
            (0, &[4, 3, 2, 0, 1]),
        ] {
            let limits = Limits {
                max_size: Some(max_size),
                ..NO_LIMITS
            };
            let chosen = choose_positions(&files, limits, Usage::Idle);
            assert_eq!(chosen, expected, "{max_size}");
        }
    }

    #[test]
    fn removes_what_was_not_used_for_days() {
        let files = [
            file(Kind::Ztoc, 9 * DAY),
            file(Kind::Ztoc, 11 * DAY),
            file(Kind::Layer, 11 * DAY),
            File {
                is_listed: true,
                ..file(Kind::Manifest, 11 * DAY)
            },
        ];
        let limits = Limits {
            keep: Some(10 * DAY),
            ..NO_LIMITS
        };
        assert_eq!(choose_positions(&files, limits, Usage::InUse), [2, 1]);
    }

    #[test]
    fn keeps_young_files_while_a_tool_is_at_work() {
        let files = [
            file(Kind::Layer, HOUR / 2),
            file(Kind::Layer, 2 * HOUR),
            file(Kind::Ztoc, 2 * HOUR),
            file(Kind::Ztoc, 25 * HOUR),
            file(Kind::Unfinished, 2 * HOUR),
            file(Kind::Unfinished, 25 * HOUR),
        ];
        let limits = Limits {
            max_size: Some(0),
            ..NO_LIMITS
        };
        assert_eq!(choose_positions(&files, limits, Usage::InUse), [5, 1, 3]);
        let idle = [5, 4, 1, 0, 3];
        assert_eq!(choose_positions(&files, limits, Usage::Idle), idle);
        let limits = Limits {
            min_age: HOUR,
            ..limits
        };
        assert_eq!(choose_positions(&files, limits, Usage::InUse), [5, 1, 3]);
        let idle = [5, 4, 1, 0, 3, 2];
        assert_eq!(choose_positions(&files, limits, Usage::Idle), idle);
        let chosen = choose(&files, limits, Usage::Idle, now());
        let when = |position| {
            let mut chosen = chosen.iter();
            let found = chosen.find(|chosen| chosen.position == position);
            found.expect("chosen").when
        };
        assert_eq!(when(1), RemoveWhen::Unused);
        assert_eq!(when(0), RemoveWhen::Idle);
        assert_eq!(when(2), RemoveWhen::Idle);
    }

    #[test]
    fn removes_no_file_before_one_that_needs_it() {
        let at_depth = |depth| File {
            depth,
            ..file(Kind::Manifest, 5 * DAY)
        };
        let files = [at_depth(2), at_depth(0), at_depth(1)];
        let limits = Limits {
            max_size: Some(0),
            ..NO_LIMITS
        };
        assert_eq!(choose_positions(&files, limits, Usage::Idle), [1, 2, 0]);
    }
}
