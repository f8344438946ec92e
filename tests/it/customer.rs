//! What customers do on the page, in a real browser, to a real box.

use std::time::Duration;

use crate::support::browser::Browser;
use crate::support::entrance::{Entrance, program, start};
use crate::support::mosquitto::Mosquitto;
use crate::support::turns::turn;

/// How long the demonstration takes at most until its last visitor stays.
const STORY: Duration = Duration::from_secs(600);

/// Clicks one thing after the other as soon as each is there; for eight seconds at most.
async fn click(browser: &Browser, wanted: &[&str]) -> bool {
    let script = format!(
        "const done = arguments[arguments.length - 1];
         const wanted = {};
         const until = Date.now() + 8000;
         const step = () => {{
           if (wanted.length === 0) return done(true);
           if (Date.now() > until) return done(false);
           const [name, text] = wanted[0].split('|');
           // What a dialog covers cannot be touched.
           const found = [...(document.querySelector('dialog[open]') ?? document).querySelectorAll(name.replace('dialog ', ''))]
             .find((e) => (!text || e.textContent === text) && !e.disabled && e.checkVisibility());
           if (found) {{ wanted.shift(); found.click(); }}
           setTimeout(step, 50);
         }};
         step();",
        serde_json::to_string(wanted).unwrap()
    );
    let clicked = browser.client.execute_async(&script, vec![]).await;
    clicked.expect("the page answers") == true
}

#[tokio::test]
async fn a_customer_looks_back_lists_renames_hides_and_is_not_that_person_after_all() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let mut command = program();
    command.args(["demo", "--listen", "127.0.0.1:0"]).env("TMPDIR", folder.path());
    let demo = start(&mut command);
    let address =
        |line: &str| line.split_whitespace().find(|w| w.starts_with("http://")).map(str::to_owned);
    let (_, page) = demo.stdout.find(0, "the page's address", address);
    let encore = |line: &str| line.contains("stays for as long as you watch").then_some(());
    let (line, ()) = demo.stdout.find_within(STORY, 0, "the encore", encore);
    let greeting = |line: &str| line.contains("welcome back, Bea").then_some(());
    demo.stdout.find(line, "the greeting", greeting);

    let browser = Browser::start(1280, 800).await;
    browser.client.goto(&page).await.unwrap();
    browser
        .until("Bea", "return document.querySelector('article h1')?.textContent === 'Bea'")
        .await;

    // On the list, and off it again; the box says so, and the page shows what it says.
    assert!(click(&browser, &[".mark"]).await);
    browser.until("listed", "return document.querySelector('.mark[aria-pressed=true]')").await;
    assert!(click(&browser, &["button|My list"]).await);
    let listed = "return document.querySelector('dialog .entries .what')?.textContent";
    let first = "return document.querySelector('article .again .what').textContent";
    assert_eq!(browser.until("the list", listed).await, browser.ask(first).await);
    assert!(click(&browser, &["dialog .entry button"]).await);
    let empty =
        "return document.querySelector('dialog').innerText.includes('nothing on your list')";
    browser.until("an empty list", empty).await;

    // The orders, page by page, and by product.
    assert!(click(&browser, &["#sheet-close", "button|My orders"]).await);
    let dates = "return document.querySelectorAll('dialog .order').length > 1";
    browser.until("the orders", dates).await;
    assert!(click(&browser, &["button|By product"]).await);
    let products = "return document.querySelector('dialog .entry .amount')?.textContent";
    assert!(browser.until("the products", products).await.as_str().unwrap().contains('€'));

    // Another name.
    assert!(click(&browser, &["#sheet-close", "button|Options", "button|Choose my name"]).await);
    browser.ask("document.querySelector('#chosen-name').value = 'Beatrice Baker'").await;
    assert!(click(&browser, &["button|Save"]).await);
    let named = "return document.querySelector('article h1')?.textContent === 'Beatrice Baker'";
    browser.until("the new name", named).await;

    // The first name only, and all of it again.
    assert!(click(&browser, &["button|Show less"]).await);
    let drawn = "return document.querySelector('article').innerText.includes('Beatrice')
        && !document.documentElement.textContent.includes('Baker')
        && !document.querySelector('article').innerText.includes('€')";
    browser.until("less", drawn).await;
    assert!(click(&browser, &[".curtain"]).await);
    browser.until("more", named).await;

    // No orders, no recommendations.
    assert!(click(&browser, &["button|Options", "button|Hide my orders"]).await);
    browser
        .until("no orders", "return !document.querySelector('article').textContent.includes('€')")
        .await;
    assert!(click(&browser, &["button|Options", "button|No recommendations"]).await);
    browser.until("none", "return !document.querySelector('.again').checkVisibility()").await;
    assert!(click(&browser, &["button|Options", "button|Show my orders again"]).await);
    browser.until("orders", "return document.querySelector('.last').checkVisibility()").await;

    // Not them at all.
    assert!(click(&browser, &["button|This is not me"]).await);
    let quiet =
        "return document.body.dataset.state === 'quiet' && !document.querySelector('article')";
    browser.until("quiet", quiet).await;
}

#[tokio::test]
async fn somebody_agrees_on_the_page_is_greeted_in_their_language_and_is_forgotten_there() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let mut entrance = Entrance::with_a_visitor(&broker);
    entrance.set("INSTORED_DISPLAY_LANGUAGE", "de");
    let daemon = entrance.open();
    ear.state("streaming", |s| s["camera"] == "streaming");
    let display = start(&mut entrance.instored(["display", "--listen", "127.0.0.1:0"]));
    let (_, page) = display.stderr.find(0, "the page's address", |line| {
        line.split_whitespace().find(|w| w.starts_with("http://")).map(str::to_owned)
    });
    let browser = Browser::start(1280, 800).await;
    browser.client.goto(&page).await.unwrap();
    browser.until("German", "return document.documentElement.lang === 'de'").await;

    assert!(click(&browser, &["#read-consent", "button|Einverstanden: los"]).await);
    let done = ear.enrolment("done");
    let code = done["claim_code"].as_str().unwrap();
    let shown = format!("return document.body.innerText.includes('{code}')");
    browser.until("the claim code", &shown).await;
    let id = done["customer"]["id"].as_str().unwrap();
    let record = entrance.run(["customers", "export", id]);
    assert!(
        record.stdout.contains("\"language\":\"de\"")
            || record.stdout.contains("\"language\": \"de\""),
        "{}",
        record.stdout
    );

    let visit = ear.visit("arrived").json();
    assert_eq!(visit["customer"]["id"], id);
    // A visit is short: whoever does not get through in one tries again in the next.
    let mut tries = 0;
    let steps = [
        "button|Optionen",
        "button|Mich vergessen",
        "dialog button|Mich vergessen",
        "button|Ja, vergessen",
    ];
    while !click(&browser, &steps).await {
        tries += 1;
        assert!(tries < 8, "nobody could be forgotten");
    }
    assert_eq!(ear.enrolment("withdrawn")["customer"], id);
    browser
        .until("the end", "return document.body.innerText.includes('Sie sind vergessen.')")
        .await;
    ear.state("nobody", |s| s["customers"] == 0);
    daemon.stop();
}
