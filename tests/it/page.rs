//! The page, seen in a real browser while the demonstration plays.

use crate::support::browser::Browser;
use crate::support::entrance::{program, start};
use crate::support::serial::turn;

/// The text of a guest's card, once the page greets; null before.
fn card_of(name: &str) -> String {
    format!(
        "if (document.body.dataset.state !== 'greeting') return null;
         const cards = [...document.querySelectorAll('article[data-customer]:not(.leaving)')];
         const card = cards.find((card) => card.innerText.includes('{name}'));
         return card ? card.innerText : null;"
    )
}

const STATE_IS_QUIET: &str = "return document.body.dataset.state === 'quiet' \
                              && !document.querySelector('article')";

/// The code with which a till links an order to whoever has just enrolled.
const SHOWS_A_CODE: &str = "return /[0-9A-Z]{4}-[0-9A-Z]{4}/.test(document.body.innerText)";

/// Cards, and what stands in them, that reach beyond the window.
const CUT_OFF: &str = "const outside = (e) => {
       const box = e.getBoundingClientRect();
       return box.left < -1 || box.top < -1 || box.right > innerWidth + 1
           || box.bottom > innerHeight + 1;
     };
     return [...document.querySelectorAll('article, article h1, article li, article .total')]
         .filter((e) => e.getClientRects().length > 0 && outside(e)).map((e) => e.innerText);";

/// Long enough for what fades to have faded.
const ANIMATIONS_ARE_OVER: &str =
    "return document.getAnimations().every((a) => a.playState !== 'running')";

#[tokio::test]
async fn the_page_shows_an_enrolment_then_a_greeting_with_reasons_and_is_quiet_again() {
    let _turn = turn();
    let browser = Browser::start(1280, 800).await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(["demo", "--listen", "127.0.0.1:0"]).env("TMPDIR", folder.path());
    let demo = start(&mut command);
    let address =
        |line: &str| line.split_whitespace().find(|w| w.starts_with("http://")).map(str::to_owned);
    let (_, page) = demo.stdout.find(0, "the page's address", address);
    browser.client.goto(&page).await.unwrap();

    browser.until("an enrolment", "return document.body.dataset.state === 'enrolling'").await;
    browser.until("a claim code", SHOWS_A_CODE).await;
    browser.until("the page at rest", ANIMATIONS_ARE_OVER).await;
    browser.screenshot("enrolled.png").await;

    let card = browser.until("the greeting of Alex", &card_of("Alex")).await;
    let card = card.as_str().unwrap();
    browser.until("the page at rest", ANIMATIONS_ARE_OVER).await;
    browser.screenshot("greeting.png").await;
    for wanted in ["Welcome back", "Alex", "Last time", "Oat milk", "€", "Again?"] {
        assert!(card.contains(wanted), "`{wanted}` is missing in:\n{card}");
    }
    let reasons =
        "return [...document.querySelectorAll('article .reason')].map((r) => r.innerText)";
    let reasons = browser.ask(reasons).await;
    let reasons = reasons.as_array().unwrap();
    assert!(!reasons.is_empty(), "{card}");
    assert!(reasons.iter().all(|r| r.as_str().is_some_and(|r| !r.trim().is_empty())), "{card}");
    assert_eq!(browser.ask(CUT_OFF).await, serde_json::json!([]));

    browser.until("quiet when Alex has left", STATE_IS_QUIET).await;
    let shown = browser.ask("return document.body.innerText").await;
    assert!(!shown.as_str().unwrap().contains("Alex"), "{shown}");
    browser.screenshot("quiet.png").await;

    // A screen that stands upright.
    browser.client.set_window_size(800, 1280).await.unwrap();
    browser.until("the greeting of Bea", &card_of("Bea")).await;
    browser.until("the page at rest", ANIMATIONS_ARE_OVER).await;
    browser.screenshot("greeting-upright.png").await;
    assert_eq!(browser.ask(CUT_OFF).await, serde_json::json!([]));

    let loaded =
        "return performance.getEntries().filter((e) => e.name.includes('://')).map((e) => e.name)";
    let loaded = browser.ask(loaded).await;
    let loaded: Vec<_> = loaded.as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect();
    assert!(loaded.iter().any(|name| name.ends_with("/app.js")), "{loaded:?}");
    assert!(loaded.iter().all(|name| name.starts_with(&page)), "{loaded:?}");
}
