//! The host names of Amazon ECR, and the addresses of the API that belongs to each.

/// An ECR registry, as its host name tells.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum EcrHost {
    /// The registry of an AWS account.
    Private {
        /// The AWS region, such as `eu-west-1`.
        region: String,
        /// The AWS partition to which the region belongs.
        partition: &'static Partition,
        /// The kind of endpoint that the host name asks for.
        endpoint: EndpointKind,
    },
    /// The public gallery, `public.ecr.aws`.
    Public {
        /// The kind of endpoint that the host name asks for.
        endpoint: EndpointKind,
    },
}

/// The kind of an AWS endpoint. The API is asked at an endpoint of the registry's own kind, since a
/// user who chose that kind may not reach any other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum EndpointKind {
    /// Reached over IPv4.
    Standard,
    /// Validated for FIPS 140.
    Fips,
    /// Reached over IPv6 as well as IPv4.
    DualStack,
    /// Validated for FIPS 140, and reached over IPv6 as well as IPv4.
    FipsDualStack,
}

/// The domain names of one AWS partition. `aws` and `aws-us-gov` share theirs.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Partition {
    /// The domain of IPv4 endpoints, of registries as of the API.
    pub(crate) domain: &'static str,
    /// The domains of dual-stack endpoints, if the partition has any.
    pub(crate) dual_stack: Option<DualStackDomains>,
}

/// The domains of dual-stack endpoints.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct DualStackDomains {
    /// The domain of registries.
    pub(crate) registry: &'static str,
    /// The domain of the API.
    pub(crate) api: &'static str,
}

/// The partitions, from the endpoint rules of the AWS SDKs.
const PARTITIONS: [Partition; 7] = [
    Partition::with_dual_stack("amazonaws.com", "on.aws", "api.aws"),
    Partition::with_dual_stack(
        "amazonaws.com.cn",
        "on.amazonwebservices.com.cn",
        "api.amazonwebservices.com.cn",
    ),
    Partition::with_dual_stack(
        "amazonaws.eu",
        "on.amazonwebservices.eu",
        "api.amazonwebservices.eu",
    ),
    Partition::with_ipv4("sc2s.sgov.gov"),
    Partition::with_ipv4("c2s.ic.gov"),
    Partition::with_ipv4("cloud.adc-e.uk"),
    Partition::with_ipv4("csp.hci.ic.gov"),
];

/// The region of the API for the public gallery, whose registry has none.
pub(crate) const PUBLIC_REGION: &str = "us-east-1";

/// The parts of a private registry's host name between account and region, with the kind of
/// endpoint that each means.
const SERVICES: [(&str, EndpointKind); 4] = [
    ("dkr.ecr", EndpointKind::Standard),
    ("dkr.ecr-fips", EndpointKind::Fips),
    ("dkr-ecr", EndpointKind::DualStack),
    ("dkr-ecr-fips", EndpointKind::FipsDualStack),
];

impl EndpointKind {
    const fn is_fips(self) -> bool {
        matches!(self, Self::Fips | Self::FipsDualStack)
    }

    const fn is_dual_stack(self) -> bool {
        matches!(self, Self::DualStack | Self::FipsDualStack)
    }
}

impl Partition {
    const fn with_ipv4(domain: &'static str) -> Self {
        Self {
            domain,
            dual_stack: None,
        }
    }

    const fn with_dual_stack(
        domain: &'static str,
        registry: &'static str,
        api: &'static str,
    ) -> Self {
        Self {
            domain,
            dual_stack: Some(DualStackDomains { registry, api }),
        }
    }

    /// Returns the partition whose registries of kind `endpoint` are in `domain`.
    fn find(domain: &str, endpoint: EndpointKind) -> Option<&'static Self> {
        PARTITIONS.iter().find(|partition| {
            if endpoint.is_dual_stack() {
                let domains = partition.dual_stack.as_ref();
                domains.is_some_and(|domains| domains.registry == domain)
            } else {
                partition.domain == domain
            }
        })
    }
}

impl EcrHost {
    /// Parses the host name of a registry. The whole name must match, since a name that only
    /// contains an ECR name can belong to another party.
    pub(crate) fn parse(registry: &str) -> Option<Self> {
        match registry {
            "public.ecr.aws" => {
                return Some(Self::Public {
                    endpoint: EndpointKind::Standard,
                });
            }
            "ecr-public.aws.com" => {
                return Some(Self::Public {
                    endpoint: EndpointKind::DualStack,
                });
            }
            _ => {}
        }
        let (account, rest) = registry.split_once('.')?;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        SERVICES.iter().find_map(|(service, endpoint)| {
            let rest = rest.strip_prefix(service)?.strip_prefix('.')?;
            let (region, domain) = rest.split_once('.')?;
            is_region(region).then_some(())?;
            Some(Self::Private {
                region: region.to_owned(),
                partition: Partition::find(domain, *endpoint)?,
                endpoint: *endpoint,
            })
        })
    }

    /// Returns the region whose API gives tokens for this registry.
    pub(crate) fn region(&self) -> &str {
        match self {
            Self::Private { region, .. } => region,
            Self::Public { .. } => PUBLIC_REGION,
        }
    }

    /// Returns the address of the API that gives tokens for this registry, as the endpoint rules of
    /// the AWS SDKs have it. The endpoint is FIPS or dual-stack if the host name says so, or else
    /// if the caller's `configured` kind does.
    pub(crate) fn api_url(&self, configured: EndpointKind) -> String {
        let (service, partition, own) = match self {
            Self::Private {
                partition,
                endpoint,
                ..
            } => ("ecr", *partition, endpoint),
            Self::Public { endpoint } => ("ecr-public", &PARTITIONS[0], endpoint),
        };
        let region = self.region();
        let fips = if own.is_fips() || configured.is_fips() {
            "-fips"
        } else {
            ""
        };
        match &partition.dual_stack {
            Some(domains) if own.is_dual_stack() || configured.is_dual_stack() => {
                format!("https://{service}{fips}.{region}.{}/", domains.api)
            }
            _ => format!("https://api.{service}{fips}.{region}.{}/", partition.domain),
        }
    }
}

/// Returns whether a part of a host name has the form of an AWS region, such as `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let is_allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    text.contains('-') && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every shape of a private registry's host name without the account, and the host of its API.
    const ENDPOINTS: [(&str, &str); 14] = [
        (
            ".dkr.ecr.us-east-1.amazonaws.com",
            "api.ecr.us-east-1.amazonaws.com",
        ),
        (
            ".dkr.ecr.us-gov-west-1.amazonaws.com",
            "api.ecr.us-gov-west-1.amazonaws.com",
        ),
        (
            ".dkr.ecr-fips.us-east-2.amazonaws.com",
            "api.ecr-fips.us-east-2.amazonaws.com",
        ),
        (
            ".dkr.ecr-fips.us-gov-west-1.amazonaws.com",
            "api.ecr-fips.us-gov-west-1.amazonaws.com",
        ),
        (
            ".dkr.ecr.cn-north-1.amazonaws.com.cn",
            "api.ecr.cn-north-1.amazonaws.com.cn",
        ),
        (
            ".dkr.ecr.eusc-de-east-1.amazonaws.eu",
            "api.ecr.eusc-de-east-1.amazonaws.eu",
        ),
        (".dkr-ecr.eu-west-1.on.aws", "ecr.eu-west-1.api.aws"),
        (
            ".dkr-ecr-fips.us-east-2.on.aws",
            "ecr-fips.us-east-2.api.aws",
        ),
        (
            ".dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn",
            "ecr.cn-northwest-1.api.amazonwebservices.com.cn",
        ),
        (
            ".dkr-ecr.eusc-de-east-1.on.amazonwebservices.eu",
            "ecr.eusc-de-east-1.api.amazonwebservices.eu",
        ),
        (
            ".dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
            "api.ecr.us-isob-east-1.sc2s.sgov.gov",
        ),
        (
            ".dkr.ecr.us-iso-east-1.c2s.ic.gov",
            "api.ecr.us-iso-east-1.c2s.ic.gov",
        ),
        (
            ".dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk",
            "api.ecr.eu-isoe-west-1.cloud.adc-e.uk",
        ),
        (
            ".dkr.ecr.us-isof-east-1.csp.hci.ic.gov",
            "api.ecr.us-isof-east-1.csp.hci.ic.gov",
        ),
    ];

    #[test]
    fn parses_every_shape_of_host() {
        use EndpointKind as Kind;
        let private = |region: &str, partition: usize, endpoint| {
            let (region, partition) = (region.to_owned(), &PARTITIONS[partition]);
            Some(EcrHost::Private {
                region,
                partition,
                endpoint,
            })
        };
        let public = |endpoint| Some(EcrHost::Public { endpoint });
        for (host, expected) in [
            (
                "123456789012.dkr.ecr.us-east-1.amazonaws.com",
                private("us-east-1", 0, Kind::Standard),
            ),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                private("us-gov-west-1", 0, Kind::Fips),
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                private("cn-north-1", 1, Kind::Standard),
            ),
            (
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
                private("eusc-de-east-1", 2, Kind::Standard),
            ),
            (
                "123456789012.dkr-ecr.eu-west-1.on.aws",
                private("eu-west-1", 0, Kind::DualStack),
            ),
            (
                "123456789012.dkr-ecr-fips.us-east-2.on.aws",
                private("us-east-2", 0, Kind::FipsDualStack),
            ),
            (
                "123456789012.dkr-ecr.cn-northwest-1.on.amazonwebservices.com.cn",
                private("cn-northwest-1", 1, Kind::DualStack),
            ),
            (
                "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov",
                private("us-iso-east-1", 4, Kind::Standard),
            ),
            ("public.ecr.aws", public(Kind::Standard)),
            ("ecr-public.aws.com", public(Kind::DualStack)),
        ] {
            assert_eq!(EcrHost::parse(host), expected, "{host}");
        }
    }

    #[test]
    fn rejects_hosts_that_only_look_like_ecr() {
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
    fn derives_the_api_from_region_and_kind() {
        let url = |host: &str| {
            let host = EcrHost::parse(host).expect("a host of ECR");
            host.api_url(EndpointKind::Standard)
        };
        for (host, endpoint) in ENDPOINTS {
            let host = format!("123456789012{host}");
            assert_eq!(url(&host), format!("https://{endpoint}/"), "{host}");
        }
        assert_eq!(
            url("public.ecr.aws"),
            "https://api.ecr-public.us-east-1.amazonaws.com/"
        );
        assert_eq!(
            url("ecr-public.aws.com"),
            "https://ecr-public.us-east-1.api.aws/"
        );
    }

    #[test]
    fn lets_the_configuration_ask_for_fips_and_dual_stack() {
        let url = |host: &str, kind| {
            let host = EcrHost::parse(host).expect("a host of ECR");
            host.api_url(kind)
        };
        let host = "123456789012.dkr.ecr.us-east-2.amazonaws.com";
        for (kind, expected) in [
            (
                EndpointKind::Fips,
                "https://api.ecr-fips.us-east-2.amazonaws.com/",
            ),
            (EndpointKind::DualStack, "https://ecr.us-east-2.api.aws/"),
            (
                EndpointKind::FipsDualStack,
                "https://ecr-fips.us-east-2.api.aws/",
            ),
        ] {
            assert_eq!(url(host, kind), expected);
        }
    }
}
