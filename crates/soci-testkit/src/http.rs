//! A minimal HTTP client for servers on this machine, without TLS and redirects.

use std::{
    fmt::Write as _,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::Value;

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// The header fields, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Returns the value of the first header field with this name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// Parses the body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// Sends a request to `host`, such as `127.0.0.1:5000`. Each header is a whole line, such as
/// `Accept: */*`.
///
/// # Errors
///
/// Returns an error if the server cannot be reached, or if the response is not HTTP.
pub fn request(host: &str, method: &str, path: &str, headers: &[&str]) -> io::Result<Response> {
    request_with_body(host, method, path, headers, &[])
}

/// Sends a request with a body.
///
/// # Errors
///
/// Returns an error in the same cases as [`request`].
pub fn request_with_body(
    host: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &[u8],
) -> io::Result<Response> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    // A server answers HTTP/1.0 without chunks, and closes the connection after the body.
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: {host}\r\n");
    for line in headers {
        head.push_str(line);
        head.push_str("\r\n");
    }
    if !body.is_empty() {
        write!(head, "Content-Length: {}\r\n", body.len()).expect("a string");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    parse_response(&response)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the response is not HTTP"))
}

/// Sends a `GET`.
///
/// # Errors
///
/// Returns an error in the same cases as [`request`].
pub fn get(host: &str, path: &str, headers: &[&str]) -> io::Result<Response> {
    request(host, "GET", path, headers)
}

fn parse_response(response: &[u8]) -> Option<Response> {
    let end = response
        .windows(4)
        .position(|window| window == b"\r\n\r\n")?;
    let (head, body) = response.split_at(end + 4);
    let mut lines = str::from_utf8(head).ok()?.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let field = |line: &str| {
        line.split_once(": ")
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
    };
    Some(Response {
        status,
        headers: lines.filter_map(field).collect(),
        body: body.to_owned(),
    })
}
