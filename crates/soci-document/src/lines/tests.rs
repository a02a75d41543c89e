//! Lines that are documents, and lines that are not.

use super::*;

fn parse(line: &[u8]) -> Result<Document, DocumentError> {
    match Line::parse(line) {
        Ok(Line::Document(document)) => Ok(*document),
        Ok(Line::Failed(failed)) => panic!("a failed image: {failed:?}"),
        Err(malformed) => Err(malformed.error),
    }
}

fn example() -> Vec<u8> {
    let digest = soci_oci::Digest::of(b"");
    format!(
        r#"{{"version":1,"image":"r/a:v1","root":{{"mediaType":"m","digest":"{digest}","size":1}},"manifests":[{{"descriptor":{{"mediaType":"m","digest":"{digest}","size":1}},"layers":[{{"descriptor":{{"mediaType":"l","digest":"{digest}","size":1}},"ztoc":null,"mine":[1,2]}}],"index":null}}],"mine":{{"b":1,"a":2}}}}"#
    )
    .into_bytes()
}

#[test]
fn writes_unknown_fields_as_they_were_read() {
    let mut line = parse(&example()).expect("a document").to_line();
    assert_eq!(line.pop(), Some(b'\n'));
    assert_eq!(
        String::from_utf8_lossy(&line),
        String::from_utf8_lossy(&example())
    );
}

/// Numbers, strings and white space, in objects of every kind.
#[test]
fn writes_unknown_fields_at_every_level_byte_for_byte() {
    let mine =
        r#""mine":[12345678901234567890123,4.19e36,1.10,-0,1E5,{ "\u00e9" : "\ud83d\ude00\/" } ]"#;
    let digest = soci_oci::Digest::of(b"");
    let descriptor =
        |more: &str| format!(r#"{{"mediaType":"m","digest":"{digest}","size":1{more},{mine}}}"#);
    let platform = format!(r#"{{"architecture":"arm64","os":"linux",{mine}}}"#);
    let root = descriptor(&format!(r#","platform":{platform}"#));
    let layer = format!(
        r#"{{"descriptor":{},"plan":{{"action":"skip","reason":"excluded",{mine}}},"ztoc":{},{mine}}}"#,
        descriptor(""),
        descriptor("")
    );
    let manifest = format!(
        r#"{{"descriptor":{},"platform":{platform},"plan":{{"action":"index",{mine}}},"layers":[{layer},{layer}],"index":{{"v1":{},{mine}}},{mine}}}"#,
        descriptor(""),
        descriptor("")
    );
    let plan = format!(
        r#"{{"platforms":["all"],"minLayerSize":0,"spanSize":1,"indexVersion":"v2",{mine}}}"#
    );
    let push = format!(
        r#"{{"repository":"r/a","tags":[{{"tag":"r/a:v1","digest":"{digest}",{mine}}}],"indexes":[{{"version":"v1","digest":"{digest}",{mine}}}],"referrers":"api","uploaded":1,"existing":0,"bytes":1,{mine}}}"#
    );
    let line = format!(
        r#"{{"version":1,"image":"r/a:v1","root":{root},"plan":{plan},"manifests":[{manifest},{manifest}],"converted":{},"push":{push},"timing":{{"pull":{{"seconds":1.0,"bytes":1,{mine}}}}},{mine}}}"#,
        descriptor("")
    );
    let document = parse(line.as_bytes()).expect("a document");
    let written = String::from_utf8(document.to_line()).expect("UTF-8");
    assert_eq!(written, line.clone() + "\n");
    let again = parse(written.as_bytes()).expect("a document");
    assert_eq!(again, document);
}

#[test]
fn unknown_fields_may_be_nested_as_deep_as_a_document() {
    let text = String::from_utf8(example()).expect("UTF-8");
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let deep = text.replacen("\"b\":1", &format!("\"b\":{}", nested(125)), 1);
    let written = parse(deep.as_bytes()).expect("127 levels").to_line();
    assert_eq!(written, (deep + "\n").into_bytes());
    let deeper = text.replacen("\"b\":1", &format!("\"b\":{}", nested(126)), 1);
    let error = parse(deeper.as_bytes()).expect_err("128 levels");
    assert!(matches!(error, DocumentError::TooDeep), "{error}");
}

#[test]
fn a_document_cut_off_at_any_byte_is_not_json() {
    let whole = example();
    for end in 0..whole.len() {
        assert!(
            matches!(parse(&whole[..end]), Err(DocumentError::Json { .. })),
            "cut at {end}"
        );
    }
}

#[test]
fn other_versions_are_errors() {
    let text = String::from_utf8(example()).expect("UTF-8");
    for version in ["2", "0", "\"1\"", "1.0", "-1"] {
        let other = text.replacen("\"version\":1", &format!("\"version\":{version}"), 1);
        assert!(
            matches!(parse(other.as_bytes()), Err(DocumentError::Version { .. })),
            "{version}"
        );
    }
    let without = text.replacen("\"version\":1,", "", 1);
    assert!(matches!(
        parse(without.as_bytes()),
        Err(DocumentError::Field(_))
    ));
}

#[test]
fn what_other_json_parsers_may_read_differently_is_an_error() {
    let text = String::from_utf8(example()).expect("UTF-8");
    let twice = text.replacen("\"image\":", "\"image\":\"x\",\"image\":", 1);
    assert!(matches!(
        parse(twice.as_bytes()),
        Err(DocumentError::Field(_))
    ));
    // Duplicate keys at any depth, also in unknown fields.
    for (once, twice) in [
        ("\"size\":1", "\"size\":1,\"size\":2"),
        ("\"b\":1", "\"b\":1,\"b\":1"),
        ("\"b\":1", "\"b\":[{\"c\":1,\"\\u0063\":1}]"),
    ] {
        let other = text.replacen(once, twice, 1);
        assert!(
            matches!(parse(other.as_bytes()), Err(DocumentError::Field(_))),
            "{twice}"
        );
    }
    let marked = [b"\xEF\xBB\xBF", text.as_bytes()].concat();
    assert!(matches!(parse(&marked), Err(DocumentError::ByteOrderMark)));
    for image in ["", "A/b", "oci:", "a b"] {
        let other = text.replacen("r/a:v1", image, 1);
        assert!(
            matches!(parse(other.as_bytes()), Err(DocumentError::Field(_))),
            "{image}"
        );
    }
    for bad in ["NaN", "1e999", "\"\\ud800\"", "\"\u{1}\""] {
        let other = text.replacen("\"r/a:v1\"", bad, 1);
        assert!(parse(other.as_bytes()).is_err(), "{bad}");
    }
    // Control characters and invalid UTF-8 in strings.
    for byte in [b'\0', b'\x1f', b'\xff', b'\xc0'] {
        let mut other = text.clone().into_bytes();
        let position = text.find("a:v1").expect("the image");
        other[position] = byte;
        assert!(
            matches!(parse(&other), Err(DocumentError::Json { .. })),
            "{byte:#x}"
        );
    }
    // Sizes that are negative, fractions, or do not fit into an `i64`.
    for size in [
        "-0",
        "-1",
        "1.0",
        "1e3",
        "9223372036854775808",
        "18446744073709551616",
    ] {
        let other = text.replacen("\"size\":1", &format!("\"size\":{size}"), 1);
        assert!(
            matches!(parse(other.as_bytes()), Err(DocumentError::Field(_))),
            "{size}"
        );
    }
    // Nesting that would exhaust the stack.
    let deep = text.replacen("{\"b\":1", &"[".repeat(100_000), 1);
    assert!(matches!(
        parse(deep.as_bytes()),
        Err(DocumentError::Json { .. })
    ));
}

#[test]
fn a_password_in_the_image_is_refused_and_not_repeated() {
    let text = String::from_utf8(example()).expect("UTF-8");
    let failed = r#"{"version":1,"image":"r/a:v1","error":{"stage":"s","exit":1,"message":"m"}}"#;
    for line in [text.as_str(), failed] {
        let line = line.replacen("r/a:v1", "https://u:canary@r.example/a", 1);
        let malformed = Line::parse(line.as_bytes()).expect_err("credentials");
        assert!(matches!(malformed.error, DocumentError::Credentials));
        let image = malformed.image.as_deref();
        assert_eq!(image, Some("https://***@r.example/a"));
        let hint = malformed.error.hint().expect("a hint");
        assert!(hint.contains("docker login"), "{hint}");
    }
    let other = text.replacen("\"layers\"", "\"reuseFrom\":[],\"layers\"", 1);
    assert!(parse(other.as_bytes()).is_ok());
    let redacted = failed.replacen("r/a:v1", "***@r.example/a", 1);
    assert!(matches!(
        Line::parse(redacted.as_bytes()),
        Ok(Line::Failed(_))
    ));
}

#[test]
fn tells_where_a_line_is_not_json() {
    for (line, expected) in [
        (r#"{"version":1,}"#, 14),
        ("{\"version\":1,\n\"image\":}", 23),
        ("{\n\n \"version\": 1, x}", 19),
        ("[", 1),
    ] {
        let error = parse(line.as_bytes()).expect_err(line);
        assert!(
            matches!(error, DocumentError::Json { offset, .. } if offset == expected),
            "{line}: {error}"
        );
    }
}

#[test]
fn a_line_may_be_as_long_as_the_limit() {
    let line = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
    assert!(check_json(line(MAX_LINE).as_bytes()).is_ok());
    let longer = line(MAX_LINE + 1);
    let error = check_json(longer.as_bytes()).expect_err("too long");
    assert!(matches!(error, DocumentError::TooLong), "{error}");
}
