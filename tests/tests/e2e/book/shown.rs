//! Compares what a command prints with what a page shows.

/// Returns whether a page shows these lines. In the page, `…` stands for any text, a number for any
/// number, the start of a digest for any digest, and a line of only `…` for any lines.
pub(super) fn shows(expected: &[String], printed: &str) -> bool {
    let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
    matches_lines(expected, &printed)
}

fn matches_lines(expected: &[String], printed: &[&str]) -> bool {
    let Some((first, rest)) = expected.split_first() else {
        return printed.is_empty();
    };
    if first.trim() == "…" {
        return (0..=printed.len()).any(|skipped| matches_lines(rest, &printed[skipped..]));
    }
    let Some((line, others)) = printed.split_first() else {
        return false;
    };
    matches_text(&plain(first), &plain(line)) && matches_lines(rest, others)
}

/// Returns a line without its digests, numbers and columns.
fn plain(line: &str) -> String {
    without_numbers(&without_digests(line))
}

/// Removes digests: 12 or more hexadecimal digits, and after `sha256:` also fewer with `…`.
fn without_digests(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(next) = rest.chars().next() {
        let is_other = |character: char| !character.is_ascii_hexdigit();
        let (run, after) = rest.split_at(rest.find(is_other).unwrap_or(rest.len()));
        let is_start = plain.ends_with("sha256:");
        if run.len() >= 12 || is_start && !run.is_empty() {
            rest = after
                .strip_prefix('…')
                .filter(|_| is_start)
                .unwrap_or(after);
        } else if run.is_empty() {
            plain.push(next);
            rest = &rest[next.len_utf8()..];
        } else {
            plain.push_str(run);
            rest = after;
        }
    }
    plain
}

/// Replaces each number by `#`, and each run of spaces, which align columns, by one space.
fn without_numbers(line: &str) -> String {
    let mut plain = String::new();
    for character in line.trim_end().chars() {
        let is_part = |other: char| other.is_ascii_digit() || ".,".contains(other);
        match character {
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            ' ' if plain.ends_with(' ') => {}
            other if is_part(other) && plain.ends_with('#') => plain.push('.'),
            other => plain.push(other),
        }
        if plain.ends_with("#.#") {
            plain.truncate(plain.len() - 2);
        }
    }
    plain
}

/// Returns whether a text is of this form, in which `…` stands for any text.
fn matches_text(form: &str, text: &str) -> bool {
    let Some((literal, rest)) = form.split_once('…') else {
        return form == text;
    };
    let Some(text) = text.strip_prefix(literal) else {
        return false;
    };
    let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    starts.any(|at| matches_text(rest, &text[at..]))
}

#[test]
fn compares_what_is_printed() {
    let form = ["took 1.5 s,  digest sha256:ab… end", "…", "last"].map(str::to_owned);
    assert!(shows(
        &form,
        "took 22.75 s, digest sha256:abcd end\nx\ny\nlast\n"
    ));
    assert!(shows(&form, "took 2 s, digest sha256:ab end\nlast"));
    assert!(!shows(&form, "took 2 s, digest sha512:ab end\nlast"));
    assert!(!shows(
        &form,
        "took 2 s, digest sha256:ab end\nlast\nanother"
    ));
}
