//! Resolves host names once for each connection, and judges the addresses before connecting.
//!
//! reqwest connects to exactly the addresses that a resolver returns. Nothing is sent to a host
//! whose lookup is slow, fails, or returns an address that the [`EgressPolicy`] forbids, and no
//! second lookup can replace an address that was judged.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use dns_lookup::{AddrInfoHints, LookupErrorKind, SockType};
use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::egress::EgressPolicy;

/// Looks up the addresses of a host name.
pub(crate) type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Vec<IpAddr>, ResolveError>> + Send + Sync>;

/// Why a host name led to no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    /// The name server failed or did not answer (`EAI_AGAIN`), so another try may succeed.
    #[error("temporary failure of the name server: {0}")]
    Temporary(io::Error),
    /// The name has no address, or the lookup failed for another reason.
    #[error("lookup failed: {0}")]
    Failed(io::Error),
    /// An address of the name is in a zone that the registry may not point to.
    #[error("the address of `{name}` is internal, but that of the registry is not")]
    Forbidden {
        /// The host name.
        name: String,
    },
}

/// The resolver of the HTTP clients of one registry.
pub(crate) struct CheckedResolver {
    lookup: Lookup,
    /// Judges the addresses. The clients of the AWS API have none.
    policy: Option<Arc<EgressPolicy>>,
    /// The host names of the user's proxies, which may have any address.
    proxies: Arc<[String]>,
}

impl CheckedResolver {
    /// Returns a resolver that refuses names with an address that `policy` forbids.
    pub(super) fn new(
        lookup: Lookup,
        policy: Option<Arc<EgressPolicy>>,
        proxies: Arc<[String]>,
    ) -> Self {
        Self {
            lookup,
            policy,
            proxies,
        }
    }
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let is_proxy = self.proxies.contains(&name);
        let policy = self.policy.clone().filter(|_| !is_proxy);
        let addresses = (self.lookup)(name.clone());
        Box::pin(async move {
            let addresses = addresses.await?;
            if let Some(policy) = policy
                && !policy.allows_host(&name, &addresses)
            {
                return Err(ResolveError::Forbidden { name }.into());
            }
            // reqwest replaces the port 0 with that of the URL.
            let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}

/// Returns the lookup of the operating system (`getaddrinfo`).
pub(crate) fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            tokio::task::spawn_blocking(move || get_addresses(&name))
                .await
                .map_err(|error| ResolveError::Failed(error.into()))?
        })
    })
}

/// Calls `getaddrinfo`. Unlike the standard library, this tells a temporary failure by its code.
fn get_addresses(name: &str) -> Result<Vec<IpAddr>, ResolveError> {
    let hints = AddrInfoHints {
        socktype: SockType::Stream.into(),
        ..AddrInfoHints::default()
    };
    let found = dns_lookup::getaddrinfo(Some(name), None, Some(hints)).map_err(|error| {
        let is_temporary = matches!(error.kind(), LookupErrorKind::Again);
        let error = io::Error::from(error);
        if is_temporary {
            ResolveError::Temporary(error)
        } else {
            ResolveError::Failed(error)
        }
    })?;
    let addresses = found.map(|entry| entry.map(|entry| entry.sockaddr.ip()));
    addresses
        .collect::<io::Result<_>>()
        .map_err(ResolveError::Failed)
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use reqwest::Method;
    use reqwest::header::AUTHORIZATION;

    use super::*;
    use crate::error::{Fault, Operation, RegistryError, Violation};
    use crate::http::clients::ClientSettings;
    use crate::http::request::Request;
    use crate::http::transport::HttpTransport;
    use crate::options::{ClientOptions, RetryPolicy, Timeouts};

    const LOOPBACK: &str = "127.0.0.1";
    /// A public address without a route (RFC 3849).
    const UNREACHABLE: &str = "2001:db8::1";

    /// The answer of a scripted lookup.
    #[derive(Clone, Copy)]
    enum Answer {
        Addresses(&'static [&'static str]),
        /// Like `Addresses`, after 100 ms.
        Late(&'static [&'static str]),
        NoName,
        Never,
    }

    async fn give_answer(answer: Answer) -> Result<Vec<IpAddr>, ResolveError> {
        let texts = match answer {
            Answer::Addresses(texts) => texts,
            Answer::Late(texts) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                texts
            }
            Answer::NoName => return Err(ResolveError::Failed(io::ErrorKind::NotFound.into())),
            Answer::Never => pending().await,
        };
        let addresses = texts.iter().map(|text| text.parse().expect("an address"));
        Ok(addresses.collect())
    }

    /// Returns a lookup that gives one answer after the other, and the last one for ever.
    fn scripted(answers: &'static [Answer], count: &Arc<AtomicUsize>) -> Lookup {
        let count = Arc::clone(count);
        Arc::new(move |_name| {
            let number = count.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            Box::pin(give_answer(answers[number]))
        })
    }

    /// Sends a password to a token server that a public registry names. Its name is resolved by the
    /// script. Returns the error and the number of lookups, after it has made sure that there was
    /// no connection to this machine.
    async fn send_password(answers: &'static [Answer]) -> (RegistryError, usize) {
        let trap = TcpListener::bind((LOOPBACK, 0)).expect("a port");
        trap.set_nonblocking(true).expect("a socket");
        let port = trap.local_addr().expect("an address").port();
        let options = ClientOptions {
            timeouts: Timeouts {
                connect: Duration::from_millis(400),
                ..Timeouts::default()
            },
            retries: RetryPolicy {
                tries: 2,
                ..RetryPolicy::from_first_wait(Duration::from_millis(1))
            },
            ..ClientOptions::default()
        };
        let count = Arc::default();
        let settings = ClientSettings::new(&options, Vec::new(), &[], scripted(answers, &count));
        let registry = "https://registry.example/".parse().expect("a URL");
        let clients = settings
            .expect("settings")
            .build_for(EgressPolicy::new(registry));
        let url = format!("https://tokens.example:{port}/token");
        let request = Request::new(Method::GET, url.parse().expect("a URL"))
            .header(AUTHORIZATION, "Basic cGFzc3dvcmQ=");
        let operation = Operation {
            action: "fetch manifest",
            object: "v1".to_owned(),
            is_implied: true,
            registry: "registry.example".to_owned(),
            repository: "app".to_owned(),
        };
        let transport = HttpTransport::new(options.timeouts, options.retries);
        let sent = transport
            .send_with_retries(&clients.expect("clients"), &operation, &request, None)
            .await;
        assert!(trap.accept().is_err(), "this machine was connected to");
        (sent.expect_err("an error"), count.load(Ordering::Relaxed))
    }

    fn is_forbidden(error: &RegistryError) -> bool {
        let RegistryError::Protocol { violation, .. } = error else {
            return false;
        };
        matches!(violation, Violation::Target { .. })
    }

    #[tokio::test]
    async fn a_name_with_an_internal_address_gets_no_password() {
        let scripts: [&'static [Answer]; 3] = [
            &[Answer::Addresses(&[LOOPBACK])],
            &[Answer::Addresses(&[UNREACHABLE, LOOPBACK])],
            &[Answer::Addresses(&["::ffff:10.0.0.1"])],
        ];
        for script in scripts {
            let (error, lookups) = send_password(script).await;
            assert!(is_forbidden(&error), "{error}");
            assert_eq!(lookups, 1);
        }
    }

    #[tokio::test]
    async fn a_name_whose_lookup_is_slow_gets_no_password() {
        let (error, lookups) = send_password(&[Answer::Late(&[LOOPBACK])]).await;
        assert!(is_forbidden(&error), "{error}");
        assert_eq!(lookups, 1);
        let (error, _) = send_password(&[Answer::Never]).await;
        assert!(
            matches!(error, RegistryError::Unavailable { .. }),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_name_whose_lookup_fails_gets_no_password() {
        let (error, lookups) = send_password(&[Answer::NoName]).await;
        let RegistryError::Unavailable { fault, .. } = error else {
            panic!("{error}");
        };
        assert!(matches!(fault, Fault::Name { .. }), "{fault}");
        assert_eq!(lookups, 2);
        let (error, _) = send_password(&[Answer::NoName, Answer::Addresses(&[LOOPBACK])]).await;
        assert!(is_forbidden(&error), "{error}");
    }

    #[tokio::test]
    async fn a_name_that_changes_between_two_lookups_gets_no_password() {
        let changes = &[
            Answer::Addresses(&[UNREACHABLE]),
            Answer::Addresses(&[LOOPBACK]),
        ];
        let (error, lookups) = send_password(changes).await;
        assert!(is_forbidden(&error), "{error}");
        assert_eq!(lookups, 2);
    }

    #[tokio::test]
    async fn a_proxy_and_the_registry_itself_may_have_any_address() {
        let count = Arc::default();
        let policy = EgressPolicy::new("https://registry.example/".parse().expect("a URL"));
        let resolver = CheckedResolver::new(
            scripted(&[Answer::Addresses(&[LOOPBACK])], &count),
            Some(Arc::new(policy)),
            Arc::from(["proxy.example".to_owned()]),
        );
        for (name, is_allowed) in [
            ("registry.example", true),
            ("proxy.example", true),
            ("tokens.example", false),
        ] {
            let found = resolver.resolve(name.parse().expect("a name")).await;
            assert_eq!(found.is_ok(), is_allowed, "{name}");
        }
    }
}
