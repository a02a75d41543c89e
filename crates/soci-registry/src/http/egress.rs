//! Which hosts a registry may send this client to.
//!
//! The registry chooses the URLs of redirects, token servers, upload sessions and further pages of
//! a list. None of them may replace HTTPS by HTTP, contain credentials, or lead to a
//! [`NetworkZone`] that is more internal than the registry's own. A host name is checked by its
//! addresses before a connection is made (see [`super::resolver`]) and once more by the address of
//! the connection.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};

use url::{Host, Url};

use crate::error::Violation;

/// A zone of the network. A later variant is more internal.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
enum NetworkZone {
    Public,
    Private,
    Loopback,
    /// Link-local, unspecified, multicast and reserved addresses, and the metadata service of EC2.
    /// Cloud machines get their credentials from there.
    Forbidden,
}

/// The hosts that one registry may point to.
#[derive(Debug)]
pub(crate) struct EgressPolicy {
    origin: Url,
    /// The most internal [`NetworkZone`] in which a connection has reached the registry.
    zone: AtomicU8,
}

impl EgressPolicy {
    /// Returns the policy for the registry at `origin`.
    pub(crate) fn new(origin: Url) -> Self {
        let zone = zone_of_host(&origin).unwrap_or(NetworkZone::Public);
        Self {
            origin,
            zone: AtomicU8::new(zone as u8),
        }
    }

    /// Returns the registry's own origin.
    pub(crate) const fn origin(&self) -> &Url {
        &self.origin
    }

    /// Returns whether `url` has the scheme, host and port of the registry.
    pub(crate) fn is_registry_origin(&self, url: &Url) -> bool {
        is_same_origin(&self.origin, url)
    }

    /// Checks a URL that came from the registry: its scheme, its user name, and its host if that is
    /// an address. `what` names the kind of URL in the error, such as `redirect`.
    pub(crate) fn check_url(&self, what: &'static str, url: &Url) -> Result<(), Violation> {
        let refuse = |reason| Err(forbidden_target(what, url, reason));
        match url.scheme() {
            "https" => {}
            "http" if self.origin.scheme() == "http" => {}
            "http" => return refuse("it is plain HTTP"),
            _ => return refuse("it is not HTTP"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("its URL contains credentials");
        }
        match zone_of_host(url) {
            Some(zone) if !self.allows_zone(zone) && !self.is_registry_origin(url) => {
                refuse(INTERNAL)
            }
            _ => Ok(()),
        }
    }

    /// Returns whether connections to the host `name` may be made to all of its `addresses`. The
    /// registry's own host may have any address.
    pub(super) fn allows_host(&self, name: &str, addresses: &[IpAddr]) -> bool {
        let is_registry = self.origin.host_str() == Some(name);
        is_registry
            || addresses
                .iter()
                .all(|address| self.allows_zone(zone_of(*address)))
    }

    /// Looks up the host of `url` and checks its addresses, if the resolver of the connection
    /// cannot do so: a proxy resolves names by itself, and that resolver sees no port, so it takes
    /// another port of the registry's host for the registry. A name that has no address here
    /// passes, because a proxy may know it.
    pub(super) async fn check_by_lookup(&self, url: &Url) -> Result<(), Violation> {
        let Some(Host::Domain(name)) = url.host().filter(|_| !self.is_registry_origin(url)) else {
            return Ok(());
        };
        let port = url.port_or_known_default().unwrap_or_default();
        let Ok(addresses) = tokio::net::lookup_host((name, port)).await else {
            return Ok(());
        };
        let addresses: Vec<IpAddr> = addresses.map(|address| address.ip()).collect();
        if self.allows_host(name, &addresses) {
            return Ok(());
        }
        Err(internal_address(url))
    }

    /// Checks the address of the server that sent a response. If the server is the registry itself,
    /// its address is not checked, and its zone is allowed from now on.
    pub(super) fn observe_peer(&self, url: &Url, address: Option<IpAddr>) -> Result<(), Violation> {
        let Some(zone) = address.map(zone_of) else {
            return Ok(());
        };
        if self.is_registry_origin(url) {
            self.zone.fetch_max(zone as u8, Ordering::Relaxed);
            return Ok(());
        }
        if self.allows_zone(zone) {
            return Ok(());
        }
        Err(internal_address(url))
    }

    fn allows_zone(&self, zone: NetworkZone) -> bool {
        zone as u8 <= self.zone.load(Ordering::Relaxed)
    }
}

const INTERNAL: &str = "the address is internal, but that of the registry is not";

/// Returns the violation for a URL whose host has an address in a zone that is not allowed.
pub(super) fn internal_address(url: &Url) -> Violation {
    forbidden_target("request", url, INTERNAL)
}

fn forbidden_target(what: &'static str, url: &Url, reason: &'static str) -> Violation {
    Violation::Target {
        what,
        target: redact(url),
        reason,
    }
}

/// Returns whether two URLs have the same scheme, host and port.
pub(crate) fn is_same_origin(one: &Url, two: &Url) -> bool {
    one.origin() == two.origin()
}

/// Returns a URL without user name, password, query and fragment, cut to 300 characters. The query
/// of a presigned URL is a secret.
pub(crate) fn redact(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Fails only for URLs that cannot have either.
    if url.set_username("").is_ok() && url.set_password(None).is_ok() {
        return url.as_str().chars().take(300).collect();
    }
    format!("{}:…", url.scheme())
}

/// Returns the host of a URL, with its port if that is not the scheme's default. For messages.
pub(crate) fn display_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Returns whether the host is `localhost` or a loopback address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    zone_of_host(url) == Some(NetworkZone::Loopback)
}

/// Returns whether the host is loopback, link-local or the metadata service of EC2. A proxy would
/// reach another machine at such an address.
pub(crate) fn is_loopback_or_link_local(url: &Url) -> bool {
    matches!(
        zone_of_host(url),
        Some(NetworkZone::Loopback | NetworkZone::Forbidden)
    )
}

/// Returns the zone of a URL's host if it is an address or `localhost`.
fn zone_of_host(url: &Url) -> Option<NetworkZone> {
    match url.host()? {
        Host::Ipv4(address) => Some(zone_of(address.into())),
        Host::Ipv6(address) => Some(zone_of(address.into())),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            (name == "localhost" || name.ends_with(".localhost")).then_some(NetworkZone::Loopback)
        }
    }
}

/// Returns the zone of an address, by the IANA registries of special-purpose addresses (RFC 6890).
fn zone_of(address: IpAddr) -> NetworkZone {
    match address.to_canonical() {
        IpAddr::V4(address) => match address.octets() {
            [127, ..] => NetworkZone::Loopback,
            [0 | 224..=255, ..] | [169, 254, ..] => NetworkZone::Forbidden,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => {
                NetworkZone::Private
            }
            _ => NetworkZone::Public,
        },
        IpAddr::V6(address) => match address.segments()[0] {
            _ if address.is_loopback() => NetworkZone::Loopback,
            _ if address.is_unspecified() => NetworkZone::Forbidden,
            // fe80::/10, ff00::/8, and fd00:ec2::/32, where EC2 and EKS serve credentials.
            0xfe80..=0xfebf | 0xff00..=0xffff => NetworkZone::Forbidden,
            0xfd00 if address.segments()[1] == 0x0ec2 => NetworkZone::Forbidden,
            0xfc00..=0xfdff => NetworkZone::Private,
            _ => NetworkZone::Public,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(origin: &str) -> EgressPolicy {
        EgressPolicy::new(origin.parse().expect("a URL"))
    }

    fn allows(policy: &EgressPolicy, url: &str) -> bool {
        policy
            .check_url("redirect", &url.parse().expect("a URL"))
            .is_ok()
    }

    #[test]
    fn a_public_registry_may_not_point_to_internal_addresses() {
        let policy = policy("https://r.example");
        assert!(allows(&policy, "https://bucket.s3.amazonaws.com/x?y"));
        for url in [
            "http://bucket.example/x",
            "file:///etc/passwd",
            "https://user@bucket.example/",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://10.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[::ffff:169.254.169.254]/latest",
            "https://[fd00:ec2::254]/",
            "https://0.0.0.0/",
            "https://[::]/",
            "https://2852039166/",
        ] {
            assert!(!allows(&policy, url), "{url}");
        }
    }

    #[test]
    fn a_registry_may_point_to_its_own_zone() {
        let local = policy("http://localhost:5000");
        assert!(allows(&local, "http://127.0.0.1:9000/bucket"));
        assert!(!allows(&local, "http://169.254.169.254/"));
        let company = policy("https://registry.corp.example");
        assert!(!allows(&company, "https://10.0.0.7/bucket"));
        company
            .observe_peer(company.origin(), Some([10, 0, 0, 5].into()))
            .expect("its own address");
        assert!(allows(&company, "https://10.0.0.7/bucket"));
        assert!(!allows(&company, "https://127.0.0.1/"));
    }

    #[test]
    fn a_peer_in_a_deeper_zone_is_refused() {
        let policy = policy("https://r.example");
        let url = "https://rebind.example/".parse().expect("a URL");
        assert!(policy.observe_peer(&url, Some([8, 8, 8, 8].into())).is_ok());
        assert!(
            policy
                .observe_peer(&url, Some([169, 254, 169, 254].into()))
                .is_err()
        );
    }

    #[test]
    fn redact_removes_secrets() {
        let url = "https://u:p@h.example/x?X-Amz-Signature=s#f"
            .parse()
            .expect("a URL");
        assert_eq!(redact(&url), "https://h.example/x");
    }
}
