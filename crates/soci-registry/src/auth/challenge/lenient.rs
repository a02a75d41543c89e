//! Reads what can be read of a malformed `WWW-Authenticate` header, as Go clients do.

use super::{Challenge, build_challenge};

/// The schemes that this client can answer.
const SCHEMES: [&str; 2] = ["bearer", "basic"];

/// Returns the challenges in a malformed header. Each begins with its scheme, at the start of the
/// header or after a comma, and has the parameters up to the next one.
pub(super) fn parse_malformed(text: &str) -> Vec<Challenge> {
    let starts: Vec<usize> = text
        .char_indices()
        .map(|(index, _)| index)
        .filter(|index| is_start(text, *index))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let parse = |(start, end): (&usize, usize)| {
        let challenge = text.get(*start..end)?;
        let (scheme, parameters) = challenge.split_once([' ', ',']).unwrap_or((challenge, ""));
        build_challenge(scheme, read_parameters(parameters))
    };
    starts.iter().zip(ends).filter_map(parse).collect()
}

/// Returns whether a challenge with a known scheme begins at `index`.
fn is_start(text: &str, index: usize) -> bool {
    let (before, rest) = text.split_at(index);
    let before = before.trim_end_matches(' ');
    let word = rest.split([' ', ',']).next().unwrap_or_default();
    (before.is_empty() || before.ends_with(','))
        && SCHEMES
            .iter()
            .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// Returns the parameters up to the first one that has no name or no whole value. A value may lack
/// its quotes, but not only the last one of them.
fn read_parameters(mut text: &str) -> Vec<(&str, String)> {
    let mut parameters = Vec::new();
    loop {
        text = text.trim_start_matches([' ', ',', ';']);
        let Some((name, rest)) = text.split_once('=') else {
            return parameters;
        };
        let rest = rest.trim_start_matches(' ');
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => match quoted.split_once('"') {
                Some(parts) => parts,
                // The value may have been cut off.
                None => return parameters,
            },
            None => rest.split_at(rest.find([' ', ',', ';']).unwrap_or(rest.len())),
        };
        if name.trim_end().contains(' ') {
            return parameters;
        }
        parameters.push((name.trim_end(), value.to_owned()));
        text = rest;
    }
}
