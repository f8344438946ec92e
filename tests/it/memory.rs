//! Traces of a customer after their deletion: in the memory of box and display, in the log, and in the files of
//! box and broker.

use std::time::{Duration, Instant};

use memchr::memmem::find;
use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::memory::{Needle, find_in_memory};
use crate::support::mosquitto::Mosquitto;
use crate::support::test_box::{TestBox, files, start, url_in};

const NAME: &str = "Zacharias Quillfeather";
const PRODUCT: &str = "Gooseberry curd";
/// Number of consecutive values of a template that are searched for.
const TEMPLATE_VALUES: usize = 8;
/// Maximum time until the messages about the deletion have left the buffers of the connections.
const CLEANING_TIMEOUT: Duration = Duration::from_secs(30);

/// Returns what identifies a customer: id, name, codes, a product that only they bought, and their templates. The
/// bytes of the id are left out: it is a random number that nothing links to the customer after the deletion, and
/// copies of it stay on the stacks of threads until they are overwritten.
fn needles(customer: &str, claim_code: &str, export: &Value) -> Vec<Needle> {
    let receipt = export["consents"][0]["receipt"].as_str().expect("a consent has a receipt");
    let mut needles = vec![
        Needle::new("name", NAME),
        Needle::new("product", PRODUCT),
        Needle::new("id", customer),
        Needle::new("claim code", claim_code),
        Needle::new("receipt", receipt),
    ];
    for (number, template) in export["templates"].as_array().expect("templates").iter().enumerate()
    {
        let values = template["embedding"].as_array().expect("an embedding").iter();
        let bytes: Vec<u8> = values
            .skip(40)
            .take(TEMPLATE_VALUES)
            .flat_map(|value| (value.as_f64().expect("a number") as f32).to_le_bytes())
            .collect();
        needles.push(Needle::new(format!("template {number}"), bytes));
    }
    needles
}

// Skipped without root, because only root can read the memory of a program that is not dumpable.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleted_customer_leaves_no_trace_in_memory_log_and_files() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let (test_box, daemon, done) = TestBox::with_customer(&broker, &mut subscriber, &[]);
    let display = start(&mut test_box.command(["display", "--listen", "127.0.0.1:0"]));
    let (_, page) = display.stderr.find(0, "the page's address", url_in);
    let browser = Browser::start(1280, 800).await;
    browser.client.goto(&page).await.expect("the page opens");

    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let (customer, claim_code) = (text(&done["customer"]["id"]), text(&done["claim_code"]));
    let order = json!({
        "id": "T2-77", "placed": "2024-03-29T09:15:00+01:00", "currency": "EUR", "total": 100,
        "lines": [{ "sku": "sku-7731", "name": PRODUCT, "quantity": 1, "unit_price": 100 }],
    });
    broker.command("order", &json!({ "claim_code": claim_code, "order": order }).to_string());
    broker.command("rename", &json!({ "customer": customer, "name": NAME }).to_string());
    let export = test_box.run(["customers", "export", &customer]);
    let export: Value = serde_json::from_str(&export.stdout).expect("an export is JSON");
    let needles = needles(&customer, &claim_code, &export);
    subscriber.visit("arrived");
    let is_greeted = format!("return document.body.textContent.includes({NAME:?})");
    browser.wait_for("the greeting", &is_greeted).await;

    let (box_id, display_id) = (daemon.process.id(), display.id());
    let Some(before) = find_in_memory(box_id, &needles) else {
        eprintln!("skipped: reading the memory of a program that is not dumpable needs root");
        return;
    };
    // The index of the box contains the templates in another encoding; this process has all needles.
    let planted =
        find_in_memory(std::process::id(), &needles).expect("a process reads its own memory");
    assert_eq!(planted.len(), needles.len(), "{planted:?}");
    for name in ["name", "product"] {
        assert!(before.iter().any(|found| found.starts_with(name)), "{name}: {before:?}");
    }
    let before = find_in_memory(display_id, &needles).expect("root reads the memory");
    for name in ["name", "product", "id"] {
        assert!(before.iter().any(|found| found.starts_with(name)), "{name}: {before:?}");
    }

    let deletion = json!({ "customer": customer, "code": claim_code }).to_string();
    assert_eq!(broker.command("forget", &deletion), json!({ "forgotten": customer }));
    subscriber.enrolment("withdrawn");
    subscriber.state("no customer", |state| state["customers"] == 0);
    // The messages about the deletion contain the id. They are in the buffers of the connections until further
    // messages replace them.
    for (what, process) in [("box", box_id), ("display", display_id)] {
        let start = Instant::now();
        let found = loop {
            let found = find_in_memory(process, &needles).expect("root reads the memory");
            if found.is_empty() || start.elapsed() > CLEANING_TIMEOUT {
                break found;
            }
            std::thread::sleep(Duration::from_secs(1));
        };
        assert_eq!(found, [""; 0], "memory of the {what}");
    }
    let found_in = |bytes: &[u8]| {
        let found = needles.iter().filter(|needle| find(bytes, &needle.bytes).is_some());
        found.map(|needle| needle.name.clone()).collect::<Vec<_>>()
    };
    for folder in [test_box.path(""), broker.folder().to_owned()] {
        for file in files(&folder) {
            // The admin socket cannot be read.
            let Ok(bytes) = std::fs::read(&file) else { continue };
            assert_eq!(found_in(&bytes), [""; 0], "{}", file.display());
        }
    }
    for log in [display.terminate().stderr, daemon.stop().stderr] {
        assert_eq!(found_in(log.as_bytes()), [""; 0], "{log}");
    }
}
