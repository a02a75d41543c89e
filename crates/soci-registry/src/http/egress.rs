//! Where a registry may send us.
//!
//! Redirects, token servers, upload locations and pages of a list come from the registry. None of them may leave TLS, carry
//! credentials in its URL, or point deeper into our network than the registry itself stands. Names are judged again once
//! they are resolved, by the address that the connection has.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};

use url::{Host, Url};

use crate::error::Violation;

/// How far away a host is. Ordered from the world to this machine.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
enum Reach {
    Public,
    Private,
    Loopback,
    /// Link-local, unspecified and multicast: where cloud machines keep their own credentials.
    Forbidden,
}

/// What a registry's own place allows it to point at.
#[derive(Debug)]
pub(crate) struct Guard {
    origin: Url,
    /// The closest [`Reach`] at which the registry was met.
    reach: AtomicU8,
}

impl Guard {
    pub(crate) fn new(origin: Url) -> Self {
        let reach = literal(&origin).unwrap_or(Reach::Public);
        Self {
            origin,
            reach: AtomicU8::new(reach as u8),
        }
    }

    /// Returns the registry's own origin.
    pub(crate) const fn origin(&self) -> &Url {
        &self.origin
    }

    /// Says whether `url` is the registry itself.
    pub(crate) fn is_home(&self, url: &Url) -> bool {
        same_origin(&self.origin, url)
    }

    /// Checks a place to which the registry points.
    pub(crate) fn check(&self, what: &'static str, url: &Url) -> Result<(), Violation> {
        let refuse = |reason| Err(refusal(what, url, reason));
        match url.scheme() {
            "https" => {}
            "http" if self.origin.scheme() == "http" => {}
            "http" => return refuse("it is plain HTTP"),
            _ => return refuse("it is not HTTP"),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("it carries credentials");
        }
        match literal(url) {
            Some(reach) if !self.allows(reach) && !self.is_home(url) => refuse(TOO_DEEP),
            _ => Ok(()),
        }
    }

    /// Checks the addresses that a place's name has, before anything is sent there. One that has none here, as behind a
    /// proxy, is judged by the connection.
    pub(crate) async fn check_name(&self, what: &'static str, url: &Url) -> Result<(), Violation> {
        let Some(Host::Domain(name)) = url.host().filter(|_| !self.is_home(url)) else {
            return Ok(());
        };
        let port = url.port_or_known_default().unwrap_or_default();
        let Ok(mut addresses) = tokio::net::lookup_host((name, port)).await else {
            return Ok(());
        };
        if addresses.all(|address| self.allows(reach(address.ip()))) {
            return Ok(());
        }
        Err(refusal(what, url, TOO_DEEP))
    }

    /// Checks the address behind a place to which the registry points, or learns the registry's own.
    pub(crate) fn met(&self, url: &Url, address: Option<IpAddr>) -> Result<(), Violation> {
        let Some(reach) = address.map(reach) else {
            return Ok(());
        };
        if self.is_home(url) {
            self.reach.fetch_max(reach as u8, Ordering::Relaxed);
            return Ok(());
        }
        if self.allows(reach) {
            return Ok(());
        }
        Err(refusal("redirect", url, TOO_DEEP))
    }

    fn allows(&self, reach: Reach) -> bool {
        reach as u8 <= self.reach.load(Ordering::Relaxed)
    }
}

const TOO_DEEP: &str = "the address is internal, the registry is not";

fn refusal(what: &'static str, url: &Url, reason: &'static str) -> Violation {
    Violation::Target {
        what,
        target: shown(url),
        reason,
    }
}

/// Says whether two URLs have scheme, host and port in common.
pub(crate) fn same_origin(one: &Url, two: &Url) -> bool {
    one.origin() == two.origin()
}

/// Returns a URL without what may be secret in it.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    // Fails only for URLs that cannot have either.
    if url.set_username("").is_ok() && url.set_password(None).is_ok() {
        return url.as_str().chars().take(300).collect();
    }
    format!("{}:…", url.scheme())
}

/// Returns the host of a URL with its port, for messages.
pub(crate) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Says whether a host's name or address is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    literal(url) == Some(Reach::Loopback)
}

/// Says whether a host is this machine, or one on the link such as the metadata service of a virtual machine.
pub(crate) fn is_near(url: &Url) -> bool {
    // The addresses at which EC2 and EKS serve credentials over IPv6 are private ones.
    let is_amazon = matches!(url.host(), Some(Host::Ipv6(address)) if address.segments()[..2] == [0xfd00, 0xec2]);
    is_amazon || matches!(literal(url), Some(Reach::Loopback | Reach::Forbidden))
}

/// Returns how far a URL's host is, as far as its text says.
fn literal(url: &Url) -> Option<Reach> {
    match url.host()? {
        Host::Ipv4(address) => Some(reach(address.into())),
        Host::Ipv6(address) => Some(reach(address.into())),
        Host::Domain(name) => {
            let name = name.trim_end_matches('.');
            (name == "localhost" || name.ends_with(".localhost")).then_some(Reach::Loopback)
        }
    }
}

fn reach(address: IpAddr) -> Reach {
    match address.to_canonical() {
        IpAddr::V4(address) => match address.octets() {
            [127, ..] => Reach::Loopback,
            [0 | 224..=255, ..] | [169, 254, ..] => Reach::Forbidden,
            [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Reach::Private,
            _ => Reach::Public,
        },
        IpAddr::V6(address) => match address.segments()[0] {
            _ if address.is_loopback() => Reach::Loopback,
            _ if address.is_unspecified() => Reach::Forbidden,
            // fe80::/10, ff00::/8, and fd00:ec2::/32, where EC2 keeps its metadata.
            0xfe80..=0xfebf | 0xff00..=0xffff => Reach::Forbidden,
            0xfd00 if address.segments()[1] == 0x0ec2 => Reach::Forbidden,
            0xfc00..=0xfdff => Reach::Private,
            _ => Reach::Public,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(origin: &str) -> Guard {
        Guard::new(origin.parse().expect("a URL"))
    }

    fn allowed(guard: &Guard, url: &str) -> bool {
        guard
            .check("redirect", &url.parse().expect("a URL"))
            .is_ok()
    }

    #[test]
    fn keeps_public_registries_out_of_our_network() {
        let guard = guard("https://r.example");
        assert!(allowed(&guard, "https://bucket.s3.amazonaws.com/x?y"));
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
            assert!(!allowed(&guard, url), "{url}");
        }
    }

    #[test]
    fn judges_by_where_the_registry_stands() {
        let local = guard("http://localhost:5000");
        assert!(allowed(&local, "http://127.0.0.1:9000/bucket"));
        assert!(!allowed(&local, "http://169.254.169.254/"));
        let company = guard("https://registry.corp.example");
        assert!(!allowed(&company, "https://10.0.0.7/bucket"));
        company
            .met(company.origin(), Some([10, 0, 0, 5].into()))
            .expect("its own address");
        assert!(allowed(&company, "https://10.0.0.7/bucket"));
        assert!(!allowed(&company, "https://127.0.0.1/"));
    }

    #[test]
    fn judges_names_by_their_address() {
        let guard = guard("https://r.example");
        let url = "https://rebind.example/".parse().expect("a URL");
        assert!(guard.met(&url, Some([8, 8, 8, 8].into())).is_ok());
        assert!(guard.met(&url, Some([169, 254, 169, 254].into())).is_err());
    }

    #[test]
    fn shows_no_secrets() {
        let url = "https://u:p@h.example/x?X-Amz-Signature=s#f"
            .parse()
            .expect("a URL");
        assert_eq!(shown(&url), "https://h.example/x");
    }
}
