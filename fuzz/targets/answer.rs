//! What registries answer: challenges, `Location`, `Content-Range`, `Link`, `Retry-After`, error
//! documents, manifests, tokens.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use soci_fuzz::Input;
use soci_registry::fuzzing::{read_body, read_head};

/// The registries that the answer may come from.
static ORIGINS: LazyLock<Vec<Url>> = LazyLock::new(|| {
    let origins = [
        "https://registry.example/v2/team/app/blobs/uploads/",
        "http://localhost:5000/v2/",
        "https://10.0.0.7/v2/",
        "https://1.dkr.ecr.us-east-1.amazonaws.com/v2/",
    ];
    origins.map(|origin| origin.parse().expect("a URL")).into()
});

// The input is a head with one header in each line, an empty line, and a body.
fuzz_target!(|data: &[u8]| {
    let mut input = Input::new(data);
    let (choice, status) = (input.byte(), input.short() % 1000);
    let mut headers = HeaderMap::new();
    while !input.is_empty() {
        let mut line = Input::new(input.until(b'\n'));
        let name = line.until(b':');
        if name.is_empty() {
            break;
        }
        let value = line.rest().trim_ascii();
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    read_head(&ORIGINS[usize::from(choice) % ORIGINS.len()], &headers);
    read_body(status, &headers, input.rest());
});
