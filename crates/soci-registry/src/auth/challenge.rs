//! Parses the `WWW-Authenticate` headers of a registry (RFC 9110, section 11.6.1).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

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
/// harm than a leaked password.
pub(crate) fn parse_challenge(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .take(MAX_HEADERS)
        .filter_map(|value| value.to_str().ok())
        .filter(|text| text.len() <= MAX_HEADER_LEN);
    let mut basic = None;
    for text in values {
        for challenge in http_auth::parse_challenges(text).unwrap_or_default() {
            match convert_challenge(&challenge) {
                Some(bearer @ Challenge::Bearer { .. }) => return Some(bearer),
                Some(Challenge::Basic) => basic = Some(Challenge::Basic),
                None => {}
            }
        }
    }
    basic
}

/// Converts a parsed challenge. Returns `None` for other schemes and for a Bearer challenge without
/// a realm.
fn convert_challenge(challenge: &http_auth::ChallengeRef<'_>) -> Option<Challenge> {
    let parameter = |name: &str| {
        let mut parameters = challenge.params.iter();
        let (_, value) = parameters.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.to_unescaped())
    };
    if challenge.scheme.eq_ignore_ascii_case("basic") {
        return Some(Challenge::Basic);
    }
    if challenge.scheme.eq_ignore_ascii_case("bearer") {
        return Some(Challenge::Bearer {
            realm: parameter("realm")?,
            service: parameter("service"),
            scope: parameter("scope").unwrap_or_default(),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_values(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().expect("a header value"));
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
}
