//! Certificates for servers on this machine, good ones and such as no client may accept.

use std::time::{Duration, SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// What is wrong with a server's certificate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Flaw {
    /// Nothing: it is signed by the authority whose certificate the test holds.
    #[default]
    None,
    /// It was valid once.
    Expired,
    /// It is for another host.
    OtherHost,
    /// It is signed by itself.
    SelfSigned,
    /// It is good for no more than half a day before and after now, by the clock of the test.
    ShortLived,
}

/// A server's certificate with its key, and the certificate of an authority.
pub(crate) struct Issued {
    pub(crate) authority_pem: String,
    pub(crate) pem: String,
    pub(crate) key_pem: String,
    pub(crate) der: Vec<u8>,
    pub(crate) key_der: Vec<u8>,
}

/// Issues a certificate for host names and addresses.
pub(crate) fn issue(names: &[String], flaw: Flaw) -> Issued {
    let mut authority = CertificateParams::new([]).expect("no names");
    // A name of its own: a certificate whose issuer has the subject's name passes for self-signed.
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
        Flaw::OtherHost => CertificateParams::new(["elsewhere.example".to_owned()]),
        _ => CertificateParams::new(names),
    }
    .expect("host names");
    if flaw == Flaw::Expired {
        server.not_after = date_time_ymd(2001, 1, 1);
    }
    if flaw == Flaw::ShortLived {
        let half_a_day = Duration::from_hours(12);
        #[expect(clippy::disallowed_methods, reason = "what it is good for is today")]
        let now = SystemTime::now();
        server.not_before = (now - half_a_day).into();
        server.not_after = (now + half_a_day).into();
    }
    let server = match flaw {
        Flaw::SelfSigned => server.self_signed(&key),
        _ => server.signed_by(&key, &Issuer::new(authority, authority_key)),
    }
    .expect("a certificate");
    Issued {
        authority_pem: root.pem(),
        pem: server.pem(),
        key_pem: key.serialize_pem(),
        der: server.der().to_vec(),
        key_der: key.serialize_der(),
    }
}
