//! The page's server as a browser meets it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use confique::Config as _;
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uuid::Uuid;

use super::*;
use crate::domain::{CustomerId, CustomerRef, EventId, VisitKind};

const PATIENCE: Duration = Duration::from_secs(10);

struct TestPage {
    address: SocketAddr,
    shown: mpsc::Sender<Shown>,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), DisplayError>>,
}

impl TestPage {
    async fn start() -> Self {
        let mut settings = Settings::builder().load().unwrap();
        settings.listen.set_port(0);
        let listener = bind(&settings).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (shown, receiver) = mpsc::channel(8);
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            serve(listener, &settings, receiver, async { stopped.await.unwrap_or(()) }).await
        });
        Self { address, shown, stop, running }
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
    for path in ["/", "/style.css", "/app.js", "/icon.svg", "/events", "/nothing-here"] {
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

#[test]
fn text_enters_the_page_as_text() {
    let script = include_str!("page/app.js");
    for sink in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.contains(sink), "{sink}");
    }
    let page = include_str!("page/index.html");
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains(" style="));
}
