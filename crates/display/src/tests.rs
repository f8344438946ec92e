//! Tests of the server over HTTP.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use confique::Config as _;
use instored_domain::{
    Command, CommandFailure, CommandFailureCode, CommandResponse, Currency, CustomerId,
    CustomerRef, EventId, VisitKind,
};
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use super::server::PageFiles;
use super::*;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Running server on a free port, with its channels.
struct TestPage {
    address: SocketAddr,
    events: mpsc::Sender<DisplayEvent>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), DisplayError>>,
    commands: mpsc::Receiver<CommandRequest>,
}

impl TestPage {
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::builder().load().unwrap();
        change(&mut settings);
        settings.listen.set_port(0);
        let listener = bind(&settings).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, receiver) = mpsc::channel(8);
        let (stop, stopped) = oneshot::channel();
        let (command_sender, commands) = mpsc::channel(4);
        let task = tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap_or(()) };
            serve(listener, &settings, receiver, command_sender, stopped).await
        });
        Self { address, events, stop, task, commands }
    }

    async fn open(&self, path: &str, host: &str) -> Reader {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Reader { stream, text: String::new() }
    }

    async fn headers(&self, path: &str, host: &str) -> String {
        self.open(path, host).await.read_until("\r\n\r\n").await.to_lowercase()
    }
}

/// Reader of a streamed response.
struct Reader {
    stream: TcpStream,
    text: String,
}

impl Reader {
    /// Reads the text up to and including `end`.
    async fn read_until(&mut self, end: &str) -> String {
        let read = async {
            loop {
                if let Some(index) = self.text.find(end) {
                    let rest = self.text.split_off(index + end.len());
                    return std::mem::replace(&mut self.text, rest);
                }
                let mut buffer = [0; 4096];
                let length = self.stream.read(&mut buffer).await.unwrap();
                assert!(length > 0, "the response ended without {end:?}: {}", self.text);
                self.text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            }
        };
        timeout(TIMEOUT, read).await.expect("timeout: the expected text is missing")
    }

    async fn next_snapshot(&mut self) -> serde_json::Value {
        self.read_until("event: situation\ndata: ").await;
        serde_json::from_str(&self.read_until("\n\n").await).unwrap()
    }

    async fn read_to_end(&mut self) {
        let mut rest = vec![];
        timeout(TIMEOUT, self.stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    }
}

fn visit(customer: u128, lifetime: SignedDuration) -> DisplayEvent {
    let issued = Timestamp::now();
    DisplayEvent::Visit(VisitEvent {
        id: EventId(Uuid::from_u128(customer)),
        event: VisitKind::Arrived,
        customer: CustomerRef {
            id: CustomerId(Uuid::from_u128(customer)),
            name: Some("Ada".parse().unwrap()),
        },
        visits: 2,
        orders: vec![],
        recommendations: vec![],
        issued,
        expires: issued + lifetime,
    })
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let page = TestPage::start().await;
    for path in ["/", "/style.css", "/app.js", "/languages/en", "/events", "/nothing-here"] {
        let headers = page.headers(path, "127.0.0.1:8080").await;
        for header in [
            "content-security-policy: default-src 'none'; script-src 'self';",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert_eq!(headers.matches(header).count(), 1, "{path} lacks {header}:\n{headers}");
        }
    }
    assert!(page.headers("/", "localhost").await.contains("content-type: text/html"));
    assert!(page.headers("/app.js", "[::1]:8080").await.contains("text/javascript"));
    assert!(page.headers("/nothing-here", "localhost").await.starts_with("http/1.1 404"));
}

#[tokio::test]
async fn request_with_foreign_host_is_rejected() {
    let page = TestPage::start().await;
    for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "192.168.1.7", ""] {
        let headers = page.headers("/events", host).await;
        assert!(headers.starts_with("http/1.1 403"), "{host}: {headers}");
    }
}

#[tokio::test]
async fn event_stream_starts_with_snapshot_and_sends_changes() {
    let page = TestPage::start().await;
    let mut first_stream = page.open("/events", "localhost").await;
    let first_snapshot = first_stream.next_snapshot().await;
    assert_eq!((&first_snapshot["title"], &first_snapshot["link"]), (&"".into(), &true.into()));
    assert_eq!(first_snapshot["guests"], serde_json::json!([]));

    page.events.send(visit(1, SignedDuration::from_secs(60))).await.unwrap();
    assert_eq!(first_stream.next_snapshot().await["guests"][0]["customer"]["name"], "Ada");
    let mut second_stream = page.open("/events", "localhost").await;
    assert_eq!(second_stream.next_snapshot().await["guests"][0]["customer"]["name"], "Ada");

    page.events.send(DisplayEvent::BrokerConnection(false)).await.unwrap();
    assert_eq!(second_stream.next_snapshot().await["link"], false);
}

#[tokio::test]
async fn expired_visit_disappears_without_event() {
    let page = TestPage::start().await;
    let mut stream = page.open("/events", "localhost").await;
    stream.next_snapshot().await;
    page.events.send(visit(1, SignedDuration::from_millis(300))).await.unwrap();
    page.events.send(visit(2, SignedDuration::from_secs(60))).await.unwrap();
    while stream.next_snapshot().await["guests"].as_array().unwrap().len() < 2 {}
    let after_expiry = stream.next_snapshot().await;
    assert_eq!(after_expiry["guests"].as_array().unwrap().len(), 1);
    assert!(after_expiry["guests"][0]["customer"]["id"].as_str().unwrap().ends_with('2'));
}

#[tokio::test]
async fn shutdown_closes_event_streams() {
    let page = TestPage::start().await;
    let mut stream = page.open("/events", "localhost").await;
    stream.next_snapshot().await;
    page.stop.send(()).unwrap();
    stream.read_to_end().await;
    timeout(TIMEOUT, page.task).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(page.address).await.is_err());
}

#[tokio::test]
async fn bind_outside_loopback_without_token_fails() {
    let mut settings = Settings::builder().load().unwrap();
    settings.listen = (Ipv4Addr::UNSPECIFIED, 0).into();
    let error = bind(&settings).await.unwrap_err().to_string();
    assert!(error.contains("127.0.0.1"), "{error}");
}

/// Sends a command, as the page does, and returns the response.
async fn post(address: SocketAddr, headers: &str, body: &str) -> String {
    post_to(address, "/ask", headers, body).await
}

async fn post_to(address: SocketAddr, path: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\
         {headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    timeout(TIMEOUT, stream.read_to_string(&mut response)).await.unwrap().unwrap();
    response
}

const JSON_HEADERS: &str = "Content-Type: application/json\r\nOrigin: http://localhost\r\n";

fn rename_command(customer: u128) -> String {
    let customer = Uuid::from_u128(customer);
    format!(r#"{{"verb":"rename","customer":"{customer}","name":"Bo"}}"#)
}

#[tokio::test]
async fn command_is_sent_to_box_and_response_is_returned() {
    let page = TestPage::start().await;
    page.events.send(visit(1, SignedDuration::from_secs(60))).await.unwrap();
    page.open("/events", "localhost").await.read_until("Ada").await;
    let mut commands = page.commands;
    let box_task = tokio::spawn(async move {
        let CommandRequest { command, response_sender } = commands.recv().await.unwrap();
        let Command::Rename { customer, name } = command else { panic!("{command:?}") };
        response_sender
            .send(Ok(CommandResponse::Renamed(CustomerRef { id: customer, name })))
            .unwrap();
        let CommandRequest { response_sender, .. } = commands.recv().await.unwrap();
        response_sender
            .send(Err(CommandFailure::new(CommandFailureCode::NotFound, "gone")))
            .unwrap();
        commands
    });
    let response = post(page.address, JSON_HEADERS, &rename_command(1)).await;
    assert!(
        response.starts_with("HTTP/1.1 200") && response.contains(r#""name":"Bo""#),
        "{response}"
    );
    let response = post(page.address, JSON_HEADERS, &rename_command(1)).await;
    assert!(response.starts_with("HTTP/1.1 409") && response.contains("not_found"), "{response}");
    assert!(box_task.await.unwrap().is_empty());
}

#[tokio::test]
async fn command_that_page_may_not_send_is_rejected() {
    let page = TestPage::start().await;
    page.events.send(visit(1, SignedDuration::from_secs(60))).await.unwrap();
    page.open("/events", "localhost").await.read_until("Ada").await;
    let shown = Uuid::from_u128(1);
    for body in [
        rename_command(2),
        format!(r#"{{"verb":"at-till","customer":"{shown}","till":"1"}}"#),
        r#"{"verb":"present"}"#.to_owned(),
        r#"{"verb":"catalogue","remove":["1"]}"#.to_owned(),
    ] {
        let response = post(page.address, JSON_HEADERS, &body).await;
        assert!(response.starts_with("HTTP/1.1 403"), "{body}: {response}");
    }
    assert!(post(page.address, JSON_HEADERS, "{").await.starts_with("HTTP/1.1 400"));
    let long = format!(r#"{{"verb":"enrol","language":"{}"}}"#, "x".repeat(20_000));
    assert!(post(page.address, JSON_HEADERS, &long).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn command_from_another_site_is_rejected() {
    let page = TestPage::start().await;
    page.events.send(visit(1, SignedDuration::from_secs(60))).await.unwrap();
    page.open("/events", "localhost").await.read_until("Ada").await;
    for headers in [
        "Content-Type: application/json\r\nOrigin: https://evil.example\r\n",
        "Content-Type: application/json\r\nOrigin: null\r\n",
    ] {
        let response = post(page.address, headers, &rename_command(1)).await;
        assert!(response.starts_with("HTTP/1.1 403"), "{response}");
    }
    // A browser sends a form from another site without a CORS preflight, but cannot send it as JSON.
    let response = post(page.address, "Content-Type: text/plain\r\n", &rename_command(1)).await;
    assert!(response.starts_with("HTTP/1.1 415"), "{response}");
}

#[tokio::test]
async fn command_through_proxy_is_accepted_from_the_same_site() {
    let page = TestPage::start().await;
    let origin = "Content-Type: application/json\r\nOrigin: https://shop.example\r\n";
    for (proxy_headers, is_accepted) in [
        ("", false),
        ("X-Forwarded-Host: shop.example\r\n", true),
        ("X-Forwarded-Host: shop.example, inner.example\r\n", true),
        ("X-Forwarded-Host: other.example\r\n", false),
        ("X-Forwarded-Host: other.example, shop.example\r\n", false),
        ("Sec-Fetch-Site: same-origin\r\n", true),
        ("Sec-Fetch-Site: same-site\r\n", false),
        ("Sec-Fetch-Site: cross-site\r\n", false),
    ] {
        // The error of the invalid body is returned only to this site.
        let response = post(page.address, &format!("{origin}{proxy_headers}"), "{").await;
        let status = if is_accepted { "HTTP/1.1 400" } else { "HTTP/1.1 403" };
        assert!(response.starts_with(status), "{proxy_headers}: {response}");
    }
}

#[tokio::test]
async fn event_stream_is_not_buffered_by_proxy() {
    let page = TestPage::start().await;
    let headers = page.headers("/events", "localhost").await;
    assert!(headers.contains("x-accel-buffering: no"), "{headers}");
}

#[tokio::test]
async fn touch_keeps_customer_who_left() {
    let page = TestPage::start().await;
    let mut stream = page.open("/events", "localhost").await;
    stream.next_snapshot().await;
    let arrived = visit(1, SignedDuration::from_secs(60));
    page.events.send(arrived.clone()).await.unwrap();
    stream.read_until("Ada").await;
    let touch = format!(r#"{{"customer":"{}"}}"#, Uuid::from_u128(1));
    let foreign = "Content-Type: application/json\r\nOrigin: https://evil.example\r\n";
    let response = post_to(page.address, "/touch", foreign, &touch).await;
    assert!(response.starts_with("HTTP/1.1 403"), "{response}");
    let response = post_to(page.address, "/touch", JSON_HEADERS, &touch).await;
    assert!(response.starts_with("HTTP/1.1 204"), "{response}");
    stream.next_snapshot().await;
    let DisplayEvent::Visit(visit) = arrived else { unreachable!() };
    let left = VisitEvent { event: VisitKind::Left, ..visit };
    page.events.send(DisplayEvent::Visit(left)).await.unwrap();
    assert_eq!(stream.next_snapshot().await["guests"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn page_receives_exponents_of_all_currencies() {
    let page = TestPage::start().await;
    let mut response = page.open("/currencies", "localhost").await;
    response.read_until("\r\n\r\n").await;
    let exponents: serde_json::Value =
        serde_json::from_str(&response.read_until("}").await).unwrap();
    let currencies: Vec<_> = Currency::all().collect();
    assert_eq!(exponents.as_object().unwrap().len(), currencies.len());
    for currency in currencies {
        // The command line prints amounts with `display`.
        let printed = currency.display(1).to_string();
        let amount = printed.split(' ').next().unwrap();
        let decimals = amount.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        assert_eq!(exponents[currency.to_string()], decimals, "{printed}");
    }
}

#[tokio::test]
async fn page_with_token_rejects_request_without_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "short\n").unwrap();
    let error = auth::AccessPolicy::load(Some(&file)).err().unwrap().to_string();
    assert!(error.contains("16"), "{error}");

    let token = "0123456789abcdef0123456789abcdef";
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let page = TestPage::start_with(|settings| settings.token_file = Some(file)).await;
    for path in ["/", "/events", "/?token=", "/?token=0123456789abcdef", "/app.js"] {
        let headers = page.headers(path, "shop.example").await;
        assert!(headers.starts_with("http/1.1 403"), "{path}: {headers}");
    }
    let headers = page.headers(&format!("/?token={token}"), "shop.example").await;
    assert!(headers.starts_with("http/1.1 303") && headers.contains("location: /\r"), "{headers}");
    let cookie = format!("set-cookie: token={token}; httponly; samesite=strict");
    assert!(headers.contains(&cookie), "{headers}");
    let host = format!("shop.example\r\nCookie: other=1; token={token}");
    assert!(page.headers("/", &host).await.starts_with("http/1.1 200"));
}

/// Returns the strings that a schema allows.
fn allowed_strings(schema: &serde_json::Value) -> BTreeSet<String> {
    let mut strings: BTreeSet<_> =
        schema["const"].as_str().map(str::to_owned).into_iter().collect();
    for part in ["enum", "oneOf"].iter().flat_map(|key| schema[key].as_array()).flatten() {
        strings.extend(part.as_str().map(str::to_owned));
        strings.extend(if part.is_object() { allowed_strings(part) } else { BTreeSet::new() });
    }
    strings
}

#[test]
fn page_has_text_and_option_for_every_allergen() {
    let allergens = allowed_strings(schemars::schema_for!(instored_domain::Allergen).as_value());
    assert_eq!(allergens.len(), 14, "{allergens:?}");
    let translations = i18n::Translations::load(None).unwrap();
    let keys = translations.texts("en").unwrap().keys();
    let texts = keys.filter_map(|key| key.strip_prefix("allergen_")).map(str::to_owned);
    assert_eq!(texts.collect::<BTreeSet<_>>(), allergens);
    let (_, script) = include_str!("page/customer.js").split_once("const ALLERGENS = [").unwrap();
    let options = script.split(']').next().unwrap().split('"').skip(1).step_by(2);
    assert_eq!(options.map(str::to_owned).collect::<BTreeSet<_>>(), allergens);
}

#[test]
fn page_is_small_and_has_no_unsafe_sink_or_foreign_address() {
    let mut size = 0;
    for name in PageFiles::iter().filter(|name| !name.contains('/')) {
        let file = PageFiles::get(&name).unwrap();
        let text = std::str::from_utf8(&file.data).unwrap();
        size += text.len();
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!text.contains(sink), "{name}: {sink}");
        }
        let text = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("http://") && !text.contains("https://"), "{name}");
        assert!(!name.ends_with(".html") || !text.contains(" style="), "{name}");
    }
    assert!((10_000..100_000).contains(&size), "{size} bytes");
}
