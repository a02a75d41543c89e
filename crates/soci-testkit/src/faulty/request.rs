//! A request as it was received, and the patterns by which rules and tests select requests.

use std::io::{self, BufRead, Read as _};

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method, such as `GET`.
    pub method: String,
    /// The path, as it was sent.
    pub path: String,
    /// The query after the `?`, as it was sent.
    pub query: String,
    /// The header fields in the order of their arrival, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body. It is empty until it was read.
    pub body: Vec<u8>,
}

impl Request {
    /// Returns the value of the first header field with this name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(field, _)| field == name)?;
        Some(value)
    }

    /// Returns a parameter of the query, percent-decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        form_parameter(&self.query, name)
    }

    /// Returns the path with the query.
    pub fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }

    /// Returns whether a request has one of `methods` and a path that matches `glob`.
    ///
    /// Examples of `methods` are `GET`, `GET|HEAD`, and `*` for all. In `glob`, `*` matches any
    /// text, including slashes. The glob is compared with the path, and then with the path and
    /// query.
    pub fn is(&self, methods: &str, glob: &str) -> bool {
        let method = methods == "*" || methods.split('|').any(|method| method == self.method);
        method && (matches_glob(glob, &self.path) || matches_glob(glob, &self.target()))
    }

    /// Returns the first byte of the requested range, and the last one if the request gives it.
    ///
    /// Returns `None` without a `Range`, and for several ranges.
    pub fn range(&self) -> Option<(usize, Option<usize>)> {
        let (first, last) = self
            .header("range")?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        let last = if last.is_empty() {
            None
        } else {
            Some(last.parse().ok()?)
        };
        Some((first.parse().ok()?, last))
    }

    /// Reads the head of a request. Returns `None` if the client has closed the connection.
    pub(super) fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_ascii_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            ..Self::default()
        };
        if words.next() == Some("HTTP/1.0") {
            let close = ("connection".to_owned(), "close".to_owned());
            request.headers.push(close);
        }
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                return Ok(Some(request));
            };
            let field = (name.to_ascii_lowercase(), value.trim().to_owned());
            request.headers.push(field);
        }
    }

    /// Reads the body, or no more than `limit` bytes of it.
    pub(super) fn read_body(&mut self, reader: &mut impl BufRead, limit: usize) -> io::Result<()> {
        if self.header("transfer-encoding") == Some("chunked") {
            return self.read_chunks(reader, limit);
        }
        let length = self.header("content-length");
        let length = length.map_or(Ok(0), str::parse);
        let length: usize =
            length.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let wanted = length.min(limit);
        let read = reader.take(wanted as u64).read_to_end(&mut self.body)?;
        if read < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    fn read_chunks(&mut self, reader: &mut impl BufRead, limit: usize) -> io::Result<()> {
        while self.body.len() < limit {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim_end(), 16);
            let size = size.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let before = self.body.len();
            reader.take(size as u64).read_to_end(&mut self.body)?;
            if self.body.len() - before < size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            reader.read_line(&mut String::new())?;
            if size == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// Returns a parameter of a query or a form, percent-decoded.
pub(super) fn form_parameter(form: &str, name: &str) -> Option<String> {
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(percent_decode(value))
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        rest = if escaped.is_some() {
            &after[2..]
        } else {
            after
        };
        let plain = if *first == b'+' { b' ' } else { *first };
        bytes.push(escaped.unwrap_or(plain));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns whether a text matches a pattern in which `*` matches any text.
fn matches_glob(glob: &str, text: &str) -> bool {
    let Some((head, tail)) = glob.split_once('*') else {
        return glob == text;
    };
    text.strip_prefix(head).is_some_and(|text| {
        (0..=text.len()).any(|at| text.is_char_boundary(at) && matches_glob(tail, &text[at..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_the_whole_text() {
        for (glob, text, expected) in [
            ("*/blobs/*", "/v2/team/app/blobs/sha256:1", true),
            ("*/manifests/v1", "/v2/app/manifests/v10", false),
            ("/v2/", "/v2/", true),
            ("*", "", true),
            ("a*b*c", "abcbc", true),
            ("a*b*c", "abcb", false),
        ] {
            assert_eq!(matches_glob(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn parameters_are_decoded() {
        let query = "mount=sha256%3A12&from=team%2Fapp&x=a+b%";
        assert_eq!(form_parameter(query, "mount").as_deref(), Some("sha256:12"));
        assert_eq!(form_parameter(query, "from").as_deref(), Some("team/app"));
        assert_eq!(form_parameter(query, "x").as_deref(), Some("a b%"));
        assert_eq!(form_parameter(query, "y"), None);
    }
}
