//! The IAM actions behind the requests to an ECR registry.

use reqwest::Method;

/// Returns the IAM action that a request to an ECR registry needs, if it is known.
pub(crate) fn action(method: &Method, path: &str) -> Option<&'static str> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if path.contains("/blobs/uploads/") {
        return match *method {
            Method::POST => Some("ecr:InitiateLayerUpload"),
            Method::PATCH => Some("ecr:UploadLayerPart"),
            Method::PUT => Some("ecr:UploadLayerPart and ecr:CompleteLayerUpload"),
            _ => None,
        };
    }
    if path.contains("/blobs/") {
        return match *method {
            Method::GET => Some("ecr:GetDownloadUrlForLayer"),
            Method::HEAD => Some("ecr:BatchCheckLayerAvailability"),
            _ => None,
        };
    }
    if path.contains("/manifests/") {
        return match *method {
            Method::PUT => Some("ecr:PutImage"),
            _ => reads.then_some("ecr:BatchGetImage"),
        };
    }
    (reads && path.contains("/referrers/")).then_some("ecr:BatchGetImage")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_missing_action() {
        for (method, path, expected) in [
            (Method::GET, "/v2/a/manifests/v1", Some("ecr:BatchGetImage")),
            (Method::PUT, "/v2/a/manifests/v1", Some("ecr:PutImage")),
            (
                Method::GET,
                "/v2/a/blobs/sha256:0",
                Some("ecr:GetDownloadUrlForLayer"),
            ),
            (
                Method::HEAD,
                "/v2/a/blobs/sha256:0",
                Some("ecr:BatchCheckLayerAvailability"),
            ),
            (
                Method::POST,
                "/v2/a/blobs/uploads/",
                Some("ecr:InitiateLayerUpload"),
            ),
            (Method::GET, "/v2/", None),
        ] {
            assert_eq!(action(&method, path), expected, "{method} {path}");
        }
    }
}
