//! What people write on command lines and in documents: references, platforms, digests, sizes,
//! durations.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use soci_cli::{ByteSize, Platforms, Seconds, SizeArgument};
use soci_document::{HumanSize, ImageReference};
use soci_oci::{Digest, Platform, Reference};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    if let Ok(Reference::Registry(reference)) = check::<Reference>(&text).as_ref() {
        assert!(!reference.host().is_empty());
        let shown = reference.to_string();
        assert!(!shown.contains(|character: char| character.is_control() || character == ' '));
        let mut parts = shown.split('/');
        assert!(
            !parts.any(|part| matches!(part, "" | "." | "..")),
            "{shown}"
        );
    }
    if let Ok(digest) = check::<Digest>(&text) {
        assert!(digest.hex().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    drop(check::<Platform>(&text));
    if let Ok(image) = text.parse::<ImageReference>() {
        let again: ImageReference = image.as_str().parse().expect("a text that was parsed");
        assert_eq!(again, image);
    }
    if let Ok(ByteSize(bytes)) = text.parse() {
        drop(ByteSize(bytes).to_string());
        drop(HumanSize(bytes).to_string());
        assert!(text.parse::<SizeArgument>().is_ok());
    }
    let _seconds = text.parse::<Seconds>();
    let _platforms = text.parse::<Platforms>();
    let _size = text.parse::<SizeArgument>();
    drop(soci_cli::parse_reference(&text));
    let _count = soci_cli::parse_count(&text);
    let _flag = soci_cli::parse_flag(&text);
    let shown = soci_cli::to_printable(&text);
    assert!(
        !shown.contains(soci_oci::printable::acts_on_display),
        "{shown:?}"
    );
});

/// Parses a text. What was parsed and is written is parsed as the same.
fn check<T: FromStr<Err: Display> + Display + Debug + PartialEq>(text: &str) -> Result<T, T::Err> {
    let parsed = text.parse::<T>();
    match &parsed {
        Ok(value) => {
            let again = value.to_string().parse::<T>();
            assert_eq!(again.ok().as_ref(), Some(value), "{text:?}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    parsed
}
