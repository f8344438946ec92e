//! The page in a real browser, with a box that says what each test wants to be seen.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::browser::Browser;
use crate::support::mosquitto::Mosquitto;
use crate::support::signed::{SignedBox, now};
use crate::support::view::{AT_REST, CUT_OFF, assert_accessible};

const NAMES: &str = "return [...document.querySelectorAll('article:not(.leaving) h1')]
    .map((h) => h.textContent)";
const TEXT: &str = "return document.body.innerText";

/// Waits until exactly these are greeted.
async fn greeted(browser: &Browser, wanted: &[&str]) {
    let script = format!(
        "const now = (() => {{ {NAMES} }})();
        return JSON.stringify(now) === JSON.stringify({})",
        json!(wanted)
    );
    browser.until(&format!("greeted {wanted:?}"), &script).await;
}

#[tokio::test]
async fn every_view_is_accessible_and_whole_on_three_screens_and_by_night() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    for (width, height, night, screen) in
        [(1280, 800, false, "wide"), (1080, 1920, true, "upright"), (390, 844, false, "small")]
    {
        let browser = Browser::start_as(width, height, "en-GB", night).await;
        let (_display, page) = shop.page(&[("INSTORED_DISPLAY_TITLE", "Corner Market")]);
        browser.client.goto(&page).await.unwrap();
        browser.until("the title", "return document.querySelector('#title').textContent").await;
        let check = async |view: &str| {
            browser.until("the page at rest", AT_REST).await;
            browser.screenshot(&format!("{screen}-{view}.png")).await;
            assert_eq!(browser.ask(CUT_OFF).await, json!([]), "{screen} {view}");
            assert_accessible(&browser, &format!("{screen} {view}")).await;
        };
        check("quiet").await;
        browser.ask("document.querySelector('#read-consent').click()").await;
        browser.until("the consent", "return document.querySelector('dialog').open").await;
        check("consent").await;
        browser.ask("document.querySelector('#sheet-close').click()").await;

        shop.say(
            "enrolment",
            &shop.step(json!({ "event": "captured", "count": 3, "of": 5 }), 60.0),
        );
        browser.until("progress", "return document.body.dataset.step === 'captured'").await;
        check("enrolling").await;
        let done = json!({
            "event": "done", "customer": { "id": "00000000-0000-4000-8000-000000000001", "name": null },
            "claim_code": "K7QM-3DXV", "receipt": "10ZC-M79Y",
        });
        shop.say("enrolment", &shop.step(done, 60.0));
        browser.until("the code", "return document.body.innerText.includes('K7QM-3DXV')").await;
        browser
            .until("the receipt", "return document.querySelector('#receipt img').complete")
            .await;
        check("enrolled").await;

        shop.say("visit", &shop.visit("arrived", 1, "Alexandra", 600.0));
        greeted(&browser, &["Alexandra"]).await;
        check("greeting").await;
        browser.ask("[...document.querySelectorAll('.actions button')].at(-1).click()").await;
        browser.until("the options", "return document.querySelector('dialog').open").await;
        check("options").await;
        browser.ask("document.querySelector('.option.danger').click()").await;
        browser.until("the question", "return document.querySelector('dialog .pill.danger')").await;
        check("forget").await;
        browser.ask("document.querySelector('#sheet-close').click()").await;
        shop.say("visit", &shop.visit("arrived", 2, "Bea", 600.0));
        greeted(&browser, &["Alexandra", "Bea"]).await;
        check("two").await;
        shop.say("visit", &shop.visit("left", 1, "Alexandra", 60.0));
        shop.say("visit", &shop.visit("left", 2, "Bea", 60.0));
        greeted(&browser, &[]).await;
    }
}

#[tokio::test]
async fn what_is_forged_expired_moved_or_of_another_version_is_not_shown() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (_display, page) = shop.page(&[]);
    browser.client.goto(&page).await.unwrap();

    let impostor = SignedBox::new(&broker, 2);
    impostor.say("visit", &impostor.visit("arrived", 1, "Forged", 600.0));
    shop.say("visit", &shop.visit("arrived", 2, "Expired", -1.0));
    let moved = shop.visit("arrived", 3, "Moved", 600.0).to_string();
    shop.publish("instored/entrance/visit", "instored/elsewhere/visit", &moved);
    let mut newer = shop.visit("arrived", 4, "Newer", 600.0);
    newer["v"] = json!(2);
    shop.say("visit", &newer);
    let mut changed = shop.visit("changed", 5, "Nobody arrived", 600.0);
    changed["some"] = json!("field of a later version");
    shop.say("visit", &changed);
    let mut good = shop.visit("arrived", 6, "Good", 600.0);
    good["some"] = json!("field of a later version");
    shop.say("visit", &good);
    // It comes after them, so whatever they bring is there by then.
    greeted(&browser, &["Good"]).await;
    let shown = browser.ask(TEXT).await;
    for wrong in ["Forged", "Expired", "Moved", "Newer", "Nobody"] {
        assert!(!shown.as_str().unwrap().contains(wrong), "{shown}");
    }
    // An event that is played again changes nothing.
    shop.say("visit", &shop.visit("left", 6, "Good", 60.0));
    greeted(&browser, &[]).await;
    shop.say("visit", &good);
    shop.say("visit", &shop.visit("arrived", 7, "Last", 600.0));
    greeted(&browser, &["Last"]).await;
}

#[tokio::test]
async fn a_state_that_is_played_again_changes_nothing() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (_display, page) = shop.page(&[]);
    browser.client.goto(&page).await.unwrap();
    let status = "return document.querySelector('#status').textContent";
    let (before, after) = (now() - 60.0, now());
    shop.say("state", &shop.state("streaming", before));
    shop.say("state", &shop.state("trouble", after));
    browser.until("the trouble", &format!("{status} === 'The camera is not available'")).await;
    shop.say("state", &shop.state("streaming", before));
    // It comes after it, so whatever it brings is there by then.
    shop.say("visit", &shop.visit("arrived", 1, "Ada", 600.0));
    greeted(&browser, &["Ada"]).await;
    assert_eq!(browser.ask(status).await, "The camera is not available");
    shop.say("state", &shop.state("streaming", now()));
    browser.until("no trouble", &format!("{status} === ''")).await;
}

#[tokio::test]
async fn a_display_that_lost_its_broker_says_so_and_comes_back_by_itself() {
    let mut broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (mut display, page) = shop.page(&[]);
    browser.client.goto(&page).await.unwrap();
    let status = "return document.querySelector('#status').textContent";
    browser.until("the title", "return document.querySelector('#title').textContent").await;
    assert_eq!(browser.ask(status).await, "");
    broker.stop();
    browser.until("the trouble", "return document.querySelector('#status').textContent === 'The entrance is not connected'").await;
    broker.start_again();
    browser
        .until("no trouble", "return document.querySelector('#status').textContent === ''")
        .await;
    shop.say("visit", &shop.visit("arrived", 1, "Ada", 600.0));
    greeted(&browser, &["Ada"]).await;
    // The page's own server goes away.
    display.kill();
    browser
        .until(
            "the trouble",
            "return document.querySelector('#status').textContent === 'Reconnecting…'",
        )
        .await;
}

#[tokio::test]
async fn the_page_speaks_five_languages_and_those_that_the_shop_adds() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let own = tempfile::tempdir().unwrap();
    let arabic = r#"{ "name": "العربية", "direction": "rtl", "last_time": "المرة الماضية",
        "more_lines_two": "واثنان" }"#;
    std::fs::write(own.path().join("ar.json"), arabic).unwrap();
    let (_display, page) =
        shop.page(&[("INSTORED_DISPLAY_LANGUAGES_DIR", own.path().to_str().unwrap())]);
    shop.say("visit", &shop.visit("arrived", 1, "Ada", 600.0));
    let browser = Browser::start_as(1280, 800, "fr-FR", false).await;
    browser.client.goto(&page).await.unwrap();
    greeted(&browser, &["Ada"]).await;
    // The browser's own language comes first.
    let said = browser.ask("return document.querySelector('article').innerText").await;
    assert!(said.as_str().unwrap().contains("La dernière fois"), "{said}");
    assert!(said.as_str().unwrap().contains("dimanche 29 mars"), "{said}");
    assert!(said.as_str().unwrap().contains("14,73"), "{said}");
    let mut reasons = BTreeSet::new();
    for (tag, last_time, due) in [
        ("en", "Last time", "8 days ago"),
        ("de", "Letztes Mal", "vor 8 Tagen"),
        ("fr", "La dernière fois", "il y a 8 jours"),
        ("es", "La última vez", "hace 8 días"),
        ("zh", "上次", "8天前"),
        ("ar", "المرة الماضية", ""),
    ] {
        let choose = format!(
            "const choice = document.querySelector('#language');
            choice.value = '{tag}'; choice.dispatchEvent(new Event('change'))"
        );
        browser.ask(&choose).await;
        let said = format!(
            "const card = document.querySelector('article').innerText;
             return document.documentElement.lang === '{tag}' && card.includes('{last_time}') ? card : null"
        );
        let card = browser.until(tag, &said).await;
        assert!(card.as_str().unwrap().contains(due), "{tag}: {card}");
        let reason = browser.ask("return document.querySelector('.reason').textContent").await;
        reasons.insert(reason.as_str().unwrap().to_owned());
        assert_eq!(browser.ask(CUT_OFF).await, json!([]), "{tag}");
        assert_accessible(&browser, tag).await;
        browser.screenshot(&format!("language-{tag}.png")).await;
    }
    // The shop's own language says in English what it has no words for.
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    assert_eq!(browser.ask("return document.documentElement.dir").await, "rtl");
}

#[tokio::test]
async fn a_curtain_hides_all_but_the_first_name_until_it_is_touched() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (_display, page) = shop.page(&[("INSTORED_DISPLAY_CURTAIN", "true")]);
    browser.client.goto(&page).await.unwrap();
    shop.say("visit", &shop.visit("arrived", 1, "Ada Lovelace", 600.0));
    greeted(&browser, &["Ada"]).await;
    let page_text = "return document.documentElement.textContent";
    let hidden = browser.ask(page_text).await;
    for private in ["Lovelace", "Oat milk", "14.73", "baskets"] {
        assert!(!hidden.as_str().unwrap().contains(private), "{private}");
    }
    browser.screenshot("curtain.png").await;
    assert_accessible(&browser, "the curtain").await;
    browser.ask("document.querySelector('.curtain').click()").await;
    greeted(&browser, &["Ada Lovelace"]).await;
    let open = browser.ask(TEXT).await;
    assert!(open.as_str().unwrap().contains("Oat milk"), "{open}");
}

#[tokio::test]
async fn the_page_is_small_and_asks_nobody_but_its_own_server() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (_display, page) = shop.page(&[]);
    browser.client.goto(&page).await.unwrap();
    shop.say("visit", &shop.visit("arrived", 1, "Ada", 600.0));
    greeted(&browser, &["Ada"]).await;
    let loaded = "return performance.getEntries().filter((e) => e.name.includes('://'))
        .map((e) => [e.name, e.encodedBodySize])";
    let loaded: Vec<(String, u64)> = serde_json::from_value(browser.ask(loaded).await).unwrap();
    assert!(loaded.iter().any(|(name, _)| name.ends_with("/app.js")), "{loaded:?}");
    assert!(loaded.iter().all(|(name, _)| name.starts_with(&page)), "{loaded:?}");
    let size: u64 = loaded.iter().map(|(_, size)| size).sum();
    println!("the page: {size} bytes in {} files", loaded.len());
    assert!((10_000..150_000).contains(&size), "{size}");
}

#[tokio::test]
#[ignore = "a measurement, to be looked at: cargo test -p instored-it --release -- --ignored"]
async fn from_an_event_to_its_text() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (_display, page) = shop.page(&[]);
    browser.client.goto(&page).await.unwrap();
    let watch = "window.seen = {};
        new MutationObserver(() => {
          const name = document.querySelector('article h1')?.textContent;
          if (name && !seen[name]) requestAnimationFrame(() => { seen[name] ??= Date.now(); });
        }).observe(document.querySelector('#guests'), { subtree: true, childList: true,
          characterData: true });";
    browser.ask(watch).await;
    let mut took = vec![];
    for number in 0..200 {
        let name = format!("Guest {number}");
        let said = now();
        shop.say("visit", &shop.visit("arrived", 1, &name, 600.0));
        let seen = browser.until(&name, &format!("return window.seen['{name}']")).await;
        took.push(seen.as_f64().unwrap() - said * 1e3);
    }
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[(share * (took.len() - 1) as f64) as usize];
    println!(
        "event to text, mosquitto_pub's start included, {} events: p50 {:.0} ms, p95 {:.0} ms, \
         p99 {:.0} ms, most {:.0} ms",
        took.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
}
