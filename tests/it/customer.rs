//! What customers do on the page, in a real browser, to a real box.

use std::time::Duration;

use crate::support::browser::Browser;
use crate::support::entrance::{Entrance, program, start};
use crate::support::mosquitto::Mosquitto;
use crate::support::serial::turn;
use crate::support::view::{AT_REST, assert_accessible, click, touch};

/// How long the demonstration takes at most until its last visitor stays.
const STORY: Duration = Duration::from_secs(600);

/// Bea chooses another name with her finger, on a screen with room for letters and on one without,
/// and says what she does not eat.
async fn touches(page: &str) {
    for (width, height, screen) in
        [(390, 844, "small"), (800, 480, "low"), (1080, 1920, "upright"), (1280, 800, "wide")]
    {
        let browser = Browser::start(width, height).await;
        browser.client.goto(page).await.unwrap();
        touch(&browser, &["button|Options", "button|Foods I avoid", "label|Gluten"]).await;
        let check = async |view: &str| {
            browser.until("the page at rest", AT_REST).await;
            browser.screenshot(&format!("{screen}-{view}.png")).await;
            assert_accessible(&browser, &format!("{screen} {view}")).await;
        };
        check("avoid").await;
        touch(&browser, &["#sheet-close", "button|Options", "button|Choose my name"]).await;
        browser.until("the field", "return document.querySelector('#chosen-name')").await;
        check("name").await;
        let keys = browser.ask("return document.querySelectorAll('.keys button').length").await;
        if screen == "small" {
            assert_eq!(keys, 0, "a phone has its own");
            continue;
        }
        assert!(keys.as_u64() > Some(26), "{screen}: {keys}");
        let wrong = browser.ask(TOO_SMALL_OR_OUTSIDE).await;
        assert_eq!(wrong, serde_json::json!([]), "{screen}");
        if screen != "wide" {
            continue;
        }
        touch(&browser, &["[name=erase]", "[name=erase]", "[name=erase]"]).await;
        touch(&browser, &[".key|Z", ".key|o", "[name=accents]", ".key|ë", "[name=accents]"]).await;
        touch(&browser, &["[name=space]", ".key|B", ".key|a", ".key|k", ".key|e", ".key|r"]).await;
        check("named").await;
        let name = "return document.querySelector('#chosen-name').value";
        assert_eq!(browser.ask(name).await, "Zoë Baker");
        touch(&browser, &["button|Save"]).await;
        let named = "return document.querySelector('article h1')?.textContent === 'Zoë Baker'";
        browser.until("the new name", named).await;

        let wishes = "[...document.querySelectorAll('.again .what')].map((e) => e.textContent)";
        let gluten = format!("return {wishes}.includes('Linguine 500 g')");
        browser.until("what contains gluten", &gluten).await;
        let avoid = ["button|Options", "button|Foods I avoid", "label|Gluten", "button|Save"];
        touch(&browser, &avoid).await;
        let none = format!(
            "const wishes = {wishes};
             return wishes.length > 0 && !wishes.includes('Linguine 500 g')"
        );
        browser.until("nothing with gluten", &none).await;
        touch(&browser, &avoid[..2]).await;
        let ticked =
            "return [...document.querySelectorAll('fieldset :checked')].map((e) => e.name)";
        browser.until("the choices", "return document.querySelector('fieldset')").await;
        assert_eq!(browser.ask(ticked).await, serde_json::json!(["gluten"]));
    }
}

/// Keys that a finger does not hit.
const TOO_SMALL_OR_OUTSIDE: &str = "return [...document.querySelectorAll('.keys button')]
     .map((key) => [key.textContent || key.name, key.getBoundingClientRect()])
     .filter(([, box]) => box.width < 43.9 || box.height < 43.9 || box.left < 0
         || box.right > innerWidth || box.bottom > innerHeight);";

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
    assert!(click(&browser, &[".entry button"]).await);
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

    // Another name, and nothing with gluten, on other screens.
    assert!(click(&browser, &["#sheet-close"]).await);
    touches(&page).await;
    let named = "return document.querySelector('article h1')?.textContent === 'Zoë Baker'";
    browser.until("the new name", named).await;

    // The first name only, and all of it again.
    assert!(click(&browser, &["button|Show less"]).await);
    let drawn = "return document.querySelector('article').innerText.includes('Zoë')
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
        "button|Mich vergessen",
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
