//! The host names of ECR's registries.

/// Returns the host name of an account's private registry in a region, or `None` if the account is
/// not 12 digits, or the region is not like `eu-west-1`.
///
/// The domain depends on the partition that the region belongs to (AWS General Reference, "Amazon
/// ECR endpoints"; the host patterns of amazon-ecr-credential-helper).
pub fn registry_host(account: &str, region: &str) -> Option<String> {
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (is_account && is_region(region))
        .then(|| format!("{account}.dkr.ecr.{region}.{}", domain(region)))
}

fn is_region(region: &str) -> bool {
    let mut parts = region.split('-');
    let is_part = |part: &str| {
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !part.is_empty() && part.bytes().all(alphanumeric)
    };
    region.len() <= 32 && region.contains('-') && parts.all(is_part)
}

/// The start of a region's name, and the domain of the partition.
const DOMAINS: [(&str, &str); 6] = [
    ("cn-", "amazonaws.com.cn"),
    ("eusc-", "amazonaws.eu"),
    ("us-iso-", "c2s.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov"),
    ("eu-isoe-", "cloud.adc-e.uk"),
    ("us-isof-", "csp.hci.ic.gov"),
];

fn domain(region: &str) -> &'static str {
    let special = DOMAINS
        .iter()
        .find(|(prefix, _)| region.starts_with(prefix));
    special.map_or("amazonaws.com", |(_, domain)| domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_domain_of_each_partition() {
        for (region, expected) in [
            ("us-east-1", "123456789012.dkr.ecr.us-east-1.amazonaws.com"),
            (
                "us-gov-west-1",
                "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            ),
            (
                "cn-northwest-1",
                "123456789012.dkr.ecr.cn-northwest-1.amazonaws.com.cn",
            ),
            (
                "eusc-de-east-1",
                "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu",
            ),
            (
                "us-iso-east-1",
                "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov",
            ),
            (
                "us-isob-east-1",
                "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov",
            ),
            (
                "eu-isoe-west-1",
                "123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk",
            ),
            (
                "us-isof-south-1",
                "123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov",
            ),
        ] {
            let host = registry_host("123456789012", region);
            assert_eq!(host.as_deref(), Some(expected));
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
            ("123456789012", "US-EAST-1"),
            ("123456789012", "us-east-1\n"),
            ("123456789012", &long),
        ] {
            assert_eq!(registry_host(account, region), None, "{account} {region}");
        }
    }
}
