//! Unknown fields that are found and written again.

use super::*;

/// Returns `line` after it was parsed as `parsed` and written as `written`.
fn rewrite(line: &str, parsed: &str, written: &str) -> String {
    let fields = UnknownFields::find(line, parsed).expect("objects");
    let line = fields.add_to(written.as_bytes().to_vec());
    String::from_utf8(line).expect("UTF-8")
}

#[test]
fn writes_what_it_does_not_know_as_it_was_read() {
    for value in [
        "12345678901234567890123",
        "4.19e36",
        "1.10",
        "-0",
        "1E5",
        r#""\u00e9\/\ud83d\ude00""#,
        r#"{ "b" :  1.0,"a":[ ],"\u0061b":null }"#,
        "[[[{}]],\t1 ]",
        "null",
        "false",
    ] {
        let known = r#"{"list":[{"digest":"x"},{}],"object":{"known":1}}"#;
        let line = format!(
            r#"{{"list":[{{"digest":"x","\u006dine":{value}}},{{"a":{value}}}],"object":{{"known":1,"b":{value},"a":{value}}},"mine":{value}}}"#
        );
        assert_eq!(rewrite(&line, known, known), line);
    }
}

#[test]
fn keeps_fields_where_a_stage_has_set_others() {
    let line = r#"{"mine":1,"known":null,"object":{"old":1,"b":2},"gone":{"c":3}}"#;
    let parsed = r#"{"object":{"old":1},"gone":{}}"#;
    let written = r#"{"object":{"new":1},"known":[]}"#;
    let expected = r#"{"object":{"new":1,"b":2},"known":[],"mine":1}"#;
    assert_eq!(rewrite(line, parsed, written), expected);
}

#[test]
fn an_item_keeps_its_fields_only_in_its_place() {
    let line = r#"[{"digest":"a","mine":1},{"descriptor":{"digest":"b","c":2},"mine":2}]"#;
    let parsed = r#"[{"digest":"a"},{"descriptor":{"digest":"b"}}]"#;
    let written = r#"[{"digest":"other"},{"descriptor":{"digest":"b"},"set":1}]"#;
    let expected = r#"[{"digest":"other"},{"descriptor":{"digest":"b","c":2},"set":1,"mine":2}]"#;
    assert_eq!(rewrite(line, parsed, written), expected);
}

#[test]
fn a_line_end_in_a_field_ends_no_line() {
    let line = "{\"mine\":[1,\r\n 2]}";
    assert_eq!(rewrite(line, "{}", "{}"), "{\"mine\":[1,   2]}");
}

#[test]
fn a_list_is_no_object() {
    assert_eq!(UnknownFields::find("[1]", r#"{"version":1}"#), None);
    let inner = UnknownFields::find(r#"{"a":[{"b":[]}]}"#, r#"{"a":[{"b":{}}]}"#);
    assert_eq!(inner, None);
}
