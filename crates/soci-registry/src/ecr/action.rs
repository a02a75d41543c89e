//! The IAM actions behind the requests to an ECR registry.

use reqwest::Method;

/// Returns the IAM action that an answer of AWS names as denied, such as `ecr:PutImage` of `User:
/// … is not authorized to perform: ecr:PutImage on resource: …`.
pub(crate) fn denied_action(message: &str) -> Option<&str> {
    const BEFORE: &str = "not authorized to perform";
    let start = message.to_ascii_lowercase().find(BEFORE)? + BEFORE.len();
    let rest = message.get(start..)?.trim_start_matches([':', ' ']);
    let end = rest.find(|character: char| !is_action_character(character));
    let action = rest.get(..end.unwrap_or(rest.len()))?;
    let (service, name) = action.split_once(':')?;
    (!service.is_empty() && !name.is_empty()).then_some(action)
}

const fn is_action_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, ':' | '-')
}

/// Returns the IAM action that a request to an ECR registry needs, if it is known.
pub(crate) fn required_action(method: &Method, path: &str) -> Option<&'static str> {
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
            (
                Method::PATCH,
                "/v2/a/blobs/uploads/1",
                Some("ecr:UploadLayerPart"),
            ),
            (
                Method::PUT,
                "/v2/a/blobs/uploads/1",
                Some("ecr:UploadLayerPart and ecr:CompleteLayerUpload"),
            ),
            (
                Method::HEAD,
                "/v2/a/manifests/v1",
                Some("ecr:BatchGetImage"),
            ),
            (
                Method::GET,
                "/v2/a/referrers/sha256:0",
                Some("ecr:BatchGetImage"),
            ),
            (Method::DELETE, "/v2/a/manifests/v1", None),
            (Method::DELETE, "/v2/a/blobs/sha256:0", None),
            (Method::GET, "/v2/a/blobs/uploads/1", None),
            (Method::PUT, "/v2/a/referrers/sha256:0", None),
            (Method::GET, "/v2/", None),
        ] {
            assert_eq!(required_action(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn finds_the_action_that_an_answer_names() {
        for (message, expected) in [
            (
                "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: ecr:PutImage on resource: arn:aws:ecr:r:1:repository/a because no identity-based policy allows the ecr:PutImage action",
                Some("ecr:PutImage"),
            ),
            (
                "not authorized to perform: sts:GetServiceBearerToken",
                Some("sts:GetServiceBearerToken"),
            ),
            (
                "Not authorized to perform sts:AssumeRoleWithWebIdentity",
                Some("sts:AssumeRoleWithWebIdentity"),
            ),
            ("is not authorized to perform: ", None),
            ("is not authorized to perform: this", None),
            ("is not authorized to perform: :x", None),
            ("is not authorized to perform: ecr: on it", None),
            ("Your authorization token has expired.", None),
            ("", None),
        ] {
            assert_eq!(denied_action(message), expected, "{message}");
        }
    }
}
