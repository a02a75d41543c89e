//! The decisions of the plan on manifests and layers, and the reasons for them.

use std::fmt;

use schemars::JsonSchema;
use serde::de::IntoDeserializer as _;
use serde::{Deserialize, Deserializer, Serialize};
use soci_oci::Platform;

/// What the plan does with a manifest.
#[derive(Clone, Debug, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "action")]
pub enum ManifestDecision {
    /// The manifest gets a SOCI index.
    Index {
        /// The platform as the user asked for it. In a converted image, the SOCI index is listed
        /// under this platform.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        platform: Option<Platform>,
    },
    /// The manifest gets no SOCI index.
    Skip {
        /// The reason. `soci-plan` always gives one; a plan that was edited by hand may have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<ManifestReason>,
    },
}

/// What the plan does with a layer.
#[derive(Clone, Copy, Debug, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase", tag = "action")]
pub enum LayerDecision {
    /// The layer gets a ztoc.
    Index,
    /// The layer gets no ztoc.
    Skip {
        /// The reason. `soci-plan` always gives one; a plan that was edited by hand may have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<LayerReason>,
    },
}

/// The fields of a decision. The derived implementations of the decisions would hold all fields in
/// memory, those of the user as well.
#[derive(Deserialize)]
struct DecisionFields {
    action: Action,
    reason: Option<String>,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Index,
    Skip,
}

/// Parses the name of a reason.
fn parse_reason<'de, R: Deserialize<'de>, E: serde::de::Error>(
    reason: Option<String>,
) -> Result<Option<R>, E> {
    let reason = reason.map(|reason| R::deserialize(reason.into_deserializer()));
    reason.transpose()
}

impl<'de> Deserialize<'de> for ManifestDecision {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = DecisionFields::deserialize(deserializer)?;
        Ok(match fields.action {
            Action::Index => Self::Index {
                platform: fields.platform,
            },
            Action::Skip => Self::Skip {
                reason: parse_reason(fields.reason)?,
            },
        })
    }
}

impl<'de> Deserialize<'de> for LayerDecision {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = DecisionFields::deserialize(deserializer)?;
        Ok(match fields.action {
            Action::Index => Self::Index,
            Action::Skip => Self::Skip {
                reason: parse_reason(fields.reason)?,
            },
        })
    }
}

/// Why the plan skips a manifest.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ManifestReason {
    /// It has a SOCI index of version 2 from an earlier conversion, or is itself a SOCI index.
    AlreadyConverted,
    /// It attests another manifest.
    Attestation,
    /// The image's index lists it, but the source does not hold it.
    Missing,
    /// It is an artifact, or of an unknown kind.
    NotAnImage,
    /// Its platform was not asked for.
    Platform,
}

/// Why the plan skips a layer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerReason {
    /// An index in the registry has its ztoc.
    AlreadyIndexed,
    /// It is smaller than the minimum layer size.
    BelowMinLayerSize,
    /// It is encrypted.
    Encrypted,
    /// The user excluded it.
    Excluded,
    /// It is a foreign layer, which the source does not hold.
    Foreign,
    /// Its media type is not that of a layer, or of an unknown version.
    UnknownMediaType,
    /// Its compression cannot be described by a ztoc.
    UnsupportedCompression,
}

/// Why a planned layer turned out not to be indexable. Its digest is right, so it was not damaged
/// on the way, and a container starts without a ztoc for it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnindexableReason {
    /// It has 0 bytes, but its media type says gzip.
    Empty,
    /// Its first bytes show another format than its media type says.
    Mislabelled,
    /// Other bytes follow its gzip stream.
    TrailingData,
    /// Its tar has entries that a ztoc cannot hold.
    UnindexableTar,
    /// Its gzip stream or tar is corrupt, cut off, or beyond a limit.
    Unreadable,
    /// Every reader would reject its ztoc, or fail on it.
    UnreadableBySnapshotter,
    /// Its ztoc would be larger than the limit, or need too much memory.
    ZtocTooLarge,
}

/// Where a ztoc comes from that was not built from its layer.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReuseOrigin {
    /// A SOCI index of the image, or of an image that the plan names in `reuseFrom`.
    SociIndex,
    /// The store: an earlier run has built or copied it.
    Store,
}

impl UnindexableReason {
    /// Returns whether `soci-index --strict` refuses such layers: they are not what their media
    /// type says, so that the builder of the image is at fault, or exceed a limit.
    pub const fn is_refused_if_strict(self) -> bool {
        match self {
            Self::Empty
            | Self::Mislabelled
            | Self::TrailingData
            | Self::Unreadable
            | Self::ZtocTooLarge => true,
            Self::UnindexableTar | Self::UnreadableBySnapshotter => false,
        }
    }
}

/// Displays a reason with its name in the document, such as `below-min-layer-size`.
macro_rules! display_as_in_json {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.serialize(f)
            }
        }
    )*};
}
display_as_in_json!(LayerReason, ManifestReason, ReuseOrigin, UnindexableReason);

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_layer(json: &str) -> serde_json::Result<LayerDecision> {
        serde_json::from_str(json)
    }

    #[test]
    fn decisions_are_objects_with_an_action() {
        let skip = LayerDecision::Skip {
            reason: Some(LayerReason::Foreign),
        };
        let json = serde_json::to_string(&skip).expect("JSON");
        assert_eq!(json, r#"{"action":"skip","reason":"foreign"}"#);
        assert_eq!(parse_layer(&json).expect("a decision"), skip);
        let index = ManifestDecision::Index { platform: None };
        let json = serde_json::to_string(&index).expect("JSON");
        assert_eq!(json, r#"{"action":"index"}"#);
    }

    #[test]
    fn an_action_can_be_edited_by_hand() {
        let skip = parse_layer(r#"{"action":"skip"}"#).expect("no reason is needed");
        assert_eq!(skip, LayerDecision::Skip { reason: None });
        let index = parse_layer(r#"{"action":"index","reason":"foreign"}"#);
        assert_eq!(index.expect("the action counts"), LayerDecision::Index);
    }

    #[test]
    fn unknown_actions_and_reasons_are_errors() {
        for json in [
            "{}",
            r#"{"action":"delete"}"#,
            r#"{"action":null}"#,
            r#"{"action":"skip","reason":"bored"}"#,
            r#""skip""#,
        ] {
            assert!(parse_layer(json).is_err(), "{json}");
        }
    }
}
