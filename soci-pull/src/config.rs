//! The platform that a configuration names. The other fields are read over: a configuration of 4
//! MiB would otherwise take thirty times as much memory.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use soci_oci::Platform;

/// The fields of a platform in a configuration (OCI image-spec, `config.md`).
const FIELDS: [&str; 5] = ["architecture", "os", "os.version", "os.features", "variant"];

/// Longest value of such a field, in bytes.
const MAX_VALUE_SIZE: usize = 64 << 10;

/// Returns the platform that the configuration `bytes` names, in its normal form.
///
/// # Errors
///
/// Returns an error if the configuration is not a JSON object, is nested deeper than 128 levels, or
/// has a malformed platform.
pub(crate) fn parse_platform(bytes: &[u8]) -> serde_json::Result<Platform> {
    let PlatformFields(fields) = serde_json::from_slice(bytes)?;
    let platform: Platform = serde_json::from_value(fields.into())?;
    Ok(platform.normalized())
}

/// The fields of the platform. Of a field that stands in the configuration twice, the last value
/// counts.
struct PlatformFields(Map<String, Value>);

impl<'de> Deserialize<'de> for PlatformFields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = PlatformFields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Self::Value, M::Error> {
                let mut fields = Map::new();
                while let Some(name) = object.next_key::<String>()? {
                    if !FIELDS.contains(&name.as_str()) {
                        object.next_value::<Skipped>()?;
                        continue;
                    }
                    let value = object.next_value::<&RawValue>()?.get();
                    if value.len() > MAX_VALUE_SIZE {
                        let message = format!("`{name}` has more than {MAX_VALUE_SIZE} bytes");
                        return Err(M::Error::custom(message));
                    }
                    let value = serde_json::from_str(value).map_err(M::Error::custom)?;
                    fields.insert(name, value);
                }
                Ok(PlatformFields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// A value that is checked and not kept. Unlike `serde::de::IgnoredAny`, it must not be nested
/// deeper than `serde_json` allows.
struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Skipped;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_str<E>(self, _: &str) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_unit<E>(self) -> Result<Skipped, E> {
                Ok(Skipped)
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Skipped, S::Error> {
                while list.next_element::<Skipped>()?.is_some() {}
                Ok(Skipped)
            }

            fn visit_map<M: MapAccess<'de>>(self, mut object: M) -> Result<Skipped, M::Error> {
                while object.next_entry::<Skipped, Skipped>()?.is_some() {}
                Ok(Skipped)
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_platform_beside_fields_of_any_form() {
        let text = r#"{"os":7,"rootfs":[{"a":[1,-1,1.5,1e400,null,true]}],"config":{"Env":["x"]},
            "architecture":"amd64","os":"linux","variant":null}"#;
        // A number that no type holds is an error, as in the whole document.
        assert!(parse_platform(text.as_bytes()).is_err());
        let text = text.replace("1e400", "1e40");
        let platform = parse_platform(text.as_bytes()).expect("a configuration");
        assert_eq!(platform, Platform::new("linux", "amd64", ""));
        assert!(parse_platform(b"{}").is_ok());
    }

    #[test]
    fn refuses_what_is_no_configuration() {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(200), "]".repeat(200));
        let long = format!("{{\"os\":\"{}\"}}", "x".repeat(MAX_VALUE_SIZE));
        for text in ["[]", "7", "", r#"{"os":7}"#, "{} {}", &deep, &long] {
            assert!(parse_platform(text.as_bytes()).is_err(), "{text:.20}");
        }
    }
}
