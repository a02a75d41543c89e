//! Which certificates of servers are trusted: those that a trusted authority has signed, and those
//! that the system or the user trusts themselves.
//!
//! The manuals of registries make a certificate with `openssl req -x509`, which marks it as that of
//! an authority. Go accepts it as a server's own, `rustls` does not.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::Verifier;

/// Returns the TLS settings of a client that trusts the system's certificates and `named`, those
/// that the user names.
///
/// # Errors
///
/// Returns an error if a named certificate is malformed, or if there is no certificate at all.
pub(super) fn client_config(named: &[CertificateDer<'static>]) -> Result<ClientConfig, Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = TrustVerifier::new(named, &provider)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Returns the certificates of a PEM file. Returns an error if one of them is malformed.
pub(super) fn parse_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = CertificateDer::pem_slice_iter(pem).map(|certificate| {
        let certificate = certificate.map_err(|error| error.to_string())?;
        webpki::anchor_from_trusted_cert(&certificate).map_err(|error| error.to_string())?;
        Ok(certificate)
    });
    certificates.collect()
}

/// Verifies the certificates of servers as the platform does, and accepts a server whose own
/// certificate is a trusted one.
#[derive(Debug)]
struct TrustVerifier {
    platform: Verifier,
    /// The certificates that the user names.
    named: Vec<CertificateDer<'static>>,
}

impl TrustVerifier {
    fn new(
        named: &[CertificateDer<'static>],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let provider = Arc::clone(provider);
        Ok(Self {
            platform: if named.is_empty() {
                Verifier::new(provider)?
            } else {
                Verifier::new_with_extra_roots(named.to_vec(), provider)?
            },
            named: named.to_vec(),
        })
    }

    /// Returns whether a certificate is equal to a trusted one, byte for byte. Those of the system
    /// are read only when this is called: hardly any server has one as its own.
    fn is_trusted_itself(&self, certificate: &CertificateDer<'_>) -> bool {
        self.named.contains(certificate)
            || rustls_native_certs::load_native_certs()
                .certs
                .contains(certificate)
    }
}

/// Returns whether a certificate is valid at this time.
fn is_valid_at(certificate: &CertificateDer<'_>, now: UnixTime) -> bool {
    let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) else {
        return false;
    };
    // `webpki` has no check of the time alone. It checks the time first, and then the kind of the
    // certificate and its authority. These checks fail here, because no authority is given.
    let usage = webpki::KeyUsage::server_auth();
    let verified = parsed.verify_for_usage(&[], &[], &[], now, usage, None, None);
    matches!(
        verified.err(),
        Some(webpki::Error::CaUsedAsEndEntity | webpki::Error::UnknownIssuer)
    )
}

impl ServerCertVerifier for TrustVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.platform.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        let Err(error) = verified else {
            return verified;
        };
        if !self.is_trusted_itself(end_entity) || !is_valid_at(end_entity, now) {
            return Err(error);
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.platform
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.platform.supported_verify_schemes()
    }
}
