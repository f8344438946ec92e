//! The display's page while one of its links is cut: to the broker, to the box, or to its server.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::mosquitto::{Mosquitto, Subscriber};
use crate::support::page::{click, touch};
use crate::support::process::Process;
use crate::support::signed_box::{SignedBox, now};
use crate::support::tcp_proxy::{Link, TcpProxy};

/// Returns a script that returns true if this name is greeted.
fn is_greeted(name: &str) -> String {
    format!(
        "return [...document.querySelectorAll('article:not(.leaving) h1')]
            .some((h) => h.textContent === '{name}')"
    )
}

const NOBODY_IS_GREETED: &str = "return !document.querySelector('article:not(.leaving)')";

/// Waits until nobody is greeted, and returns the time that it took.
async fn wait_for_nobody(browser: &Browser) -> Duration {
    let start = Instant::now();
    browser.wait_for("nobody is greeted", NOBODY_IS_GREETED).await;
    start.elapsed()
}

/// Opens a page of the display and greets Ada.
async fn greet_at(shop: &SignedBox, page: &str) -> Browser {
    let browser = Browser::start(1280, 800).await;
    browser.client.goto(page).await.unwrap();
    shop.publish("visit", &shop.visit("arrived", 1, "Ada", 600.0));
    browser.wait_for("Ada", &is_greeted("Ada")).await;
    browser
}

/// Starts a display with environment variables, opens its page and greets Ada.
async fn greet(shop: &SignedBox, environment: &[(&str, &str)]) -> (Browser, Process) {
    let (display, page) = shop.start_display(environment);
    (greet_at(shop, &page).await, display)
}

/// Starts a display, opens its page through a proxy and greets Ada.
async fn greet_through_proxy(shop: &SignedBox) -> (Browser, Process, TcpProxy) {
    let (display, page) = shop.start_display(&[]);
    let port = page.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
    let proxy = TcpProxy::start(port.expect("the page's address has a port"));
    let browser = greet_at(shop, &format!("http://127.0.0.1:{}/", proxy.port)).await;
    (browser, display, proxy)
}

fn next_command(subscriber: &mut Subscriber, verb: &str) -> Value {
    subscriber.next(verb, "the command", |message| Some(message.json()))
}

#[tokio::test]
async fn customers_disappear_5_seconds_after_broker_is_lost() {
    let mut broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let (browser, _display) = greet(&shop, &[]).await;
    broker.stop();
    let elapsed = wait_for_nobody(&browser).await;
    assert!((4.0..7.0).contains(&elapsed.as_secs_f64()), "{elapsed:?}");
}

#[tokio::test]
async fn customers_disappear_5_seconds_after_box_is_offline() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let (browser, _display) = greet(&shop, &[]).await;
    shop.publish_signed_for("instored/entrance/availability", "", 0, "offline");
    let elapsed = wait_for_nobody(&browser).await;
    assert!((4.0..7.0).contains(&elapsed.as_secs_f64()), "{elapsed:?}");
}

#[tokio::test]
async fn customers_disappear_within_keep_alive_of_silent_broker() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let proxy = TcpProxy::start(broker.port);
    let port = proxy.port.to_string();
    let environment =
        [("INSTORED_MQTT_PORT", port.as_str()), ("INSTORED_MQTT_KEEP_ALIVE_SECONDS", "8")];
    let (browser, _display) = greet(&shop, &environment).await;
    proxy.set(Link::Silent);
    let elapsed = wait_for_nobody(&browser).await;
    // One and a half keep-alive intervals, and a second for the page.
    assert!(elapsed < Duration::from_secs(13), "{elapsed:?}");
}

#[tokio::test]
async fn dismissed_greeting_is_hidden_at_once_and_reported_later() {
    let mut broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let (browser, display) = greet(&shop, &[]).await;
    broker.stop();
    assert!(click(&browser, &["button|This is not me"]).await);
    let elapsed = wait_for_nobody(&browser).await;
    assert!(elapsed < Duration::from_secs(2), "{elapsed:?}");

    broker.restart();
    let mut subscriber = broker.subscribe();
    display.stderr.wait_for("connected to the MQTT broker");
    browser
        .wait_for("the broker", "return document.querySelector('#status').textContent === ''")
        .await;
    shop.publish("visit", &shop.visit("changed", 1, "Ada", 600.0));
    let id = "00000000-0000-0000-0000-000000000001";
    assert_eq!(next_command(&mut subscriber, "not-me"), json!({ "customer": id }));
    assert_eq!(browser.run_script(NOBODY_IS_GREETED).await, true);
    // The customer of the greeting comes later.
    shop.publish("visit", &shop.visit("left", 1, "Ada", 60.0));
    shop.publish("visit", &shop.visit("arrived", 1, "Ada", 600.0));
    browser.wait_for("Ada", &is_greeted("Ada")).await;
}

#[tokio::test]
async fn failed_change_of_list_is_reported() {
    let mut broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let (browser, mut display, _proxy) = greet_through_proxy(&shop).await;
    broker.stop();
    display.kill();
    assert!(click(&browser, &[".mark"]).await);
    let status = "return document.querySelector('#status').textContent.includes('did not work')";
    browser.wait_for("the fault", status).await;
}

#[tokio::test]
async fn page_returns_after_error_of_proxy() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let (browser, _display, proxy) = greet_through_proxy(&shop).await;
    proxy.cut(Link::BadGateway);
    let elapsed = wait_for_nobody(&browser).await;
    assert!((4.0..8.0).contains(&elapsed.as_secs_f64()), "{elapsed:?}");
    proxy.cut(Link::Open);
    shop.publish("visit", &shop.visit("arrived", 2, "Bea", 600.0));
    browser.wait_for("Bea", &is_greeted("Bea")).await;
}

#[tokio::test]
async fn customers_disappear_from_page_whose_server_is_silent() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let (browser, _display, proxy) = greet_through_proxy(&shop).await;
    proxy.set(Link::Silent);
    let elapsed = wait_for_nobody(&browser).await;
    assert!(elapsed < Duration::from_secs(24), "{elapsed:?}");
    let status = "return document.querySelector('#status').textContent === 'Reconnecting…'";
    browser.wait_for("the lost server", status).await;
    proxy.cut(Link::Open);
    browser.wait_for("Ada", &is_greeted("Ada")).await;
}

#[tokio::test]
async fn page_of_another_version_reloads() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let (browser, _display, proxy) = greet_through_proxy(&shop).await;
    browser.run_script("window.isOldPage = true").await;
    // The same version: the page stays.
    proxy.cut(Link::Open);
    shop.publish("visit", &shop.visit("arrived", 2, "Bea", 600.0));
    browser.wait_for("Bea", &is_greeted("Bea")).await;
    assert_eq!(browser.run_script("return window.isOldPage").await, true);
    proxy.cut(Link::Replacing("\"version\":\"0", "\"version\":\"9"));
    browser
        .wait_for("the new page", "return !window.isOldPage && document.querySelector('article')")
        .await;
}

#[tokio::test]
async fn display_requests_greetings_of_present_customers() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (_display, page) = shop.start_display(&[]);
    browser.client.goto(&page).await.unwrap();
    shop.publish_signed_for("instored/entrance/availability", "", 0, "online");
    assert_eq!(next_command(&mut subscriber, "present"), json!({ "greetings": true }));
    shop.publish("visit", &shop.visit("changed", 1, "Ada", 600.0));
    browser.wait_for("Ada", &is_greeted("Ada")).await;
}

#[tokio::test]
async fn touch_keeps_customer_on_page_for_20_seconds() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let (browser, _display) = greet(&shop, &[]).await;
    shop.publish("visit", &shop.visit("arrived", 2, "Bea", 600.0));
    browser.wait_for("Bea", &is_greeted("Bea")).await;
    touch(&browser, &["button|This is not me"]).await;
    browser
        .wait_for("Ada is dismissed", &format!("return !(() => {{ {} }})()", is_greeted("Ada")))
        .await;
    let touched = now();
    touch(&browser, &["article h1|Bea"]).await;
    shop.publish("visit", &shop.visit("left", 2, "Bea", 60.0));
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(browser.run_script(&is_greeted("Bea")).await, true);
    wait_for_nobody(&browser).await;
    let elapsed = now() - touched;
    assert!((19.0..24.0).contains(&elapsed), "{elapsed}");
}
