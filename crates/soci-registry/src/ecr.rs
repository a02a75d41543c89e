//! Amazon ECR: which hosts it has, and which permission is missing.

pub(crate) mod http;
mod token;

use reqwest::Method;

use crate::error::Refusal;

/// A registry of ECR, as its host's name tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum EcrHost {
    /// An account's own registry.
    Private {
        region: String,
        endpoints: Endpoints,
    },
    /// The public gallery.
    Public { endpoints: Endpoints },
}

/// Which endpoints of the AWS API go with a registry: those of its own kind, as whoever chose that may reach no others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Endpoints {
    /// Those validated by FIPS 140.
    fips: bool,
    /// Those that are reached by IPv6 too.
    dual_stack: bool,
}

/// The domains of private registries by the word between account and region.
const DOMAINS: [(&str, Endpoints, &[&str]); 4] = [
    ("dkr.ecr", Endpoints::COMMON, CLASSIC),
    ("dkr.ecr-fips", Endpoints::FIPS, CLASSIC),
    ("dkr-ecr", Endpoints::DUAL_STACK, DUAL_STACK),
    ("dkr-ecr-fips", Endpoints::FIPS_DUAL_STACK, DUAL_STACK),
];

const CLASSIC: &[&str] = &[
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "sc2s.sgov.gov",
    "c2s.ic.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];

const DUAL_STACK: &[&str] = &[
    "on.aws",
    "on.amazonwebservices.com.cn",
    "on.amazonwebservices.eu",
];

/// How many manifests ECR takes in a second, from an account in a region (`PutImage` in its list of quotas).
pub(crate) const MANIFESTS_PER_SECOND: u32 = 10;

impl Endpoints {
    const COMMON: Self = Self {
        fips: false,
        dual_stack: false,
    };
    const FIPS: Self = Self {
        fips: true,
        ..Self::COMMON
    };
    const DUAL_STACK: Self = Self {
        dual_stack: true,
        ..Self::COMMON
    };
    const FIPS_DUAL_STACK: Self = Self {
        fips: true,
        dual_stack: true,
    };
}

impl EcrHost {
    /// Reads the name of a registry. The whole name must match: one that only contains such a name is somebody else's.
    pub(crate) fn parse(registry: &str) -> Option<Self> {
        let public = |endpoints| Some(Self::Public { endpoints });
        match registry {
            "public.ecr.aws" => return public(Endpoints::COMMON),
            "ecr-public.aws.com" => return public(Endpoints::DUAL_STACK),
            _ => {}
        }
        let (account, rest) = registry.split_once('.')?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        DOMAINS.iter().find_map(|(word, endpoints, domains)| {
            let rest = rest.strip_prefix(word)?.strip_prefix('.')?;
            let (region, domain) = rest.split_once('.')?;
            let is_region = region.contains('-')
                && region
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
            (is_region && domains.contains(&domain)).then(|| Self::Private {
                region: region.to_owned(),
                endpoints: *endpoints,
            })
        })
    }
}

/// Says whether ECR complains about an expired token, which it does with 403 and without a challenge.
pub(crate) fn says_expired(refusal: &Refusal) -> bool {
    refusal
        .message
        .to_ascii_lowercase()
        .contains("authorization token has expired")
}

/// Returns the IAM action behind a request to a registry of ECR.
pub(crate) fn action(method: &Method, path: &str) -> Option<&'static str> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if path.contains("/blobs/uploads/") {
        return match *method {
            Method::POST => Some("ecr:InitiateLayerUpload"),
            Method::PATCH => Some("ecr:UploadLayerPart"),
            Method::PUT => Some("ecr:UploadLayerPart and ecr:CompleteLayerUpload"),
            _ => None,
        };
    }
    if path.contains("/blobs/") {
        return match *method {
            Method::GET => Some("ecr:GetDownloadUrlForLayer"),
            Method::HEAD => Some("ecr:BatchCheckLayerAvailability"),
            _ => None,
        };
    }
    if path.contains("/manifests/") {
        return match *method {
            Method::PUT => Some("ecr:PutImage"),
            _ => reads.then_some("ecr:BatchGetImage"),
        };
    }
    (reads && path.contains("/referrers/")).then_some("ecr:BatchGetImage")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_hosts_of_ecr() {
        use Endpoints as E;
        let private = |region: &str, endpoints| {
            let region = region.to_owned();
            Some(EcrHost::Private { region, endpoints })
        };
        let public = |endpoints| Some(EcrHost::Public { endpoints });
        for (host, expected) in [
            (
                "123456789012.dkr.ecr.us-east-1.amazonaws.com",
                private("us-east-1", E::COMMON),
            ),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                private("us-gov-west-1", E::FIPS),
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                private("cn-north-1", E::COMMON),
            ),
            (
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
                private("eusc-de-east-1", E::COMMON),
            ),
            (
                "123456789012.dkr-ecr.eu-west-1.on.aws",
                private("eu-west-1", E::DUAL_STACK),
            ),
            (
                "123456789012.dkr-ecr-fips.us-east-2.on.aws",
                private("us-east-2", E::FIPS_DUAL_STACK),
            ),
            (
                "123456789012.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn",
                private("cn-northwest-1", E::DUAL_STACK),
            ),
            (
                "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov",
                private("us-iso-east-1", E::COMMON),
            ),
            ("public.ecr.aws", public(E::COMMON)),
            ("ecr-public.aws.com", public(E::DUAL_STACK)),
        ] {
            assert_eq!(EcrHost::parse(host), expected, "{host}");
        }
    }

    #[test]
    fn is_not_fooled_by_hosts_that_look_alike() {
        for host in [
            "123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.example",
            "evil.example.123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "x123456789012.dkr.ecr.us-east-1.amazonaws.com",
            "12345678901.dkr.ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr.us-east-1.amazonaws.com:443",
            "123456789012.dkr.ecr.us-east-1.evil.amazonaws.com",
            "123456789012.dkr.ecr.us-east-1.on.aws",
            "123456789012.dkr-ecr.us-east-1.amazonaws.com",
            "123456789012.dkr.ecr..amazonaws.com",
            "xpublic.ecr.aws",
            "public.ecr.aws.evil.example",
            "docker.io",
        ] {
            assert_eq!(EcrHost::parse(host), None, "{host}");
        }
    }

    #[test]
    fn names_the_missing_action() {
        for (method, path, expected) in [
            (Method::GET, "/v2/a/manifests/v1", Some("ecr:BatchGetImage")),
            (Method::PUT, "/v2/a/manifests/v1", Some("ecr:PutImage")),
            (
                Method::GET,
                "/v2/a/blobs/sha256:0",
                Some("ecr:GetDownloadUrlForLayer"),
            ),
            (
                Method::HEAD,
                "/v2/a/blobs/sha256:0",
                Some("ecr:BatchCheckLayerAvailability"),
            ),
            (
                Method::POST,
                "/v2/a/blobs/uploads/",
                Some("ecr:InitiateLayerUpload"),
            ),
            (Method::GET, "/v2/", None),
        ] {
            assert_eq!(action(&method, path), expected, "{method} {path}");
        }
    }
}
