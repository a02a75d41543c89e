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
    /// How the names of its regions begin. The partition whose regions have no common prefix is the
    /// first of the table.
    region_prefix: &'static str,
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
    Partition::with_ipv4("", "amazonaws.com").with_dual_stack("on.aws", "api.aws"),
    Partition::with_ipv4("cn-", "amazonaws.com.cn").with_dual_stack(
        "on.amazonwebservices.com.cn",
        "api.amazonwebservices.com.cn",
    ),
    Partition::with_ipv4("eusc-", "amazonaws.eu")
        .with_dual_stack("on.amazonwebservices.eu", "api.amazonwebservices.eu"),
    Partition::with_ipv4("us-isob-", "sc2s.sgov.gov"),
    Partition::with_ipv4("us-iso-", "c2s.ic.gov"),
    Partition::with_ipv4("eu-isoe-", "cloud.adc-e.uk"),
    Partition::with_ipv4("us-isof-", "csp.hci.ic.gov"),
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
    const fn with_ipv4(region_prefix: &'static str, domain: &'static str) -> Self {
        Self {
            region_prefix,
            domain,
            dual_stack: None,
        }
    }

    const fn with_dual_stack(self, registry: &'static str, api: &'static str) -> Self {
        Self {
            dual_stack: Some(DualStackDomains { registry, api }),
            ..self
        }
    }

    /// Returns the partition of a region.
    fn of_region(region: &str) -> &'static Self {
        let mut others = PARTITIONS[1..].iter();
        let found = others.find(|partition| region.starts_with(partition.region_prefix));
        found.unwrap_or(&PARTITIONS[0])
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
        is_account(account).then_some(())?;
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

/// Returns the host name of an account's private registry in a region, such as
/// `123456789012.dkr.ecr.eu-west-1.amazonaws.com`. Returns `None` if the account is not 12 digits,
/// or the region is not like `eu-west-1`.
pub fn ecr_private_host(account: &str, region: &str) -> Option<String> {
    (is_account(account) && is_region(region)).then(|| {
        let domain = Partition::of_region(region).domain;
        format!("{account}.dkr.ecr.{region}.{domain}")
    })
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether a part of a host name has the form of an AWS region, such as `us-gov-west-1`.
fn is_region(text: &str) -> bool {
    let is_allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(is_allowed);
    text.len() <= 32 && text.contains('-') && text.split('-').all(is_part)
}

#[cfg(test)]
mod tests;
