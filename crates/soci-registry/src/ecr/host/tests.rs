//! Tests of the host names.

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

/// The host of each partition's registries is made from a region, and read back.
#[test]
fn finds_the_partition_of_a_region() {
    for (rest, _) in ENDPOINTS {
        if let Some((region, _)) = rest
            .strip_prefix(".dkr.ecr.")
            .and_then(|rest| rest.split_once('.'))
        {
            let host = format!("123456789012{rest}");
            assert_eq!(ecr_private_host("123456789012", region), Some(host));
        }
    }
}

#[test]
fn refuses_what_is_no_account_or_region() {
    let long = "a-".repeat(30);
    for (account, region) in [
        ("12345678901", "us-east-1"),
        ("1234567890123", "us-east-1"),
        ("12345678901a", "us-east-1"),
        ("", "us-east-1"),
        ("123456789012", ""),
        ("123456789012", "evil.example/x"),
        ("123456789012", "us-east-1.evil"),
        ("123456789012", "us--1"),
        ("123456789012", "us"),
        ("123456789012", "US-EAST-1"),
        ("123456789012", "us-east-1\n"),
        ("123456789012", &long),
    ] {
        assert_eq!(
            ecr_private_host(account, region),
            None,
            "{account} {region}"
        );
    }
}
