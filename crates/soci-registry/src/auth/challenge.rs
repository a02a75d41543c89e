//! Parses the `WWW-Authenticate` headers of a registry (RFC 9110, section 11.6.1).

mod lenient;

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};
use url::Url;

/// An authentication challenge that this client can answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Challenge {
    /// User name and password in every request (RFC 7617).
    Basic,
    /// A token from a token server (distribution's "Token Authentication Specification").
    Bearer {
        /// The token server's URL, not yet checked.
        realm: String,
        /// The registry's name at the token server.
        service: Option<String>,
        /// The scopes that the registry asks for, separated by spaces.
        scope: String,
    },
}

/// Number of `WWW-Authenticate` headers that are parsed.
const MAX_HEADERS: usize = 8;

/// Longest `WWW-Authenticate` header that is parsed, in bytes.
const MAX_HEADER_LEN: usize = 8 << 10;

/// Returns the challenge to answer. Bearer is preferred to Basic, because a leaked token does less
/// harm than a leaked password. Malformed challenges do not hide the others.
pub(crate) fn parse_challenge(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().take(MAX_HEADERS);
    let challenges = values.flat_map(|value| {
        let text = String::from_utf8_lossy(value.as_bytes());
        parse_header(&text)
    });
    challenges.min_by_key(|challenge| match challenge {
        Challenge::Bearer { realm, .. } if realm.parse::<Url>().is_ok() => 0,
        Challenge::Basic => 1,
        // Its error names the realm.
        Challenge::Bearer { .. } => 2,
    })
}

/// Returns the challenges of one header that this client can answer.
fn parse_header(text: &str) -> Vec<Challenge> {
    if text.len() > MAX_HEADER_LEN {
        return Vec::new();
    }
    let Ok(challenges) = http_auth::parse_challenges(text) else {
        return lenient::parse_malformed(text);
    };
    let convert = |challenge: http_auth::ChallengeRef<'_>| {
        let parameters = challenge.params.iter();
        let parameters = parameters.map(|(key, value)| (*key, value.to_unescaped()));
        build_challenge(challenge.scheme, parameters.collect())
    };
    challenges.into_iter().filter_map(convert).collect()
}

/// Returns the challenge with this scheme. Returns `None` for other schemes and for a Bearer
/// challenge without a realm.
fn build_challenge(scheme: &str, parameters: Vec<(&str, String)>) -> Option<Challenge> {
    if scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let (mut realm, mut service, mut scope) = (None, None, None);
    for (key, value) in parameters {
        let field = match key.to_ascii_lowercase().as_str() {
            "realm" => &mut realm,
            "service" => &mut service,
            "scope" => &mut scope,
            _ => continue,
        };
        // The first one counts.
        field.get_or_insert(value);
    }
    Some(Challenge::Bearer {
        realm: realm?,
        service,
        scope: scope.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn parse_values(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
            headers.append(WWW_AUTHENTICATE, value);
        }
        parse_challenge(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: &str) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.to_owned(),
        }
    }

    #[test]
    fn parses_the_challenges_of_real_registries() {
        assert_eq!(
            parse_values(&[
                r#"Basic realm="https://1.dkr.ecr.us-east-1.amazonaws.com/",service="ecr.amazonaws.com""#
            ]),
            Some(Challenge::Basic)
        );
        assert_eq!(
            parse_values(&[
                r#"Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",scope="aws""#
            ]),
            Some(bearer(
                "https://public.ecr.aws/token/",
                Some("public.ecr.aws"),
                "aws"
            ))
        );
        assert_eq!(
            parse_values(&[
                r#"bearer realm="https://a/t",scope="repository:a:pull,push",error="insufficient_scope""#
            ]),
            Some(bearer("https://a/t", None, "repository:a:pull,push"))
        );
    }

    #[test]
    fn prefers_bearer_to_basic() {
        let both = r#"Basic realm="a", Bearer realm="https://a/t""#;
        assert_eq!(parse_values(&[both]), Some(bearer("https://a/t", None, "")));
        assert_eq!(
            parse_values(&["Negotiate", r#"Basic realm="a""#]),
            Some(Challenge::Basic)
        );
    }

    #[test]
    fn ignores_unknown_and_malformed_challenges() {
        let long = format!(r#"Bearer realm="{}""#, "x".repeat(MAX_HEADER_LEN));
        for text in ["", "Bearer", r#"Digest realm="a",nonce="b""#, "=,=", &long] {
            assert_eq!(parse_values(&[text]), None, "{text:.40}");
        }
    }

    #[test]
    fn finds_the_challenge_beside_a_malformed_one() {
        let good = r#"Bearer realm="https://a/t",service="s",scope="repository:a:pull""#;
        let expected = Some(bearer("https://a/t", Some("s"), "repository:a:pull"));
        for other in [
            "Basic realm=",
            "Basic realm=\"a",
            "Basic realm=a b",
            "Basic realm=\"R\u{e9}gistre\"",
            "Basic",
            "Negotiate",
            "Digest realm=, nonce==",
            "Bearer",
            "Bearer realm=\"\"",
            "Bearer realm=nonsense",
            "=,=",
            ",,",
            "\"",
        ] {
            assert_eq!(parse_values(&[other, good]), expected, "{other}");
            assert_eq!(parse_values(&[good, other]), expected, "{other}");
            let after = format!("{good}, {other}");
            assert_eq!(parse_values(&[&after]), expected, "{after}");
            let before = format!("{other}, {good}");
            assert_eq!(parse_values(&[&before]), expected, "{before}");
        }
    }

    #[test]
    fn reads_the_parameters_of_a_malformed_challenge() {
        for text in [
            r#"Bearer realm="https://a/t" service="s" scope="x""#,
            r#"Bearer realm="https://a/t",service="s",scope="x",error="#,
            "Bearer realm=https://a/t,service=s,scope=x",
            r#"bearer  realm = "https://a/t" ,, service="s";scope=x"#,
        ] {
            let expected = Some(bearer("https://a/t", Some("s"), "x"));
            assert_eq!(parse_values(&[text]), expected, "{text}");
        }
        assert_eq!(parse_values(&["Basic realm=\"a"]), Some(Challenge::Basic));
        // What was cut off may be the end of the host name.
        assert_eq!(parse_values(&["Bearer realm=\"https://a"]), None);
    }
}
