//! Certificates for servers on this machine: valid ones, and ones that no client may accept.

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Why a server's certificate must not be accepted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Flaw {
    /// It is valid, and signed by the authority that the test trusts.
    #[default]
    None,
    /// It has expired.
    Expired,
    /// It is for another host.
    WrongHost,
    /// It is self-signed.
    SelfSigned,
    /// It is valid from twelve hours before now to twelve hours after now, by the clock of the
    /// test.
    ShortLived,
}

/// A server's certificate with its key, and the certificate of its authority.
pub(crate) struct Certificate {
    pub(crate) authority_pem: String,
    pub(crate) pem: String,
    pub(crate) key_pem: String,
    pub(crate) der: Vec<u8>,
    pub(crate) key_der: Vec<u8>,
}

/// Issues a certificate for host names and addresses.
pub(crate) fn issue(names: &[String], flaw: Flaw) -> Certificate {
    let mut authority = CertificateParams::new([]).expect("no names");
    // A certificate whose issuer has the same name as its subject would count as self-signed.
    authority
        .distinguished_name
        .push(DnType::CommonName, "test authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().expect("a key");
    let root = authority
        .self_signed(&authority_key)
        .expect("a certificate");
    let key = KeyPair::generate().expect("a key");
    let mut server = match flaw {
        Flaw::WrongHost => CertificateParams::new(["elsewhere.example".to_owned()]),
        _ => CertificateParams::new(names),
    }
    .expect("host names");
    if flaw == Flaw::Expired {
        server.not_after = date_time_ymd(2001, 1, 1);
    }
    if flaw == Flaw::ShortLived {
        let half_a_day = Duration::from_hours(12);
        #[expect(
            clippy::disallowed_methods,
            reason = "the validity depends on the current time"
        )]
        let now = SystemTime::now();
        server.not_before = (now - half_a_day).into();
        server.not_after = (now + half_a_day).into();
    }
    let server = match flaw {
        Flaw::SelfSigned => server.self_signed(&key),
        _ => server.signed_by(&key, &Issuer::new(authority, authority_key)),
    }
    .expect("a certificate");
    Certificate {
        authority_pem: root.pem(),
        pem: server.pem(),
        key_pem: key.serialize_pem(),
        der: server.der().to_vec(),
        key_der: key.serialize_der(),
    }
}
