//! Entry points of the fuzz targets in `fuzz/`: HTTP requests, and translation files of the shop.

use std::collections::BTreeMap;
use std::future::{IntoFuture as _, pending};
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::serve::Listener;
use futures_util::FutureExt as _;
use instored_domain::fuzzing::json as json_or_fields;
use instored_domain::{BuyerRef, Command, CommandFailure, CommandResponse, CustomerId, VisitEvent};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::{mpsc, watch};

use crate::DisplayEvent;
use crate::api::{CommandGateway, CommandRequest};
use crate::auth::AccessPolicy;
use crate::i18n::{ENGLISH, Translations, language_tag, parse_texts};
use crate::server::{SharedData, router};
use crate::state::{DisplayState, PageSettings};

/// Customer whom the page shows.
const SHOWN: &str = "00000000-0000-0000-0000-000000000007";

/// Fields of the commands that the page sends.
const COMMAND_KEYS: [&str; 14] = [
    "verb",
    "customer",
    "name",
    "language",
    "another_person",
    "recommendations",
    "history",
    "allergens",
    "by",
    "page",
    "limit",
    "add",
    "remove",
    "till",
];

/// Digest of an unknown token.
const UNKNOWN_TOKEN: AccessPolicy = AccessPolicy::Token([7; 32]);

/// Number of times that the server runs until it waits for the client.
const TURNS: usize = 32;

/// Size of the buffer between client and server, in bytes. It is larger than each response.
const BUFFER_BYTES: usize = 4 << 20;

/// Sends a request to the server. The first byte selects the part of the request that is in the data: all
/// of it, the path, a command (see [`json_or_fields`]), a touch, the headers of a valid command, or a whole
/// request to a page that needs a token. Returns true if the server executes the request.
pub fn http_request(data: &[u8]) -> bool {
    let Some((selector, data)) = data.split_first() else { return false };
    let selector = selector % 6;
    let rename = format!(r#"{{"verb":"rename","customer":"{SHOWN}","name":"Zoe"}}"#);
    let request = match selector {
        0 | 5 => data.to_vec(),
        1 => [b"GET /", data, b" HTTP/1.1\r\nhost: localhost\r\n\r\n"].concat(),
        2 => post("/ask", b"host: localhost", &json_or_fields(&COMMAND_KEYS, data)),
        3 => post("/touch", b"host: localhost", data),
        _ => post("/ask", data, rename.as_bytes()),
    };
    let policy = if selector == 5 { UNKNOWN_TOKEN } else { AccessPolicy::Loopback };
    let (response, commands) = send(&request, policy);
    let response = String::from_utf8_lossy(&response);
    for command in &commands {
        assert!(is_allowed(command), "the page may not send {command:?}");
    }
    assert!(response.is_empty() || response.starts_with("HTTP/1."), "{response}");
    let has_succeeded = response.get(9..10) == Some("2");
    if has_succeeded {
        assert!(response.contains("content-security-policy: default-src 'none'"), "{response}");
    }
    if selector == 2 {
        check_json(&response);
    }
    if selector == 5 {
        assert!(!has_succeeded && commands.is_empty(), "access without the token: {response}");
    }
    has_succeeded
}

fn post(path: &str, headers: &[u8], body: &[u8]) -> Vec<u8> {
    let start = format!(
        "POST {path} HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    [start.as_bytes(), headers, b"\r\n\r\n", body].concat()
}

fn is_allowed(command: &Command) -> bool {
    let customer = match command {
        Command::Forget { customer, .. }
        | Command::NotMe { customer }
        | Command::Rename { customer, .. }
        | Command::Preferences { customer, .. }
        | Command::History { customer, .. }
        | Command::List { buyer: BuyerRef::Customer(customer), .. } => customer,
        Command::Enrol { .. } | Command::Agree { .. } => return true,
        _ => return false,
    };
    *customer == shown_customer()
}

/// Checks that the response to a command is the box's response, or an error with its code.
fn check_json(response: &str) {
    let (_, body) = response.split_once("\r\n\r\n").expect("a complete response");
    let body: Value = serde_json::from_str(body).expect("a body of JSON");
    match body.get("error") {
        Some(error) => {
            let failure = serde_json::from_value::<CommandFailure>(error.clone());
            assert!(!failure.expect("a failure").message.is_empty());
        }
        None => assert_eq!(body, json!({ "enrolling": {} })),
    }
}

fn shown_customer() -> CustomerId {
    SHOWN.parse().expect("an id")
}

/// Returns the state of a display that shows one customer.
fn state() -> DisplayState {
    let visit: VisitEvent = serde_json::from_value(json!({
        "id": SHOWN, "event": "arrived", "customer": { "id": SHOWN, "name": "Zoe" }, "visits": 2,
        "orders": [], "recommendations": [],
        "issued": Timestamp::now(), "expires": "9000-01-01T00:00:00Z",
    }))
    .expect("a visit");
    let mut state = DisplayState::default();
    for event in [
        DisplayEvent::BrokerConnection(true),
        DisplayEvent::Availability(true),
        DisplayEvent::Visit(visit),
    ] {
        state.apply(event, Timestamp::now());
    }
    assert!(state.is_shown(shown_customer(), Timestamp::now()));
    state
}

/// Sends `request` to a server, and returns its response and the commands for the box.
fn send(request: &[u8], policy: AccessPolicy) -> (Vec<u8>, Vec<Command>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(async {
        let (command_sender, mut requests) = mpsc::channel(4);
        let (use_sender, _uses) = mpsc::channel(4);
        let (_state, watched_state) = watch::channel(state());
        let gateway =
            CommandGateway { state: watched_state, commands: command_sender, uses: use_sender };
        let (mut client, server) = duplex(BUFFER_BYTES);
        let listener = SingleConnection(Some(server));
        tokio::spawn(axum::serve(listener, page(gateway, policy)).into_future());
        let mut response = Vec::new();
        let mut commands = Vec::new();
        client.write_all(request).await.expect("the request fits into the buffer");
        for _ in 0..TURNS {
            while let Ok(CommandRequest { command, response_sender }) = requests.try_recv() {
                commands.push(command);
                let _ = response_sender.send(Ok(CommandResponse::Enrolling {}));
            }
            tokio::task::yield_now().await;
        }
        while let Some(Ok(1..)) = client.read_buf(&mut response).now_or_never() {}
        (response, commands)
    })
}

fn page(gateway: CommandGateway, policy: AccessPolicy) -> Router {
    static TRANSLATIONS: OnceLock<Arc<Translations>> = OnceLock::new();
    let translations = TRANSLATIONS.get_or_init(|| Arc::new(shipped_translations()));
    let settings = PageSettings {
        title: "Welcome".to_owned(),
        language: None,
        is_private: false,
        version: "1".to_owned(),
    };
    let (settings, translations) = (Arc::new(settings), Arc::clone(translations));
    router(SharedData { settings, translations, gateway }, policy)
}

fn shipped_translations() -> Translations {
    Translations::load(None).expect("the shipped translations are valid")
}

/// Listener that accepts one connection.
struct SingleConnection(Option<DuplexStream>);

impl Listener for SingleConnection {
    type Io = DuplexStream;
    type Addr = ();

    async fn accept(&mut self) -> (DuplexStream, ()) {
        match self.0.take() {
            Some(stream) => (stream, ()),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Adds a translation file. The first line of the data is the file's name, the rest its contents. If the
/// first byte is odd, each line of the contents is one text, and its first byte selects the key. Returns
/// true if the file is valid.
pub fn translation(data: &[u8]) -> bool {
    static TRANSLATIONS: OnceLock<Translations> = OnceLock::new();
    let shipped = TRANSLATIONS.get_or_init(shipped_translations);
    let english = shipped.texts(ENGLISH).expect("English is shipped");
    let Ok(text) = str::from_utf8(data) else { return false };
    let mut selector_and_rest = text.chars();
    let Some(selector) = selector_and_rest.next() else { return false };
    let (name, contents) =
        selector_and_rest.as_str().split_once('\n').unwrap_or((selector_and_rest.as_str(), ""));
    let is_generated = u32::from(selector) % 2 == 1;
    let generated: BTreeMap<&str, &str> = contents
        .lines()
        .filter_map(|line| {
            let key = line.chars().next()?;
            let key = english.keys().nth(u32::from(key) as usize % english.len())?;
            Some((key.as_str(), line))
        })
        .collect();
    let contents = if is_generated { json!(generated).to_string() } else { contents.to_owned() };

    let path = Path::new(name);
    let tag = language_tag(path);
    let texts = parse_texts(path, &contents, english);
    assert!(!is_generated || texts.is_ok(), "a file with known keys is rejected");
    let (tag, texts) = match (tag, texts) {
        (Ok(tag), Ok(texts)) => (tag, texts),
        (Err(error), _) | (_, Err(error)) => {
            assert!(error.to_string().contains(&path.display().to_string()));
            return false;
        }
    };
    let mut translations = shipped.clone();
    translations.add(tag.clone(), texts.clone(), english);
    let added = translations.texts(&tag).expect("the language is added");
    assert!(english.keys().all(|key| added.contains_key(key)), "a text is missing");
    assert!(texts.iter().all(|(key, text)| added.get(key) == Some(text)), "a text is lost");
    assert!(shipped.languages().len() <= translations.languages().len());
    true
}
