//! The HTTP client below the AWS SDK: the SDK's own knows neither proxies nor certificates of the user's.
//!
//! What is on this machine or on the link, such as the service that gives a virtual machine its credentials, is asked
//! directly: a proxy stands elsewhere, and would answer for itself.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::http::egress;

/// Asks what is near directly, and all else by the proxy that the environment names.
#[derive(Debug)]
struct Routes<T> {
    direct: T,
    proxied: T,
}

/// Returns a client that trusts the certificates in `pem` besides the system's.
pub(crate) fn client(pem: &[Vec<u8>]) -> SharedHttpClient {
    SharedHttpClient::new(Routes {
        direct: one(pem, ProxyConfig::disabled()),
        proxied: one(pem, ProxyConfig::from_env()),
    })
}

fn one(pem: &[Vec<u8>], proxy: ProxyConfig) -> SharedHttpClient {
    let native = TrustStore::empty().with_native_roots(true);
    let trusted = pem.iter().fold(native, |store, pem| {
        store.with_pem_certificate(pem.as_slice())
    });
    // Fails for server names only, of which there are none here.
    let context = TlsContext::builder()
        .with_trust_store(trusted)
        .build()
        .unwrap_or_default();
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context.clone())
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}

impl HttpClient for Routes<SharedHttpClient> {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Routes {
            direct: self.direct.http_connector(settings, components),
            proxied: self.proxied.http_connector(settings, components),
        })
    }
}

impl HttpConnector for Routes<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let url = request.uri().parse();
        if url.is_ok_and(|url| egress::is_loopback_or_link_local(&url)) {
            self.direct.call(request)
        } else {
            self.proxied.call(request)
        }
    }
}
