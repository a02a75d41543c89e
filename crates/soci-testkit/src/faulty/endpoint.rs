//! The endpoints of the OCI distribution specification, the token endpoint, and presigned URLs.

/// The endpoint that a path belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Endpoint<'a> {
    /// `/v2/`
    Base,
    /// `/token`
    Token,
    /// `/s3/DIGEST`
    Presigned(&'a str),
    /// `/v2/NAME/manifests/REFERENCE`
    Manifest(&'a str, &'a str),
    /// `/v2/NAME/blobs/DIGEST`
    Blob(&'a str, &'a str),
    /// `/v2/NAME/blobs/uploads/`
    Uploads(&'a str),
    /// `/v2/NAME/blobs/uploads/ID`
    Upload(&'a str, &'a str),
    /// `/v2/NAME/referrers/DIGEST`
    Referrers(&'a str, &'a str),
    /// `/v2/NAME/tags/list`
    Tags(&'a str),
    Unknown,
}

impl<'a> Endpoint<'a> {
    pub(super) fn parse(path: &'a str) -> Self {
        if let Some(digest) = path.strip_prefix("/s3/") {
            return Self::Presigned(digest);
        }
        let Some(rest) = path.strip_prefix("/v2/") else {
            return match path {
                "/token" => Self::Token,
                "/v2" => Self::Base,
                _ => Self::Unknown,
            };
        };
        if rest.is_empty() {
            return Self::Base;
        }
        if let Some((name, id)) = rest.rsplit_once("/blobs/uploads/") {
            return match id {
                "" => Self::Uploads(name),
                _ => Self::Upload(name, id),
            };
        }
        if let Some(name) = rest.strip_suffix("/blobs/uploads") {
            return Self::Uploads(name);
        }
        if let Some(name) = rest.strip_suffix("/tags/list") {
            return Self::Tags(name);
        }
        let split_at = |separator| rest.rsplit_once(separator);
        split_at("/blobs/")
            .map(|(name, digest)| Self::Blob(name, digest))
            .or_else(|| {
                split_at("/manifests/").map(|(name, reference)| Self::Manifest(name, reference))
            })
            .or_else(|| split_at("/referrers/").map(|(name, digest)| Self::Referrers(name, digest)))
            .unwrap_or(Self::Unknown)
    }

    /// Returns the repository, for the endpoints of one.
    pub(super) fn repository(self) -> Option<&'a str> {
        match self {
            Self::Manifest(name, _)
            | Self::Blob(name, _)
            | Self::Uploads(name)
            | Self::Upload(name, _)
            | Self::Referrers(name, _)
            | Self::Tags(name) => Some(name),
            Self::Base | Self::Token | Self::Presigned(_) | Self::Unknown => None,
        }
    }
}
