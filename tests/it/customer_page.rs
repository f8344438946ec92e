//! Actions of customers on the page, with a real box and a real browser.

use std::time::Duration;

use serde_json::json;

use crate::support::box_permit::acquire;
use crate::support::browser::Browser;
use crate::support::mosquitto::{Message, Mosquitto};
use crate::support::page::{IS_AT_REST, assert_accessible, click, touch};
use crate::support::test_box::{TestBox, start, start_demo, url_in};

/// Maximum time until the last visitor of the demonstration enters and stays.
const SCENARIO_TIMEOUT: Duration = Duration::from_secs(600);

/// Renames a customer and sets their allergens by touch, on screens of four sizes. The page shows
/// its own keyboard except on a phone.
async fn rename_and_set_allergens_by_touch(page: &str) {
    for (width, height, screen) in
        [(390, 844, "small"), (800, 480, "low"), (1080, 1920, "upright"), (1280, 800, "wide")]
    {
        let browser = Browser::start(width, height).await;
        browser.client.goto(page).await.unwrap();
        touch(&browser, &["button|Options", "button|Foods I avoid", "label|Gluten"]).await;
        let check = async |view: &str| {
            browser.wait_for("the page at rest", IS_AT_REST).await;
            browser.screenshot(&format!("{screen}-{view}.png")).await;
            assert_accessible(&browser, &format!("{screen} {view}")).await;
        };
        check("avoid").await;
        touch(&browser, &["#sheet-close", "button|Options", "button|Choose my name"]).await;
        browser.wait_for("the field", "return document.querySelector('#chosen-name')").await;
        check("name").await;
        let keys =
            browser.run_script("return document.querySelectorAll('.keys button').length").await;
        if screen == "small" {
            assert_eq!(keys, 0, "a phone has a keyboard of its own");
            continue;
        }
        assert!(keys.as_u64() > Some(26), "{screen}: {keys}");
        let misplaced = browser.run_script(TOO_SMALL_OR_OUTSIDE).await;
        assert_eq!(misplaced, serde_json::json!([]), "{screen}");
        if screen != "wide" {
            continue;
        }
        touch(&browser, &["[name=erase]", "[name=erase]", "[name=erase]"]).await;
        touch(&browser, &[".key|Z", ".key|o", "[name=accents]", ".key|ë", "[name=accents]"]).await;
        touch(&browser, &["[name=space]", ".key|B", ".key|a", ".key|k", ".key|e", ".key|r"]).await;
        check("named").await;
        let name = "return document.querySelector('#chosen-name').value";
        assert_eq!(browser.run_script(name).await, "Zoë Baker");
        touch(&browser, &["button|Save"]).await;
        let named = "return document.querySelector('article h1')?.textContent === 'Zoë Baker'";
        browser.wait_for("the new name", named).await;

        let recommended =
            "[...document.querySelectorAll('.again .what')].map((e) => e.textContent)";
        let gluten = format!("return {recommended}.includes('Linguine 500 g')");
        browser.wait_for("a product with gluten", &gluten).await;
        let avoid = ["button|Options", "button|Foods I avoid", "label|Gluten", "button|Save"];
        touch(&browser, &avoid).await;
        let without_gluten = format!(
            "const products = {recommended};
             return products.length > 0 && !products.includes('Linguine 500 g')"
        );
        browser.wait_for("no product with gluten", &without_gluten).await;
        touch(&browser, &avoid[..2]).await;
        let ticked =
            "return [...document.querySelectorAll('fieldset :checked')].map((e) => e.name)";
        browser.wait_for("the choices", "return document.querySelector('fieldset')").await;
        assert_eq!(browser.run_script(ticked).await, serde_json::json!(["gluten"]));
    }
}

/// Script that returns the keys that are too small for a finger or lie outside of the window.
const TOO_SMALL_OR_OUTSIDE: &str = "return [...document.querySelectorAll('.keys button')]
     .map((key) => [key.textContent || key.name, key.getBoundingClientRect()])
     .filter(([, box]) => box.width < 43.9 || box.height < 43.9 || box.left < 0
         || box.right > innerWidth || box.bottom > innerHeight);";

#[tokio::test]
async fn page_changes_list_name_and_preferences() {
    let _permit = acquire();
    let folder = tempfile::tempdir().unwrap();
    let (demo, page) = start_demo(folder.path());
    let last_visitor =
        |line: &str| line.contains("stays until you stop the demonstration").then_some(());
    let (line, ()) = demo.stdout.find_within(SCENARIO_TIMEOUT, 0, "the last visitor", last_visitor);
    let greeting = |line: &str| line.contains("welcome back, Bea").then_some(());
    demo.stdout.find(line, "the greeting", greeting);

    let browser = Browser::start(1280, 800).await;
    browser.client.goto(&page).await.unwrap();
    browser
        .wait_for("Bea", "return document.querySelector('article h1')?.textContent === 'Bea'")
        .await;

    // A product is added to the list and removed again. The page shows the list of the box.
    assert!(click(&browser, &[".mark"]).await);
    browser.wait_for("listed", "return document.querySelector('.mark[aria-pressed=true]')").await;
    assert!(click(&browser, &["button|My list"]).await);
    let listed = "return document.querySelector('dialog .entries .what')?.textContent";
    let first = "return document.querySelector('article .again .what').textContent";
    assert_eq!(browser.wait_for("the list", listed).await, browser.run_script(first).await);
    assert!(click(&browser, &[".entry button"]).await);
    let empty =
        "return document.querySelector('dialog').innerText.includes('nothing on your list')";
    browser.wait_for("an empty list", empty).await;

    // The page shows orders by time and by product.
    assert!(click(&browser, &["#sheet-close", "button|My orders"]).await);
    let dates = "return document.querySelectorAll('dialog .order').length > 1";
    browser.wait_for("the orders", dates).await;
    assert!(click(&browser, &["button|By product"]).await);
    let products = "return document.querySelector('dialog .entry .amount')?.textContent";
    assert!(browser.wait_for("the products", products).await.as_str().unwrap().contains('€'));

    // Name and allergens are changed on other screens.
    assert!(click(&browser, &["#sheet-close"]).await);
    rename_and_set_allergens_by_touch(&page).await;
    let named = "return document.querySelector('article h1')?.textContent === 'Zoë Baker'";
    browser.wait_for("the new name", named).await;

    // A collapsed card shows the first name only.
    assert!(click(&browser, &["button|Show less"]).await);
    let collapsed = "return document.querySelector('article').innerText.includes('Zoë')
        && !document.documentElement.textContent.includes('Baker')
        && !document.querySelector('article').innerText.includes('€')";
    browser.wait_for("the collapsed card", collapsed).await;
    assert!(click(&browser, &[".curtain"]).await);
    browser.wait_for("the expanded card", named).await;

    // Orders and recommendations are switched off.
    assert!(click(&browser, &["button|Options", "button|Hide my orders"]).await);
    browser
        .wait_for(
            "no orders",
            "return !document.querySelector('article').textContent.includes('€')",
        )
        .await;
    assert!(click(&browser, &["button|Options", "button|No recommendations"]).await);
    browser
        .wait_for(
            "no recommendations",
            "return !document.querySelector('.again').checkVisibility()",
        )
        .await;
    assert!(click(&browser, &["button|Options", "button|Show my orders again"]).await);
    browser.wait_for("orders", "return document.querySelector('.last').checkVisibility()").await;

    // The customer dismisses a wrong recognition.
    assert!(click(&browser, &["button|This is not me"]).await);
    let quiet =
        "return document.body.dataset.state === 'quiet' && !document.querySelector('article')";
    browser.wait_for("the idle view", quiet).await;
}

#[tokio::test]
async fn display_that_starts_late_shows_customer_and_their_list() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let (test_box, daemon, done) = TestBox::with_customer(&broker, &mut subscriber, &[]);
    let customer = &done["customer"]["id"];
    let product = json!({ "products": [{ "sku": "1", "name": "Pears" }] });
    broker.command("catalogue", &product.to_string());
    let add = json!({ "customer": customer, "add": ["1"] });
    broker.command("list", &add.to_string());
    // The list is published after the change, and again with the next greeting.
    for occasion in ["the changed list", "the list of the greeted customer"] {
        let is_event = |message: &Message| message.topic == "instored/entrance/list";
        let event = |message: &Message| is_event(message).then(|| message.json());
        let listed = subscriber.next("list", occasion, event);
        assert_eq!(listed["items"][0]["name"], "Pears");
    }

    let display = start(&mut test_box.command(["display", "--listen", "127.0.0.1:0"]));
    let changed = subscriber.visit("changed").json();
    assert_eq!(&changed["customer"]["id"], customer);
    let (_, page) = display.stderr.find(0, "the page's address", url_in);
    let browser = Browser::start(1280, 800).await;
    browser.client.goto(&page).await.unwrap();
    // A touch keeps the customer on the page, also if they leave meanwhile.
    touch(&browser, &["button|My list"]).await;
    let list = "return document.querySelector('dialog .entries .what')?.textContent === 'Pears'";
    browser.wait_for("the list", list).await;

    // A customer who bought products once has no repeated purchases, but purchases.
    let line = |sku: u32| json!({ "sku": sku.to_string(), "name": format!("Product {sku}"), "quantity": 1, "unit_price": 100 });
    let order = json!({
        "id": "T1-1", "placed": "2026-03-29T09:15:00+02:00", "currency": "EUR", "total": 600,
        "lines": (1..=6).map(line).collect::<Vec<_>>(),
    });
    broker.command("order", &json!({ "customer": customer, "order": order }).to_string());
    touch(&browser, &["#sheet-close", "button|My orders", "button|Again and again"]).await;
    let note = "return document.querySelector('dialog').innerText.includes('more than once')";
    browser.wait_for("no repeated purchases", note).await;
    daemon.stop();
}

#[tokio::test]
async fn page_enrols_greets_and_deletes_in_german() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let mut test_box = TestBox::with_visitor(&broker);
    test_box.set("INSTORED_DISPLAY_LANGUAGE", "de");
    let daemon = test_box.start();
    subscriber.state("streaming", |s| s["camera"] == "streaming");
    let display = start(&mut test_box.command(["display", "--listen", "127.0.0.1:0"]));
    let (_, page) = display.stderr.find(0, "the page's address", url_in);
    let browser = Browser::start(1280, 800).await;
    browser.client.goto(&page).await.unwrap();
    browser.wait_for("German", "return document.documentElement.lang === 'de'").await;

    for (width, height, screen) in
        [(390, 844, "small"), (800, 480, "low"), (1080, 1920, "upright"), (1280, 800, "wide")]
    {
        let browser = Browser::start(width, height).await;
        browser.client.goto(&page).await.unwrap();
        browser.wait_for("German", "return document.documentElement.lang === 'de'").await;
        // The text is open already if an offer to a page before is still valid.
        let read = "if (!document.querySelector('dialog[open]')) \
                    document.querySelector('#read-consent').click()";
        browser.run_script(read).await;
        let agree = "return document.querySelector('dialog .strong')?.textContent";
        assert_eq!(browser.wait_for("the consent", agree).await, "Ich willige ein");
        browser.wait_for("the page at rest", IS_AT_REST).await;
        browser.screenshot(&format!("{screen}-consent.png")).await;
        assert_accessible(&browser, &format!("{screen} consent")).await;
    }
    // The text was opened by the offers to the other pages.
    assert!(click(&browser, &["button|Ich willige ein"]).await);
    let done = subscriber.enrolment("done");
    let code = done["claim_code"].as_str().unwrap();
    let shown = format!("return document.body.innerText.includes('{code}')");
    browser.wait_for("the claim code", &shown).await;
    let id = done["customer"]["id"].as_str().unwrap();
    let record = test_box.run(["customers", "export", id]);
    let record: serde_json::Value = serde_json::from_str(&record.stdout).unwrap();
    let consent = &record["consents"][0];
    assert_eq!((&consent["how"], &consent["language"]), (&json!("display"), &json!("de")));

    let visit = subscriber.visit("arrived").json();
    assert_eq!(visit["customer"]["id"], id);
    // If a visit is too short for all steps, the steps are repeated in the next visit.
    let mut attempts = 0;
    let receipt = done["receipt"].as_str().unwrap();
    let enter = format!("document.querySelector('#receipt-code').value = '{receipt}'");
    while !(click(&browser, &["button|Optionen", "button|Meine Daten löschen"]).await
        && browser.client.execute(&enter, vec![]).await.is_ok()
        && click(&browser, &["button|Ja, löschen"]).await)
    {
        attempts += 1;
        assert!(attempts < 8, "the customer was not deleted");
    }
    assert_eq!(subscriber.enrolment("withdrawn")["customer"], id);
    browser
        .wait_for(
            "the confirmation",
            "return document.body.innerText.includes('Ihre Daten sind gelöscht.')",
        )
        .await;
    subscriber.state("nobody", |s| s["customers"] == 0);
    daemon.stop();
}
