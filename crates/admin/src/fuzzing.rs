//! Entry point of the fuzz target in `fuzz/`: lines of the admin socket.
//!
//! A valid request is preserved when it is encoded and parsed again, and so is the failure that responds
//! to an invalid line.

use instored_domain::fuzzing::json;
use instored_domain::{CommandFailure, CommandFailureCode};
use jiff::Timestamp;

use crate::{Request, Response, parse_request};

/// Fields of all requests.
const FIELDS: [&str; 13] = [
    "request",
    "customer",
    "code",
    "name",
    "view",
    "page",
    "orders",
    "order",
    "products",
    "skus",
    "limit",
    "passphrase",
    "duration",
];

/// Builds a line with [`json`], and parses it as a request and as a response. Returns true if the request is
/// valid.
pub fn admin_request(data: &[u8]) -> bool {
    let data = json(&FIELDS, data);
    // The daemon reads a line of text.
    let Ok(line) = str::from_utf8(&data) else { return false };
    check_result(line);
    match parse_request(line) {
        Ok(request) => {
            check_request(&request);
            true
        }
        Err(failure) => {
            assert_eq!(failure.code, CommandFailureCode::Malformed);
            let result: Result<Response, CommandFailure> = Err(failure);
            check_result(&serde_json::to_string(&result).expect("a failure can be encoded"));
            false
        }
    }
}

fn check_request(request: &Request) {
    if let Request::AddOrders { orders } = request
        && orders.iter().any(|order| order.check(Timestamp::MAX, None).is_err())
    {
        // The quantity of such an order may have more digits than a JSON number keeps.
        return;
    }
    let encoded = serde_json::to_string(request).expect("a request can be encoded");
    assert!(!encoded.contains('\n'), "a request is one line");
    let again = parse_request(&encoded).expect("an encoded request is valid");
    assert_eq!(serde_json::to_string(&again).expect("as before"), encoded);
}

fn check_result(line: &str) {
    let parse = serde_json::from_str::<Result<Response, CommandFailure>>;
    let Ok(result) = parse(line) else { return };
    let encoded = serde_json::to_string(&result).expect("a response can be encoded");
    assert!(!encoded.contains('\n'), "a response is one line");
    let again = parse(&encoded).expect("an encoded response is valid");
    assert_eq!(serde_json::to_string(&again).expect("as before"), encoded);
}
