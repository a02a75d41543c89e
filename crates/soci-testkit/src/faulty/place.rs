//! The paths of the distribution API, and the two beside it that a registry sends clients to.

/// What a path stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place<'a> {
    /// `/v2/`
    Base,
    /// Where tokens are given.
    Token,
    /// Where a registry's blobs really lie.
    Presigned(&'a str),
    Manifest(&'a str, &'a str),
    Blob(&'a str, &'a str),
    Uploads(&'a str),
    Upload(&'a str, &'a str),
    Referrers(&'a str, &'a str),
    Tags(&'a str),
    Unknown,
}

impl<'a> Place<'a> {
    pub(super) fn of(path: &'a str) -> Self {
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
        let two = |between| rest.rsplit_once(between);
        two("/blobs/")
            .map(|(name, digest)| Self::Blob(name, digest))
            .or_else(|| two("/manifests/").map(|(name, reference)| Self::Manifest(name, reference)))
            .or_else(|| two("/referrers/").map(|(name, digest)| Self::Referrers(name, digest)))
            .unwrap_or(Self::Unknown)
    }

    /// Returns the repository.
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
