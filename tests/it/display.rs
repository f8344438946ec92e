//! The display's page in a real browser, with events of a simulated box.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::browser::Browser;
use crate::support::mosquitto::Mosquitto;
use crate::support::page::{CUT_OFF, IS_AT_REST, assert_accessible};
use crate::support::signed_box::{SignedBox, now};

const NAMES: &str = "return [...document.querySelectorAll('article:not(.leaving) h1')]
    .map((h) => h.textContent)";
const TEXT: &str = "return document.body.innerText";

/// Waits until exactly these customers are greeted.
async fn wait_for_greeted(browser: &Browser, names: &[&str]) {
    let script = format!(
        "const now = (() => {{ {NAMES} }})();
        return JSON.stringify(now) === JSON.stringify({})",
        json!(names)
    );
    browser.wait_for(&format!("greeted {names:?}"), &script).await;
}

#[tokio::test]
async fn views_are_accessible_and_fit_on_three_screens() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    for (width, height, is_dark, screen) in
        [(1280, 800, false, "wide"), (1080, 1920, true, "upright"), (390, 844, false, "small")]
    {
        let browser = Browser::start_with(width, height, "en-GB", is_dark).await;
        let (_display, page) = shop.start_display(&[("INSTORED_DISPLAY_TITLE", "Corner Market")]);
        browser.client.goto(&page).await.unwrap();
        browser.wait_for("the title", "return document.querySelector('#title').textContent").await;
        let check = async |view: &str| {
            browser.wait_for("the page at rest", IS_AT_REST).await;
            browser.screenshot(&format!("{screen}-{view}.png")).await;
            assert_eq!(browser.run_script(CUT_OFF).await, json!([]), "{screen} {view}");
            assert_accessible(&browser, &format!("{screen} {view}")).await;
        };
        check("quiet").await;

        shop.publish(
            "enrolment",
            &shop.enrolment(json!({ "event": "captured", "count": 3, "of": 5 }), 60.0),
        );
        browser.wait_for("progress", "return document.body.dataset.step === 'captured'").await;
        check("enrolling").await;
        let done = json!({
            "event": "done", "customer": { "id": "00000000-0000-4000-8000-000000000001", "name": null },
            "claim_code": "K7QM-3DXV", "receipt": "10ZC-M79Y",
        });
        shop.publish("enrolment", &shop.enrolment(done, 60.0));
        browser.wait_for("the code", "return document.body.innerText.includes('K7QM-3DXV')").await;
        browser
            .wait_for("the receipt", "return document.querySelector('#receipt img').complete")
            .await;
        check("enrolled").await;

        shop.publish("visit", &shop.visit("arrived", 1, "Alexandra", 600.0));
        wait_for_greeted(&browser, &["Alexandra"]).await;
        check("greeting").await;
        browser
            .run_script("[...document.querySelectorAll('.actions button')].at(-1).click()")
            .await;
        browser.wait_for("the options", "return document.querySelector('dialog').open").await;
        check("options").await;
        browser.run_script("document.querySelector('.option.danger').click()").await;
        browser
            .wait_for("the question", "return document.querySelector('dialog .pill.danger')")
            .await;
        check("forget").await;
        browser.run_script("document.querySelector('#sheet-close').click()").await;
        shop.publish("visit", &shop.visit("arrived", 2, "Bea", 600.0));
        wait_for_greeted(&browser, &["Alexandra", "Bea"]).await;
        check("two-greetings").await;
        shop.publish("visit", &shop.visit("left", 1, "Alexandra", 60.0));
        shop.publish("visit", &shop.visit("left", 2, "Bea", 60.0));
        wait_for_greeted(&browser, &[]).await;
    }
}

#[tokio::test]
async fn invalid_events_are_not_shown() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (_display, page) = shop.start_display(&[]);
    browser.client.goto(&page).await.unwrap();

    let impostor = SignedBox::new(&broker, 2);
    impostor.publish("visit", &impostor.visit("arrived", 1, "Forged", 600.0));
    shop.publish("visit", &shop.visit("arrived", 2, "Expired", -1.0));
    let moved = shop.visit("arrived", 3, "Moved", 600.0).to_string();
    shop.publish_signed_for("instored/entrance/visit", "instored/elsewhere/visit", 1 << 40, &moved);
    let mut newer = shop.visit("arrived", 4, "Newer", 600.0);
    newer["v"] = json!(2);
    shop.publish("visit", &newer);
    let mut changed = shop.visit("changed", 5, "Nobody is here", 600.0);
    changed["some"] = json!("field of a later version");
    shop.publish("visit", &shop.visit("left", 5, "Nobody is here", 60.0));
    shop.publish("visit", &changed);
    let mut good = shop.visit("arrived", 6, "Good", 600.0);
    good["some"] = json!("field of a later version");
    shop.publish("visit", &good);
    // This event was published last, so the page has received the invalid events.
    wait_for_greeted(&browser, &["Good"]).await;
    let shown = browser.run_script(TEXT).await;
    for invalid in ["Forged", "Expired", "Moved", "Newer", "Nobody"] {
        assert!(!shown.as_str().unwrap().contains(invalid), "{shown}");
    }
    // A replayed event changes nothing.
    shop.publish("visit", &shop.visit("left", 6, "Good", 60.0));
    wait_for_greeted(&browser, &[]).await;
    shop.publish("visit", &good);
    shop.publish("visit", &shop.visit("arrived", 7, "Last", 600.0));
    wait_for_greeted(&browser, &["Last"]).await;
}

#[tokio::test]
async fn replayed_state_changes_nothing() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (_display, page) = shop.start_display(&[]);
    browser.client.goto(&page).await.unwrap();
    let status = "return document.querySelector('#status').textContent";
    let streaming = shop.state("streaming", now());
    let first = shop.publish("state", &streaming);
    shop.publish("state", &shop.state("trouble", now()));
    browser
        .wait_for("the camera failure", &format!("{status} === 'The camera is not available'"))
        .await;
    shop.publish_numbered("state", &streaming, first);
    // This event was published last, so the page has received the replayed state.
    shop.publish("visit", &shop.visit("arrived", 1, "Ada", 600.0));
    wait_for_greeted(&browser, &["Ada"]).await;
    assert_eq!(browser.run_script(status).await, "The camera is not available");
    shop.publish("state", &shop.state("streaming", now()));
    browser.wait_for("no camera failure", &format!("{status} === ''")).await;
}

#[tokio::test]
async fn display_reports_lost_broker_and_reconnects() {
    let mut broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (mut display, page) = shop.start_display(&[]);
    browser.client.goto(&page).await.unwrap();
    let status = "return document.querySelector('#status').textContent";
    browser.wait_for("the title", "return document.querySelector('#title').textContent").await;
    assert_eq!(browser.run_script(status).await, "");
    broker.stop();
    browser.wait_for("the lost broker", "return document.querySelector('#status').textContent === 'The entrance is not connected'").await;
    broker.restart();
    browser
        .wait_for(
            "the reconnected broker",
            "return document.querySelector('#status').textContent === ''",
        )
        .await;
    shop.publish("visit", &shop.visit("arrived", 1, "Ada", 600.0));
    wait_for_greeted(&browser, &["Ada"]).await;
    // The page also reports the end of the display server.
    display.kill();
    browser
        .wait_for(
            "the lost display server",
            "return document.querySelector('#status').textContent === 'Reconnecting…'",
        )
        .await;
}

#[tokio::test]
async fn page_shows_built_in_and_added_languages() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let own = tempfile::tempdir().unwrap();
    let arabic = r#"{ "name": "العربية", "direction": "rtl", "last_time": "المرة الماضية",
        "more_lines_two": "واثنان" }"#;
    std::fs::write(own.path().join("ar.json"), arabic).unwrap();
    let (_display, page) =
        shop.start_display(&[("INSTORED_DISPLAY_LANGUAGES_DIR", own.path().to_str().unwrap())]);
    shop.publish("visit", &shop.visit("arrived", 1, "Ada", 600.0));
    let browser = Browser::start_with(1280, 800, "fr-FR", false).await;
    browser.client.goto(&page).await.unwrap();
    wait_for_greeted(&browser, &["Ada"]).await;
    // The browser's language has precedence over the shop's.
    let card = browser.run_script("return document.querySelector('article').innerText").await;
    assert!(card.as_str().unwrap().contains("Lors de votre dernière visite"), "{card}");
    assert!(card.as_str().unwrap().contains("dimanche 29 mars"), "{card}");
    assert!(card.as_str().unwrap().contains("14,73"), "{card}");
    let mut reasons = BTreeSet::new();
    for (tag, last_time, due) in [
        ("en", "Last time", "8 days ago"),
        ("de", "Beim letzten Einkauf", "vor 8 Tagen"),
        ("fr", "Lors de votre dernière visite", "il y a 8 jours"),
        ("es", "En su última compra", "hace 8 días"),
        ("zh", "上次", "8天前"),
        ("ar", "المرة الماضية", ""),
    ] {
        let choose = format!(
            "const choice = document.querySelector('#language');
            choice.value = '{tag}'; choice.dispatchEvent(new Event('change'))"
        );
        browser.run_script(&choose).await;
        let script = format!(
            "const card = document.querySelector('article').innerText;
             return document.documentElement.lang === '{tag}' && card.includes('{last_time}') ? card : null"
        );
        let card = browser.wait_for(tag, &script).await;
        assert!(card.as_str().unwrap().contains(due), "{tag}: {card}");
        let reason =
            browser.run_script("return document.querySelector('.reason').textContent").await;
        reasons.insert(reason.as_str().unwrap().to_owned());
        assert_eq!(browser.run_script(CUT_OFF).await, json!([]), "{tag}");
        assert_accessible(&browser, tag).await;
        browser.screenshot(&format!("language-{tag}.png")).await;
    }
    // The added language lacks this text, so the English text is shown: five texts, six languages.
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    assert_eq!(browser.run_script("return document.documentElement.dir").await, "rtl");
}

#[tokio::test]
async fn amounts_have_decimals_of_iso_4217() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let (_display, page) = shop.start_display(&[]);
    let browser = Browser::start(1280, 800).await;
    browser.client.goto(&page).await.unwrap();
    for (number, (currency, total)) in
        [("HUF", "21,990.00"), ("ALL", "21,990.00"), ("JPY", "2,199,000"), ("KWD", "2,199.000")]
            .into_iter()
            .enumerate()
    {
        let mut visit = shop.visit("arrived", 1, &format!("Guest {number}"), 600.0);
        let whisky =
            json!({ "sku": "1", "name": "Whisky", "quantity": 1.0, "unit_price": 2_199_000 });
        visit["orders"][0]["currency"] = json!(currency);
        visit["orders"][0]["total"] = json!(2_199_000);
        visit["orders"][0]["lines"] = json!([whisky]);
        shop.publish("visit", &visit);
        wait_for_greeted(&browser, &[&format!("Guest {number}")]).await;
        for place in [".last li .amount", ".total .amount"] {
            let shown = format!("return document.querySelector('{place}').textContent");
            let shown = browser.run_script(&shown).await;
            let amount = shown.as_str().unwrap().trim_start_matches(|c: char| !c.is_ascii_digit());
            assert_eq!(amount, total, "{currency}: {shown}");
        }
    }
    // All currencies of the program.
    let wrong = "const [{ money }, exponents] = await Promise.all(
            [import('/format.js'), fetch('/currencies').then((response) => response.json())]);
        const wrong = ([currency, exponent]) => {
          const [, decimals = ''] = money(123456789, currency).replace(/[^0-9.]/g, '').split('.');
          return decimals.length !== exponent;
        };
        const all = Object.entries(exponents);
        return [all.length > 150, all.filter(wrong)]";
    let wrong = format!("return (async () => {{ {wrong} }})()");
    assert_eq!(browser.run_script(&wrong).await, json!([true, []]));
}

#[tokio::test]
async fn page_shows_as_many_orders_and_recommendations_as_it_has_room_for() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let (_display, page) = shop.start_display(&[]);
    let mut visit = shop.visit("arrived", 1, "Ada", 600.0);
    let order = visit["orders"][0].clone();
    visit["orders"] = json!([order, order, order]);
    let mut fifth = visit["recommendations"][0].clone();
    fifth["sku"] = json!("7001");
    visit["recommendations"].as_array_mut().unwrap().push(fifth);
    shop.publish("visit", &visit);
    for (width, height, rows, count) in [(1280, 800, ".earlier", 2), (1080, 1920, ".again ul", 5)] {
        let browser = Browser::start(width, height).await;
        browser.client.goto(&page).await.unwrap();
        wait_for_greeted(&browser, &["Ada"]).await;
        let shown = format!("return document.querySelectorAll('{rows} li').length");
        assert_eq!(browser.run_script(&shown).await, json!(count), "{rows}");
        assert_eq!(browser.run_script(CUT_OFF).await, json!([]));
        assert_accessible(&browser, "several orders").await;
        browser.screenshot(&format!("orders-{width}.png")).await;
    }
}

#[tokio::test]
async fn numbers_have_plural_forms_in_every_language() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let (_display, page) = shop.start_display(&[]);
    for (tag, one, two) in [
        ("en-GB", "in 1 basket", "in 2 baskets"),
        ("de-DE", "in 1 Einkauf", "in 2 Einkäufen"),
        ("fr-FR", "dans 1 panier", "dans 2 paniers"),
        ("es-ES", "en 1 compra", "en 2 compras"),
    ] {
        let browser = Browser::start_with(1280, 800, tag, false).await;
        browser.client.goto(&page).await.unwrap();
        browser.wait_for("the page", "return document.querySelector('#clock').textContent").await;
        let texts = "return import('/words.js').then(({ text }) =>
            [1, 2].map((orders) => text('bought_in', { orders })))";
        assert_eq!(browser.run_script(texts).await, json!([one, two]));
    }
}

#[tokio::test]
async fn region_of_shop_decides_formats_and_welcome_is_translated() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    for (tag, language, welcome) in
        [("en-GB", "en", "Welcome"), ("de-AT", "de", "Willkommen"), ("fr", "fr", "Bienvenue")]
    {
        let (_display, page) = shop.start_display(&[("INSTORED_DISPLAY_LANGUAGE", tag)]);
        let browser = Browser::start_with(1280, 800, "en-US", false).await;
        browser.client.goto(&page).await.unwrap();
        let is_shown =
            format!("return document.querySelector('#title').textContent === '{welcome}'");
        browser.wait_for(welcome, &is_shown).await;
        let is_regional = format!(
            "return import('/words.js').then(({{ locale }}) =>
                document.documentElement.lang === '{language}' && locale() === '{tag}')"
        );
        browser.wait_for(tag, &is_regional).await;
    }
}

#[tokio::test]
async fn curtain_shows_first_name_only_until_touched() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (_display, page) = shop.start_display(&[("INSTORED_DISPLAY_CURTAIN", "true")]);
    browser.client.goto(&page).await.unwrap();
    shop.publish("visit", &shop.visit("arrived", 1, "Ada Lovelace", 600.0));
    wait_for_greeted(&browser, &["Ada"]).await;
    let page_text = "return document.documentElement.textContent";
    let hidden = browser.run_script(page_text).await;
    for private in ["Lovelace", "Oat milk", "14.73", "baskets"] {
        assert!(!hidden.as_str().unwrap().contains(private), "{private}");
    }
    browser.screenshot("curtain.png").await;
    assert_accessible(&browser, "the curtain").await;
    browser.run_script("document.querySelector('.curtain').click()").await;
    wait_for_greeted(&browser, &["Ada Lovelace"]).await;
    let open = browser.run_script(TEXT).await;
    assert!(open.as_str().unwrap().contains("Oat milk"), "{open}");
}

#[tokio::test]
async fn page_is_small_and_loads_from_its_server_only() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (_display, page) = shop.start_display(&[]);
    browser.client.goto(&page).await.unwrap();
    shop.publish("visit", &shop.visit("arrived", 1, "Ada", 600.0));
    wait_for_greeted(&browser, &["Ada"]).await;
    let loaded = "return performance.getEntries().filter((e) => e.name.includes('://'))
        .map((e) => [e.name, e.encodedBodySize])";
    let loaded: Vec<(String, u64)> =
        serde_json::from_value(browser.run_script(loaded).await).unwrap();
    assert!(loaded.iter().any(|(name, _)| name.ends_with("/app.js")), "{loaded:?}");
    assert!(loaded.iter().all(|(name, _)| name.starts_with(&page)), "{loaded:?}");
    let size: u64 = loaded.iter().map(|(_, size)| size).sum();
    println!("the page: {size} bytes in {} files", loaded.len());
    assert!((10_000..150_000).contains(&size), "{size}");
}

#[tokio::test]
#[ignore = "measurement: cargo test -p instored-it --release -- --ignored"]
async fn measure_latency_from_event_to_text() {
    let broker = Mosquitto::start();
    let shop = SignedBox::new(&broker, 1);
    let browser = Browser::start(1280, 800).await;
    let (_display, page) = shop.start_display(&[]);
    browser.client.goto(&page).await.unwrap();
    let watch = "window.shownAt = {};
        new MutationObserver(() => {
          const name = document.querySelector('article h1')?.textContent;
          if (name && !shownAt[name]) requestAnimationFrame(() => { shownAt[name] ??= Date.now(); });
        }).observe(document.querySelector('#guests'), { subtree: true, childList: true,
          characterData: true });";
    browser.run_script(watch).await;
    let mut latencies_ms = vec![];
    for number in 0..200 {
        let name = format!("Guest {number}");
        let published = now();
        shop.publish("visit", &shop.visit("arrived", 1, &name, 600.0));
        let shown_at = browser.wait_for(&name, &format!("return window.shownAt['{name}']")).await;
        latencies_ms.push(shown_at.as_f64().unwrap() - published * 1e3);
    }
    latencies_ms.sort_by(f64::total_cmp);
    let quantile = |q: f64| latencies_ms[(q * (latencies_ms.len() - 1) as f64) as usize];
    println!(
        "event to text, mosquitto_pub's start included, {} events: p50 {:.0} ms, p95 {:.0} ms, \
         p99 {:.0} ms, maximum {:.0} ms",
        latencies_ms.len(),
        quantile(0.5),
        quantile(0.95),
        quantile(0.99),
        quantile(1.0)
    );
}
