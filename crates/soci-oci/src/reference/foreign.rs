//! Forms of other tools that are not references here, and what to write instead.

/// Words of `skopeo` and others before a colon, with what to do about an image named by them.
const TRANSPORTS: [(&str, &str); 9] = [
    (
        "docker-daemon",
        "save the image with `docker save -o app.tar IMAGE`, and write `docker-archive:app.tar`",
    ),
    (
        "containers-storage",
        "save the image with `podman save --format oci-archive -o app.tar IMAGE`, and write `oci-archive:app.tar`",
    ),
    (
        "dir",
        "copy the image with `skopeo copy dir:DIR oci:LAYOUT`, and write `oci:LAYOUT`",
    ),
    ("oci-dir", "write `oci:` instead of `oci-dir:`"),
    ("oci-layout", "write `oci:` instead of `oci-layout:`"),
    (
        "ostree",
        "copy the image with `skopeo copy` to `oci:LAYOUT`, and write `oci:LAYOUT`",
    ),
    (
        "sif",
        "copy the image with `skopeo copy` to `oci:LAYOUT`, and write `oci:LAYOUT`",
    ),
    (
        "tarball",
        "copy the image with `skopeo copy` to `oci:LAYOUT`, and write `oci:LAYOUT`",
    ),
    (
        "docker-tarball",
        "write `docker-archive:` instead of `docker-tarball:`",
    ),
];

/// A text in a form of another tool.
pub(crate) struct Foreign {
    /// What the text is.
    pub(crate) reason: String,
    /// What to write instead.
    pub(crate) hint: String,
}

/// Returns what is wrong with a text that starts with `word://` or a word of [`TRANSPORTS`], or
/// `None` for other texts.
pub(crate) fn detect(text: &str) -> Option<Foreign> {
    let (word, rest) = text.split_once(':')?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if word.is_empty() || !word.bytes().all(is_word) {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    if rest.starts_with("//") {
        let hint = match lower.as_str() {
            "file" => "write `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE`".to_owned(),
            "oci-archive" | "docker-archive" => format!("write `{lower}:` without `//`"),
            _ => format!("drop `{word}://`"),
        };
        let reason = match lower.as_str() {
            "http" | "https" => "a URL is not a reference".to_owned(),
            _ => format!("`{word}://` is not part of a reference"),
        };
        return Some(Foreign { reason, hint });
    }
    let (_, hint) = TRANSPORTS.iter().find(|(known, _)| *known == lower)?;
    Some(Foreign {
        reason: format!("`{word}:` is not supported"),
        hint: (*hint).to_owned(),
    })
}
