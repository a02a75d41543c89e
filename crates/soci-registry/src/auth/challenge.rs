//! What a registry asks for in `WWW-Authenticate`.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// A challenge that can be met.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Challenge {
    /// Name and password in every request.
    Basic,
    /// A token from a server (distribution's "Token Authentication Specification").
    Bearer {
        /// The server's URL, not yet checked.
        realm: String,
        /// What the token server calls the registry.
        service: Option<String>,
        /// The scopes that the registry asks for, separated by blanks.
        scope: String,
    },
}

/// How many challenges are looked at.
const LIMIT: usize = 8;

/// How long one header may be.
const HEADER: usize = 8 << 10;

/// Returns the challenge to meet: Bearer before Basic, as a token is worth less than a password.
pub(crate) fn read(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().take(LIMIT);
    let texts = values
        .filter_map(|value| value.to_str().ok())
        .filter(|text| text.len() <= HEADER);
    let mut found = None;
    for text in texts {
        for challenge in http_auth::parse_challenges(text).unwrap_or_default() {
            match understand(&challenge) {
                Some(bearer @ Challenge::Bearer { .. }) => return Some(bearer),
                Some(Challenge::Basic) => found = Some(Challenge::Basic),
                None => {}
            }
        }
    }
    found
}

fn understand(challenge: &http_auth::ChallengeRef<'_>) -> Option<Challenge> {
    let parameter = |name: &str| {
        let mut parameters = challenge.params.iter();
        let (_, value) = parameters.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
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

    fn of(values: &[&str]) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().expect("a header value"));
        }
        read(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: &str) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.to_owned(),
        }
    }

    #[test]
    fn reads_what_registries_send() {
        assert_eq!(
            of(&[
                r#"Basic realm="https://1.dkr.ecr.us-east-1.amazonaws.com/",service="ecr.amazonaws.com""#
            ]),
            Some(Challenge::Basic)
        );
        assert_eq!(
            of(&[
                r#"Bearer realm="https://public.ecr.aws/token/",service="public.ecr.aws",scope="aws""#
            ]),
            Some(bearer(
                "https://public.ecr.aws/token/",
                Some("public.ecr.aws"),
                "aws"
            ))
        );
        assert_eq!(
            of(&[
                r#"bearer realm="https://a/t",scope="repository:a:pull,push",error="insufficient_scope""#
            ]),
            Some(bearer("https://a/t", None, "repository:a:pull,push"))
        );
    }

    #[test]
    fn prefers_tokens() {
        let both = r#"Basic realm="a", Bearer realm="https://a/t""#;
        assert_eq!(of(&[both]), Some(bearer("https://a/t", None, "")));
        assert_eq!(
            of(&["Negotiate", r#"Basic realm="a""#]),
            Some(Challenge::Basic)
        );
    }

    #[test]
    fn passes_over_what_it_does_not_know() {
        let long = format!(r#"Bearer realm="{}""#, "x".repeat(HEADER));
        for text in ["", "Bearer", r#"Digest realm="a",nonce="b""#, "=,=", &long] {
            assert_eq!(of(&[text]), None, "{text:.40}");
        }
    }
}
