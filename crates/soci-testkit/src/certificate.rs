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

/// The certificate that a test trusts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Trusted {
    /// That of an authority, which signs the server's.
    #[default]
    Authority,
    /// The server's own, which is self-signed and that of an authority, as `openssl req -x509`
    /// makes it.
    OwnAuthority,
    /// The server's own, which is self-signed and not that of an authority.
    OwnLeaf,
    /// The server's own, which an unknown authority has signed.
    Leaf,
}

/// A server's certificate with its key, and the certificate that the test trusts.
pub(crate) struct Certificate {
    pub(crate) trusted_pem: String,
    pub(crate) pem: String,
    pub(crate) key_pem: String,
    pub(crate) der: Vec<u8>,
    pub(crate) key_der: Vec<u8>,
}

/// Issues a certificate for host names and addresses.
pub(crate) fn issue(names: &[String], flaw: Flaw, trusted: Trusted) -> Certificate {
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
    server.is_ca = match trusted {
        Trusted::OwnAuthority => IsCa::Ca(BasicConstraints::Unconstrained),
        _ => IsCa::ExplicitNoCa,
    };
    let is_self_signed = matches!(trusted, Trusted::OwnAuthority | Trusted::OwnLeaf);
    let server = if is_self_signed || flaw == Flaw::SelfSigned {
        server.self_signed(&key)
    } else {
        server.signed_by(&key, &Issuer::new(authority, authority_key))
    }
    .expect("a certificate");
    Certificate {
        trusted_pem: match trusted {
            Trusted::Authority => root.pem(),
            _ => server.pem(),
        },
        pem: server.pem(),
        key_pem: key.serialize_pem(),
        der: server.der().to_vec(),
        key_der: key.serialize_der(),
    }
}
