//! Plain HTTP requests to the page.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Response of the page. The body of an event stream is cut off.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends a request with these header lines to `page`, the address of the server, and reads the response until the
/// server is silent for a moment.
pub fn request(page: &str, method: &str, path: &str, headers: &[String], body: &str) -> Response {
    let authority = page.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(authority).expect("the page is served");
    stream.set_read_timeout(Some(Duration::from_secs(15))).expect("a timeout");
    let host = headers.iter().any(|line| line.starts_with("Host:"));
    let host = if host { String::new() } else { format!("Host: {authority}\r\n") };
    let lines: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{host}{lines}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut text = Vec::new();
    let mut buffer = [0; 65536];
    loop {
        let count = stream.read(&mut buffer).expect("the server responds");
        text.extend_from_slice(&buffer[..count]);
        let is_stream = String::from_utf8_lossy(&text).contains("text/event-stream");
        let has_event = text.windows(2).any(|end| end == b"\n\n");
        if count == 0 || is_stream && has_event {
            break;
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Response {
        status: status.unwrap_or_else(|| panic!("no status in {head:?}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
