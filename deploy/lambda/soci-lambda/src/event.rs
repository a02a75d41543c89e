//! The events that ECR sends for each image that is pushed.

use serde::Deserialize;
use serde_json::Value;
use soci_oci::Reference;
use soci_registry::ecr_private_host;

/// What a message of the queue asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// An image was pushed under a tag.
    Push {
        /// The reference of the image, such as
        /// `123456789012.dkr.ecr.eu-west-1.amazonaws.com/app:v1`.
        image: String,
        /// The name of the repository.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// There is nothing to do.
    Ignored(IgnoredEvent),
}

/// Why there is nothing to do for an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IgnoredEvent {
    /// It is not the event of a successful push to ECR.
    NotAPush,
    /// A manifest was pushed without a tag: one of the manifests of an image index, or a SOCI index
    /// of version 1. The event of the tag stands for the whole image.
    Untagged,
    /// No filter matches the repository and the tag.
    Filtered,
    /// The tag is that of a converted image, which the function itself has pushed.
    Converted,
}

impl IgnoredEvent {
    /// Returns the reason as a phrase.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotAPush => "not the event of a successful push to ECR",
            Self::Untagged => "a manifest without a tag",
            Self::Filtered => "no filter matches",
            Self::Converted => "the tag of a converted image",
        }
    }
}

/// A message that is not an event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// It is not JSON, or a field is missing or has another type.
    #[error("not an event of EventBridge: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The account or the region would not be one in a host name.
    #[error("no registry: the account is not 12 digits, or the region is not like `eu-west-1`")]
    Registry,
    /// The repository or the tag would not be one in a reference.
    #[error("the repository or the tag is malformed")]
    Image,
}

/// The fields of an event (Amazon ECR User Guide, "Amazon ECR events and `EventBridge`").
#[derive(Deserialize)]
struct Envelope {
    source: String,
    #[serde(rename = "detail-type")]
    kind: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    region: String,
    #[serde(default)]
    detail: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Detail {
    action_type: String,
    result: String,
    repository_name: String,
    image_tag: Option<String>,
}

impl Event {
    /// Parses the body of a message.
    ///
    /// # Errors
    ///
    /// Returns an error if the body is not an event of `EventBridge`, or if ECR's event does not name
    /// an image.
    pub fn parse(body: &str) -> Result<Self, EventError> {
        let envelope: Envelope = serde_json::from_str(body)?;
        if envelope.source != "aws.ecr" || envelope.kind != "ECR Image Action" {
            return Ok(Self::Ignored(IgnoredEvent::NotAPush));
        }
        let detail = Detail::deserialize(&envelope.detail)?;
        if detail.action_type != "PUSH" || detail.result != "SUCCESS" {
            return Ok(Self::Ignored(IgnoredEvent::NotAPush));
        }
        let Some(tag) = detail.image_tag.filter(|tag| !tag.is_empty()) else {
            return Ok(Self::Ignored(IgnoredEvent::Untagged));
        };
        let host =
            ecr_private_host(&envelope.account, &envelope.region).ok_or(EventError::Registry)?;
        let repository = detail.repository_name;
        let image = format!("{host}/{repository}:{tag}");
        if !is_reference_of(&image, &host, &repository, &tag) {
            return Err(EventError::Image);
        }
        Ok(Self::Push {
            image,
            repository,
            tag,
        })
    }
}

/// Returns whether a text is a reference with just these parts, so that no part of an event changes
/// the meaning of another.
fn is_reference_of(text: &str, host: &str, repository: &str, tag: &str) -> bool {
    let Ok(Reference::Registry(reference)) = text.parse() else {
        return false;
    };
    reference.registry == host
        && reference.repository == repository
        && reference.tag.as_deref() == Some(tag)
        && reference.digest.is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn push() -> Value {
        json!({
            "version": "0", "id": "13cde686-328b-6117-af20-0e5566167482", "detail-type": "ECR Image Action",
            "source": "aws.ecr", "account": "123456789012", "time": "2026-11-16T01:54:34Z", "region": "eu-west-1",
            "resources": [],
            "detail": {"result": "SUCCESS", "repository-name": "team/app", "image-digest": "sha256:7f5b2640fe6f",
                "action-type": "PUSH", "image-tag": "v1"}
        })
    }

    fn changed(pointer: &str, value: Value) -> String {
        let mut event = push();
        *event.pointer_mut(pointer).expect("a field") = value;
        event.to_string()
    }

    #[test]
    fn a_push_names_its_image() {
        let event = Event::parse(&push().to_string()).expect("an event");
        let expected = Event::Push {
            image: "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/app:v1".to_owned(),
            repository: "team/app".to_owned(),
            tag: "v1".to_owned(),
        };
        assert_eq!(event, expected);
    }

    #[test]
    fn other_events_are_ignored() {
        for (pointer, value, reason) in [
            ("/source", json!("aws.ec2"), IgnoredEvent::NotAPush),
            (
                "/detail-type",
                json!("ECR Image Scan"),
                IgnoredEvent::NotAPush,
            ),
            (
                "/detail/action-type",
                json!("DELETE"),
                IgnoredEvent::NotAPush,
            ),
            ("/detail/result", json!("FAILURE"), IgnoredEvent::NotAPush),
            ("/detail/image-tag", Value::Null, IgnoredEvent::Untagged),
            ("/detail/image-tag", json!(""), IgnoredEvent::Untagged),
        ] {
            let event = Event::parse(&changed(pointer, value)).expect(pointer);
            assert_eq!(event, Event::Ignored(reason), "{pointer}");
        }
        let mut untagged = push();
        let detail = untagged["detail"].as_object_mut().expect("an object");
        detail.remove("image-tag");
        let event = Event::parse(&untagged.to_string()).expect("an event");
        assert_eq!(event, Event::Ignored(IgnoredEvent::Untagged));
    }

    #[test]
    fn hostile_names_reach_no_reference() {
        for (pointer, value) in [
            ("/account", json!("evil.example/x?")),
            ("/region", json!("eu-west-1.evil.example/x#")),
            ("/region", json!("")),
            ("/detail/repository-name", json!("app:v2@sha256:00")),
            ("/detail/repository-name", json!("../../x")),
            ("/detail/repository-name", json!("app\n--help")),
            ("/detail/repository-name", json!("APP")),
            ("/detail/repository-name", json!("")),
            ("/detail/image-tag", json!("v1@sha256:00")),
            ("/detail/image-tag", json!("v1 oci:/etc")),
            ("/detail/image-tag", json!("a/b")),
            ("/detail/image-tag", json!("-v")),
            ("/detail/image-tag", json!("v".repeat(129))),
        ] {
            let parsed = Event::parse(&changed(pointer, value.clone()));
            assert!(parsed.is_err(), "{pointer} {value}: {parsed:?}");
        }
    }

    #[test]
    fn malformed_messages_are_errors() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in [
            "",
            "{",
            "null",
            "7",
            "[]",
            "\"aws.ecr\"",
            "{}",
            "\u{0}",
            &deep,
        ] {
            assert!(Event::parse(body).is_err(), "{body:.20}");
        }
        for (pointer, value) in [
            ("/source", json!(7)),
            ("/account", json!(123_456_789_012_u64)),
            ("/detail", json!("x")),
            ("/detail", Value::Null),
            ("/detail/repository-name", json!(["app"])),
            ("/detail/image-tag", json!({"a": 1})),
            ("/detail/action-type", Value::Null),
        ] {
            let parsed = Event::parse(&changed(pointer, value.clone()));
            assert!(parsed.is_err(), "{pointer} {value}: {parsed:?}");
        }
    }
}
