//! The text of an HTTP request that was logged.

use serde_json::{Map, Value};

/// Formats the fields of a request, such as `GET https://registry.example/v2/app/manifests/v1: 200,
/// 588 bytes, 12 ms`. Returns `None` for any other message.
pub(super) fn format(fields: &Map<String, Value>) -> Option<String> {
    let text = |name| fields.get(name).map(plain);
    let (method, url) = (text("method")?, text("url")?);
    let outcome = text("status").or_else(|| text("error"))?;
    let mut parts = vec![outcome];
    parts.extend(text("sent").map(|sent| format!("{sent} bytes sent")));
    parts.extend(text("bytes").map(|bytes| format!("{bytes} bytes")));
    parts.extend(text("ms").map(|ms| format!("{ms} ms")));
    parts.extend(text("request_id").map(|id| format!("request id {id}")));
    // The first attempt is the rule.
    let attempt = text("attempt").filter(|attempt| attempt != "1");
    parts.extend(attempt.map(|attempt| format!("attempt {attempt}")));
    Some(format!("{method} {url}: {}", parts.join(", ")))
}

/// Returns the value as text, without quotation marks.
pub(super) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
