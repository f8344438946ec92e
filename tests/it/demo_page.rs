//! The demonstration's page in a real browser.

use crate::support::box_permit::acquire;
use crate::support::browser::Browser;
use crate::support::page::{CUT_OFF, IS_AT_REST};
use crate::support::test_box::start_demo;

/// Returns a script that returns the text of a customer's card, or null before the greeting.
fn card_of(name: &str) -> String {
    format!(
        "if (document.body.dataset.state !== 'greeting') return null;
         const cards = [...document.querySelectorAll('article[data-customer]:not(.leaving)')];
         const card = cards.find((card) => card.innerText.includes('{name}'));
         return card ? card.innerText : null;"
    )
}

/// Script that returns true while nobody is greeted.
const IS_IDLE: &str = "return document.body.dataset.state === 'quiet' \
                              && !document.querySelector('article')";

/// Script that returns true while the page shows a claim code.
const SHOWS_CLAIM_CODE: &str = "return /[0-9A-Z]{4}-[0-9A-Z]{4}/.test(document.body.innerText)";

#[tokio::test]
async fn page_shows_enrolment_greeting_and_idle_view() {
    let _permit = acquire();
    let browser = Browser::start(1280, 800).await;
    let folder = tempfile::tempdir().unwrap();
    let (_demo, page) = start_demo(folder.path());
    browser.client.goto(&page).await.unwrap();

    browser.wait_for("an enrolment", "return document.body.dataset.state === 'enrolling'").await;
    browser.wait_for("a claim code", SHOWS_CLAIM_CODE).await;
    browser.wait_for("the page at rest", IS_AT_REST).await;
    browser.screenshot("enrolled.png").await;

    let card = browser.wait_for("the greeting of Alex", &card_of("Alex")).await;
    let card = card.as_str().unwrap();
    browser.wait_for("the page at rest", IS_AT_REST).await;
    browser.screenshot("greeting.png").await;
    for text in ["Welcome back", "Alex", "Last time", "Oat milk", "€", "Again?"] {
        assert!(card.contains(text), "`{text}` is missing in:\n{card}");
    }
    let reasons =
        "return [...document.querySelectorAll('article .reason')].map((r) => r.innerText)";
    let reasons = browser.run_script(reasons).await;
    let reasons = reasons.as_array().unwrap();
    assert!(!reasons.is_empty(), "{card}");
    assert!(reasons.iter().all(|r| r.as_str().is_some_and(|r| !r.trim().is_empty())), "{card}");
    assert_eq!(browser.run_script(CUT_OFF).await, serde_json::json!([]));

    browser.wait_for("idle after Alex has left", IS_IDLE).await;
    let shown = browser.run_script("return document.body.innerText").await;
    assert!(!shown.as_str().unwrap().contains("Alex"), "{shown}");
    browser.screenshot("quiet.png").await;

    // The next greeting is shown in portrait format.
    browser.client.set_window_size(800, 1280).await.unwrap();
    browser.wait_for("the greeting of Bea", &card_of("Bea")).await;
    browser.wait_for("the page at rest", IS_AT_REST).await;
    browser.screenshot("greeting-upright.png").await;
    assert_eq!(browser.run_script(CUT_OFF).await, serde_json::json!([]));

    let loaded =
        "return performance.getEntries().filter((e) => e.name.includes('://')).map((e) => e.name)";
    let loaded = browser.run_script(loaded).await;
    let loaded: Vec<_> = loaded.as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect();
    assert!(loaded.iter().any(|name| name.ends_with("/app.js")), "{loaded:?}");
    assert!(loaded.iter().all(|name| name.starts_with(&page)), "{loaded:?}");
}
