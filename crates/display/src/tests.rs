//! The page's server as a browser meets it.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use confique::Config as _;
use instored_domain::{
    Answer, Command, CustomerId, CustomerRef, EventId, Refusal, RefusalCode, VisitKind,
};
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);

struct TestPage {
    address: SocketAddr,
    shown: mpsc::Sender<Shown>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), DisplayError>>,
    asked: mpsc::Receiver<Asked>,
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
        let (shown, receiver) = mpsc::channel(8);
        let (stop, stopped) = oneshot::channel();
        let (asks, asked) = mpsc::channel(4);
        let running = tokio::spawn(async move {
            let stopped = async { stopped.await.unwrap_or(()) };
            serve(listener, &settings, receiver, asks, stopped).await
        });
        Self { address, shown, stop, running, asked }
    }

    async fn open(&self, path: &str, host: &str) -> Reader {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Reader { stream, text: String::new() }
    }

    async fn headers(&self, path: &str, host: &str) -> String {
        self.open(path, host).await.until("\r\n\r\n").await.to_lowercase()
    }
}

/// Reads a response as it comes.
struct Reader {
    stream: TcpStream,
    text: String,
}

impl Reader {
    /// What was read up to and with `end`.
    async fn until(&mut self, end: &str) -> String {
        let read = async {
            loop {
                if let Some(at) = self.text.find(end) {
                    let rest = self.text.split_off(at + end.len());
                    return std::mem::replace(&mut self.text, rest);
                }
                let mut buffer = [0; 4096];
                let length = self.stream.read(&mut buffer).await.unwrap();
                assert!(length > 0, "the response ended without {end:?}: {}", self.text);
                self.text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
            }
        };
        timeout(PATIENCE, read).await.expect("nothing more was sent")
    }

    async fn situation(&mut self) -> serde_json::Value {
        self.until("event: situation\ndata: ").await;
        serde_json::from_str(&self.until("\n\n").await).unwrap()
    }

    async fn end(&mut self) {
        let mut rest = vec![];
        timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    }
}

fn visit(customer: u128, lifetime: SignedDuration) -> Shown {
    let issued = Timestamp::now();
    Shown::Visit(VisitEvent {
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
async fn every_response_forbids_what_the_page_does_not_need() {
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
async fn a_foreign_name_that_points_here_is_refused() {
    let page = TestPage::start().await;
    for host in ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "192.168.1.7", ""] {
        let headers = page.headers("/events", host).await;
        assert!(headers.starts_with("http/1.1 403"), "{host}: {headers}");
    }
}

#[tokio::test]
async fn a_late_page_begins_with_the_situation_and_goes_on_with_what_happens() {
    let page = TestPage::start().await;
    let mut early = page.open("/events", "localhost").await;
    let first = early.situation().await;
    assert_eq!((&first["title"], &first["link"]), (&"Welcome".into(), &true.into()));
    assert_eq!(first["guests"], serde_json::json!([]));

    page.shown.send(visit(1, SignedDuration::from_secs(60))).await.unwrap();
    assert_eq!(early.situation().await["guests"][0]["customer"]["name"], "Ada");
    let mut late = page.open("/events", "localhost").await;
    assert_eq!(late.situation().await["guests"][0]["customer"]["name"], "Ada");

    page.shown.send(Shown::Link(false)).await.unwrap();
    assert_eq!(late.situation().await["link"], false);
}

#[tokio::test]
async fn what_expires_leaves_by_itself() {
    let page = TestPage::start().await;
    let mut pages = page.open("/events", "localhost").await;
    pages.situation().await;
    page.shown.send(visit(1, SignedDuration::from_millis(300))).await.unwrap();
    page.shown.send(visit(2, SignedDuration::from_secs(60))).await.unwrap();
    let guests = loop {
        let situation = pages.situation().await;
        let guests = situation["guests"].as_array().unwrap().clone();
        if guests.len() == 2 {
            break guests;
        }
    };
    assert_eq!(guests.len(), 2);
    let left = pages.situation().await;
    assert_eq!(left["guests"].as_array().unwrap().len(), 1, "without anything further happening");
    assert!(left["guests"][0]["customer"]["id"].as_str().unwrap().ends_with('2'));
}

#[tokio::test]
async fn a_stop_closes_open_pages() {
    let page = TestPage::start().await;
    let mut open = page.open("/events", "localhost").await;
    open.situation().await;
    page.stop.send(()).unwrap();
    open.end().await;
    timeout(PATIENCE, page.running).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(page.address).await.is_err());
}

#[tokio::test]
async fn the_page_stays_on_this_machine() {
    let mut settings = Settings::builder().load().unwrap();
    settings.listen = (Ipv4Addr::UNSPECIFIED, 0).into();
    let refusal = bind(&settings).await.unwrap_err().to_string();
    assert!(refusal.contains("127.0.0.1"), "{refusal}");
}

/// A request that sends something, as a browser's page does.
async fn post(page: &TestPage, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(page.address).await.unwrap();
    let length = body.len();
    let request = format!(
        "POST /ask HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\
         {headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

const JSON: &str = "Content-Type: application/json\r\nOrigin: http://localhost\r\n";

fn rename(customer: u128) -> String {
    let customer = Uuid::from_u128(customer);
    format!(r#"{{"verb":"rename","customer":"{customer}","name":"Bo"}}"#)
}

#[tokio::test]
async fn what_a_customer_wants_is_asked_of_the_box_and_its_answer_comes_back() {
    let mut page = TestPage::start().await;
    page.shown.send(visit(1, SignedDuration::from_secs(60))).await.unwrap();
    page.open("/events", "localhost").await.until("Ada").await;
    let answers = async {
        let Asked { command, answer } = page.asked.recv().await.unwrap();
        let Command::Rename { customer, name } = command else { panic!("{command:?}") };
        answer.send(Ok(Answer::Renamed(CustomerRef { id: customer, name }))).unwrap();
        let Asked { answer, .. } = page.asked.recv().await.unwrap();
        answer.send(Err(Refusal::new(RefusalCode::NotFound, "gone"))).unwrap();
        page.asked
    };
    let address = page.address;
    let (shown, stop, running) = (page.shown, page.stop, page.running);
    let asks = tokio::spawn(answers);
    let page = TestPage { address, shown, stop, running, asked: mpsc::channel(1).1 };
    let answer = post(&page, JSON, &rename(1)).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(r#""name":"Bo""#), "{answer}");
    let answer = post(&page, JSON, &rename(1)).await;
    assert!(answer.starts_with("HTTP/1.1 409") && answer.contains("not_found"), "{answer}");
    assert!(asks.await.unwrap().is_empty());
}

#[tokio::test]
async fn the_page_asks_nothing_but_a_customers_own_affairs_and_only_of_who_is_shown() {
    let page = TestPage::start().await;
    page.shown.send(visit(1, SignedDuration::from_secs(60))).await.unwrap();
    page.open("/events", "localhost").await.until("Ada").await;
    let shown = Uuid::from_u128(1);
    for body in [
        rename(2),
        format!(r#"{{"verb":"at-till","customer":"{shown}","till":"1"}}"#),
        r#"{"verb":"present"}"#.to_owned(),
        r#"{"verb":"catalogue","remove":["1"]}"#.to_owned(),
        r#"{"verb":"enrol","another_person":true}"#.to_owned(),
    ] {
        let answer = post(&page, JSON, &body).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{body}: {answer}");
    }
    assert!(post(&page, JSON, "{").await.starts_with("HTTP/1.1 400"));
    let long = format!(r#"{{"verb":"enrol","language":"{}"}}"#, "x".repeat(20_000));
    assert!(post(&page, JSON, &long).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_page_of_another_site_cannot_ask() {
    let page = TestPage::start().await;
    page.shown.send(visit(1, SignedDuration::from_secs(60))).await.unwrap();
    page.open("/events", "localhost").await.until("Ada").await;
    for headers in [
        "Content-Type: application/json\r\nOrigin: https://evil.example\r\n",
        "Content-Type: application/json\r\nOrigin: null\r\n",
    ] {
        let answer = post(&page, headers, &rename(1)).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
    // What a form may send without being asked whether it may.
    let answer = post(&page, "Content-Type: text/plain\r\n", &rename(1)).await;
    assert!(answer.starts_with("HTTP/1.1 415"), "{answer}");
}

#[tokio::test]
async fn with_a_token_the_page_is_for_those_who_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "short\n").unwrap();
    let mut settings = Settings::builder().load().unwrap();
    settings.token_file = Some(file.clone());
    let weak = access::Access::of(settings.token_file.as_deref()).err().unwrap().to_string();
    assert!(weak.contains("16"), "{weak}");

    let token = "0123456789abcdef0123456789abcdef";
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let page = TestPage::start_with(|s| s.token_file = Some(file)).await;
    for path in ["/", "/events", "/?token=", "/?token=0123456789abcdef", "/app.js"] {
        let headers = page.headers(path, "shop.example").await;
        assert!(headers.starts_with("http/1.1 403"), "{path}: {headers}");
    }
    let welcome = page.headers(&format!("/?token={token}"), "shop.example").await;
    assert!(welcome.starts_with("http/1.1 303") && welcome.contains("location: /\r"), "{welcome}");
    let wanted = format!("set-cookie: token={token}; httponly; samesite=strict");
    assert!(welcome.contains(&wanted), "{welcome}");
    let host = format!("shop.example\r\nCookie: other=1; token={token}");
    assert!(page.headers("/", &host).await.starts_with("http/1.1 200"));
}

/// The texts that a schema allows.
fn choices(schema: &serde_json::Value) -> BTreeSet<String> {
    let mut found: BTreeSet<_> = schema["const"].as_str().map(str::to_owned).into_iter().collect();
    for part in ["enum", "oneOf"].iter().flat_map(|key| schema[key].as_array()).flatten() {
        found.extend(part.as_str().map(str::to_owned));
        found.extend(if part.is_object() { choices(part) } else { BTreeSet::new() });
    }
    found
}

#[test]
fn the_page_has_words_for_every_allergen_and_offers_each() {
    let known = choices(schemars::schema_for!(instored_domain::Allergen).as_value());
    assert_eq!(known.len(), 14, "{known:?}");
    let languages = languages::Languages::load(None).unwrap();
    let words = languages.words("en").unwrap().keys();
    let named = words.filter_map(|key| key.strip_prefix("allergen_")).map(str::to_owned);
    assert_eq!(named.collect::<BTreeSet<_>>(), known);
    let (_, script) = include_str!("page/customer.js").split_once("const ALLERGENS = [").unwrap();
    let offered = script.split(']').next().unwrap().split('"').skip(1).step_by(2);
    assert_eq!(offered.map(str::to_owned).collect::<BTreeSet<_>>(), known);
}

#[test]
fn the_page_is_small_and_takes_in_text_as_text() {
    let mut size = 0;
    for (path, kind, text) in server::FILES {
        size += text.len();
        for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!text.contains(sink), "{path}: {sink}");
        }
        let outside = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http://") && !outside.contains("https://"), "{path}");
        assert!(!kind.contains("html") || !text.contains(" style="), "{path}");
    }
    assert!(size < 100_000, "{size} bytes");
}
