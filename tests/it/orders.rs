//! Command line for customers, orders and catalogue, with and without a running box.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::support::mosquitto::{Mosquitto, enrol};
use crate::support::process::Finished;
use crate::support::test_box::{TestBox, copy_state, files, start};
use crate::support::{TIMEOUT, assert_contains, wait_until};

const HEADER: &str = "customer,order,placed,currency,sku,name,quantity,unit_price,till";
const STRANGER: &str = "7d444840-9dc0-11d1-b245-5ffdce74fad2";

/// Returns a CSV file of a till with two valid orders, the newer one last, and five invalid lines.
fn till_csv(customer: &str, prefix: &str) -> String {
    [
        HEADER,
        &format!("{customer},{prefix}-1,2024-03-01T09:15:00+01:00,EUR,4002,Oat milk 1 l,2,199,T1"),
        &format!("{customer},{prefix}-1,2024-03-01T09:15:00+01:00,EUR,3014,Pears,0.845,329,T1"),
        &format!("{customer},{prefix}-2,2024-03-02T09:15:00+01:00,EUR,1107,Rye bread,lots,389,T1"),
        &format!("{customer},{prefix}-2,2024-03-02T09:15:00+01:00,EUR,4002,Oat milk 1 l,1,199,T1"),
        &format!("{STRANGER},{prefix}-3,2024-03-03T09:15:00+01:00,EUR,4002,Oat milk 1 l,1,199,T1"),
        &format!("{customer},{prefix}-4,2024-03-04 09:15,EUR,4002,Oat milk 1 l,1,199,T1"),
        "no order",
        &format!("{customer},{prefix}-5,2024-03-05T09:15:00+01:00,EUR,1107,Rye bread,1,389,T1"),
        "",
    ]
    .join("\n")
}

/// Numbers of the invalid lines of [`till_csv`].
const INVALID_LINES: [u64; 5] = [4, 5, 6, 7, 8];

/// Returns the JSON output of a program that ended with this code.
#[track_caller]
fn json_of(finished: &Finished, code: i32) -> Value {
    assert_eq!(finished.code, Some(code), "{}", finished.stderr);
    serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e} in {}", finished.stdout))
}

/// Returns the ids of a customer's orders, newest first.
#[track_caller]
fn order_ids(test_box: &TestBox, customer: &str) -> Vec<String> {
    let listed = json_of(&test_box.run(["orders", "list", customer, "--json"]), 0);
    let id = |order: &Value| order["id"].as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(id).collect()
}

/// Imports a till's file twice, and checks the reports and the stored orders.
fn check_import(test_box: &TestBox, customer: &str, prefix: &str) {
    let before = order_ids(test_box, customer);
    let file = test_box.path(&format!("{prefix}.csv"));
    fs::write(&file, till_csv(customer, prefix)).unwrap();
    let file = file.to_str().unwrap();

    let dry_run = json_of(&test_box.run(["orders", "import", file, "--dry-run", "--json"]), 1);
    assert_eq!((&dry_run["added"], &dry_run["already_known"]), (&json!(0), &json!(0)));
    assert_eq!(order_ids(test_box, customer), before, "the dry run changed something");

    let first = test_box.run(["orders", "import", file]);
    assert_eq!(first.code, Some(1), "{}", first.stderr);
    let line_number =
        |line: &str| line.strip_prefix("line ")?.split(':').next()?.parse::<u64>().ok();
    let lines: Vec<_> = first.stderr.lines().filter_map(line_number).collect();
    assert_eq!(lines, INVALID_LINES, "{}", first.stderr);
    assert_contains(&first.stderr, &["`lots`", STRANGER, "line 4 is invalid", "2024-03-04 09:15"]);
    assert_contains(&first.stdout, &["2 added, 0 known already, 5 lines rejected"]);

    let mut expected = vec![format!("{prefix}-5"), format!("{prefix}-1")];
    expected.extend(before);
    let listed = order_ids(test_box, customer);
    let newest_first = |ids: &[String]| ids.is_sorted_by_key(|id| std::cmp::Reverse(day_of(id)));
    assert!(newest_first(&listed), "{listed:?}");
    assert_eq!(listed.len(), expected.len(), "{listed:?}");
    assert!(expected.iter().all(|id| listed.contains(id)), "{listed:?}");

    let again = json_of(&test_box.run(["orders", "import", file, "--json"]), 1);
    assert_eq!((&again["added"], &again["already_known"]), (&json!(0), &json!(2)));
    assert_eq!(again["left_out"], INVALID_LINES.len());
    let rejected: Vec<_> =
        again["rejected"].as_array().unwrap().iter().map(|r| r["line"].as_u64().unwrap()).collect();
    assert_eq!(rejected, INVALID_LINES);
    assert_eq!(order_ids(test_box, customer), listed);

    let shown = test_box.run(["orders", "list", customer, "--limit", "1"]);
    assert_contains(&shown.stdout, &["2024-03-05 09:15", "3.89", "Rye bread"]);
    assert!(!shown.stdout.contains("Oat milk"), "{}", shown.stdout);
}

/// Returns the suffix of an order id. In [`till_csv`] it is the day in March.
fn day_of(order: &str) -> String {
    order.rsplit('-').next().unwrap().to_owned()
}

/// Renames the customer and checks the commands that show them.
fn check_customer(test_box: &TestBox, customer: &str, name: &str, orders: usize) {
    let renamed = test_box.run(["customers", "rename", customer, name]);
    assert_eq!(renamed.code, Some(0), "{}", renamed.stderr);
    let mut shown = json_of(&test_box.run(["customers", "show", customer, "--json"]), 0);
    let consents = shown.as_object_mut().unwrap().remove("consents");
    assert_eq!(consents.unwrap().as_array().map(Vec::len), Some(1));
    assert_eq!((&shown["id"], &shown["name"]), (&json!(customer), &json!(name)));
    let listed = json_of(&test_box.run(["customers", "list", "--json"]), 0);
    assert_eq!(listed, json!([shown]));
    let table = test_box.run(["customers", "list"]);
    assert_contains(&table.stdout, &[customer, name, "1 enrolled"]);

    let export = json_of(&test_box.run(["customers", "export", customer]), 0);
    assert_eq!(export["customer"], customer);
    assert_eq!(export["record"]["name"], name);
    assert_eq!(export["consents"].as_array().unwrap().len(), 1);
    assert_eq!(export["orders"].as_array().unwrap().len(), orders);
    assert_eq!(export["unreadable"], json!([]));
    let templates = export["templates"].as_array().unwrap();
    assert_eq!(templates.len(), 5);
    for template in templates {
        // SFace has 128 values and MobileFaceNet 512. One constant follows the values of each.
        assert_eq!(template["embedding"].as_array().unwrap().len(), 642);
    }
}

/// Deletes the customer and checks that no file contains their data.
fn check_deletion(test_box: &TestBox, customer: &str, orders: usize) {
    let export = json_of(&test_box.run(["customers", "export", customer]), 0);
    let forgotten = test_box.run(["customers", "forget", customer]);
    assert_eq!(forgotten.code, Some(0), "{}", forgotten.stderr);
    assert_contains(&forgotten.stdout, &[&format!("5 templates and {orders} orders")]);

    for verb in ["show", "export", "forget"] {
        let finished = test_box.run(["customers", verb, customer]);
        assert_eq!(finished.code, Some(1), "{verb}: {}", finished.stderr);
        assert_contains(&finished.stderr, &[&format!("no customer {customer} is enrolled")]);
    }
    assert_eq!(json_of(&test_box.run(["customers", "list", "--json"]), 0), json!([]));
    assert_eq!(test_box.run(["orders", "list", customer]).code, Some(1));

    let pseudonym: Vec<u8> = customer
        .replace('-', "")
        .as_bytes()
        .chunks(2)
        .map(|hex| u8::from_str_radix(std::str::from_utf8(hex).unwrap(), 16).unwrap())
        .collect();
    let mut traces = vec![pseudonym, b"Oat milk".to_vec(), b"Rye bread".to_vec()];
    for template in export["templates"].as_array().unwrap() {
        let values = template["embedding"].as_array().unwrap().iter().take(4);
        traces.push(values.flat_map(|v| (v.as_f64().unwrap() as f32).to_le_bytes()).collect());
    }
    // A running box compacts its file in the background.
    wait_until("deletion of the customer from all files", || {
        let has_traces = |file: &std::path::PathBuf| {
            // The file is missing for a moment while a compaction replaces it.
            let bytes = fs::read(file).unwrap_or_default();
            traces.iter().any(|trace| bytes.windows(trace.len()).any(|window| window == trace))
        };
        (!files(&test_box.state_dir()).iter().any(has_traces)).then_some(())
    });
}

#[test]
fn commands_work_with_and_without_running_box() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let (mut test_box, daemon, done) = TestBox::with_customer(&broker, &mut subscriber, &[]);
    let customer = done["customer"]["id"].as_str().unwrap();

    check_import(&test_box, customer, "A");
    check_customer(&test_box, customer, "Alex", 2);
    daemon.stop();

    check_import(&test_box, customer, "B");
    check_customer(&test_box, customer, "Alexandra", 4);

    let copy = test_box.path("copy");
    copy_state(&test_box.state_dir(), &copy);
    check_deletion(&test_box, customer, 4);

    // The running box deletes the same customer from the copy.
    fs::remove_dir_all(test_box.state_dir()).unwrap();
    copy_state(&copy, &test_box.state_dir());
    fs::remove_dir_all(copy).unwrap();
    test_box.set("INSTORED_CAMERA_DEVICE", "/dev/video99");
    let daemon = test_box.start();
    daemon.wait_until_ready();
    check_deletion(&test_box, customer, 4);
    assert_eq!(subscriber.enrolment("withdrawn")["customer"], customer);
    subscriber.state("nobody is enrolled", |s| s["customers"] == 0 && s["camera"] == "trouble");
    daemon.stop();
}

#[test]
fn import_with_unknown_extension_or_header_fails() {
    let test_box = TestBox::new(9, "/dev/video99");
    let file = test_box.path("orders.xls");
    fs::write(&file, "x").unwrap();
    let finished = test_box.run(["orders", "import", file.to_str().unwrap()]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert_contains(&finished.stderr, &["orders.xls", ".csv, .jsonl or .ndjson"]);

    let file = test_box.path("orders.csv");
    fs::write(&file, "customer,order\n").unwrap();
    let finished = test_box.run(["orders", "import", file.to_str().unwrap()]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert_contains(&finished.stderr, &["orders.csv", "lacks `placed`"]);
}

/// Returns a stopped box with one customer, and the customer's id.
fn stopped_box_with_customer(broker: &Mosquitto) -> (TestBox, String) {
    let mut subscriber = broker.subscribe();
    let test_box = TestBox::with_visitor(broker);
    let daemon = test_box.start();
    subscriber.state("streaming", |s| s["camera"] == "streaming");
    let done = enrol(broker, &mut subscriber);
    daemon.stop();
    (test_box, done["customer"]["id"].as_str().unwrap().to_owned())
}

/// Imports a file. Returns the number and the reason of each rejected line.
fn rejected_lines(test_box: &TestBox, name: &str, content: &[u8]) -> Vec<(u64, String)> {
    let file = test_box.path(name);
    fs::write(&file, content).unwrap();
    let report = json_of(&test_box.run(["orders", "import", file.to_str().unwrap(), "--json"]), 1);
    let rejected = report["rejected"].as_array().unwrap();
    assert_eq!(report["left_out"], rejected.len());
    let line = |r: &Value| (r["line"].as_u64().unwrap(), r["reason"].as_str().unwrap().to_owned());
    rejected.iter().map(line).collect()
}

/// Asserts the numbers of the rejected lines. Each reason must contain the expected part.
#[track_caller]
fn assert_reasons(rejected: &[(u64, String)], expected: &[(u64, &str)]) {
    assert_eq!(rejected.len(), expected.len(), "{rejected:?}");
    for ((line, reason), (number, part)) in rejected.iter().zip(expected) {
        assert!(
            line == number && reason.contains(part),
            "line {line}: {reason}; expected: {number}: {part}"
        );
    }
}

#[test]
fn invalid_lines_are_rejected_with_reasons_and_others_stored() {
    let broker = Mosquitto::start();
    let (mut test_box, customer) = stopped_box_with_customer(&broker);
    test_box.set("INSTORED_SHOP_CURRENCY", "EUR");
    let milk = |order: &str, rest: &str| {
        format!("{customer},{order},2024-03-01T09:15:00+01:00,EUR,4002,Oat milk 1 l,{rest}\n")
    };
    let header =
        "customer,order,placed,currency,sku,name,quantity,unit_price,unit,void,total,replaces\n";
    let mut file = header.as_bytes().to_vec();
    for line in [
        milk("1", "2,199,,,398,"),
        milk("2", "1,199,,,199,").replace("EUR", "euro"),
        milk("3", "1,199,,,199,").replace("EUR", "USD"),
        milk("4", "-1,199,,,-199,"),
        milk("5", "1,199,,,200,"),
        milk("6", "1,199,,,199,").replace("2024", "2124"),
        milk("1", "3,199,,,597,").replace("09:15", "09:16"),
    ] {
        file.extend(line.into_bytes());
    }
    file.extend(milk("8", "1,199,,,199,").replace("Oat", "\u{1}").bytes().map(|b| match b {
        1 => 0xFF,
        b => b,
    }));
    file.extend(milk("9", "0.5,200,kg,,100,").into_bytes());
    let rejected = rejected_lines(&test_box, "bad.csv", &file);
    assert_reasons(
        &rejected,
        &[
            (2, "line 8 is invalid"),
            (3, "`euro` is not a currency"),
            (4, "the amounts are in USD, the shop's currency is EUR"),
            (5, "below 0; mark the line as void"),
            (6, "the total is 200, but the lines add up to 199"),
            (7, "is in the future"),
            (8, "differs from line 2 of the same order"),
            (9, "is not UTF-8"),
        ],
    );
    assert_eq!(order_ids(&test_box, &customer), ["9"]);

    let order = |id: &str, milk: u32| {
        let lines = json!([{ "sku": "1", "name": "Milk", "quantity": milk, "unit_price": 100 }]);
        json!({
            "id": id, "customer": customer, "placed": "2024-03-02T09:15:00+01:00",
            "currency": "EUR", "lines": lines, "total": 100 * milk,
        })
    };
    let lines = [
        order("10", 1).to_string(),
        "x".repeat(3 << 20),
        order("10", 2).to_string(),
        order("11", 1).to_string().replace("placed", "paid"),
        order("12", 1).to_string(),
    ];
    let rejected = rejected_lines(&test_box, "bad.jsonl", lines.join("\n").as_bytes());
    assert_reasons(
        &rejected,
        &[
            (2, "is longer than 64 KiB"),
            (3, "order 10 is stored with other content"),
            (4, "unknown field `paid`"),
        ],
    );
    assert_eq!(order_ids(&test_box, &customer).len(), 3);
}

#[test]
fn second_import_completes_killed_import() {
    const ORDERS: usize = 6000;
    /// Number of orders that are written before the kill.
    const WRITTEN: usize = 2900;
    /// Minimum number of orders that are stored before the kill. The pipe and two buffers, 64 KiB
    /// each, contain about 500 orders, and the current batch contains up to 1,000.
    const STORED_MIN: u64 = 1000;
    let broker = Mosquitto::start();
    let (test_box, customer) = stopped_box_with_customer(&broker);
    let order = |n: usize| {
        let lines: Vec<_> = (0..5)
            .map(|sku| {
                json!({ "sku": sku.to_string(), "name": "Milk", "quantity": 1,
                               "unit_price": 99 })
            })
            .collect();
        let placed = format!("2024-03-{:02}T{:02}:15:00+01:00", 1 + n % 28, n / 28 % 24);
        let order = json!({ "id": format!("K-{n}"), "customer": customer, "placed": placed,
                            "currency": "EUR", "lines": lines, "total": 495 });
        format!("{order}\n")
    };
    let (pipe, file) = (test_box.path("pipe.jsonl"), test_box.path("year.jsonl"));
    fs::write(&file, (0..ORDERS).map(order).collect::<String>()).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());

    let mut killed =
        start(&mut test_box.command(["orders", "import", pipe.to_str().unwrap(), "--json"]));
    let first_part: String = (0..WRITTEN).map(order).collect();
    let (read, is_read) = mpsc::channel();
    thread::spawn(move || {
        let mut pipe = fs::File::options().write(true).open(pipe).unwrap();
        pipe.write_all(first_part.as_bytes()).unwrap();
        // The pipe stays open, so the import waits for more lines.
        read.send(pipe).unwrap();
    });
    let _open = is_read.recv_timeout(TIMEOUT).expect("the import reads the pipe");
    killed.kill();

    let import = ["orders", "import", file.to_str().unwrap(), "--json"];
    let second = json_of(&test_box.run(import), 0);
    let (added, known) = (&second["added"], second["already_known"].as_u64().unwrap());
    assert!(known >= STORED_MIN, "{second}");
    assert_eq!(added.as_u64().unwrap() + known, ORDERS as u64, "{second}");
    assert!(added.as_u64().unwrap() >= (ORDERS - WRITTEN) as u64, "{second}");
    let third = json_of(&test_box.run(import), 0);
    assert_eq!((&third["added"], &third["already_known"]), (&json!(0), &json!(ORDERS)));

    let products = test_box.run(["orders", "list", &customer, "--by", "product", "--json"]);
    let products = json_of(&products, 0);
    assert_eq!(products.as_array().unwrap().len(), 5);
    for product in products.as_array().unwrap() {
        assert_eq!((&product["orders"], &product["spent"]), (&json!(ORDERS), &json!(594_000)));
    }
}

#[test]
fn orders_are_corrected_voided_and_listed() {
    let broker = Mosquitto::start();
    let (test_box, customer) = stopped_box_with_customer(&broker);
    let order = |id: &str, day: u32, pears: f64, total: i64, replaces: Option<&str>| {
        let mut order = json!({
            "id": id, "customer": customer, "placed": format!("2024-03-{day:02}T18:00:00+01:00"),
            "currency": "EUR", "total": total, "till": "2",
            "lines": [{ "sku": "3014", "name": "Loose pears", "quantity": pears, "unit": "kg",
                        "unit_price": 329 }],
        });
        if let Some(replaces) = replaces {
            order["replaces"] = json!(replaces);
        }
        order.to_string()
    };
    let add = |order: &str| test_box.run(["orders", "add", order]);
    let wrong = order("V-1", 1, 8.45, 2780, None);
    for (order, message) in [
        (&wrong, "order V-1 added"),
        (&order("V-2", 1, 0.845, 278, Some("V-1")), "order V-2 added"),
        (&wrong, "order V-1 is known already"),
        (&order("V-3", 8, 0.5, 165, None), "order V-3 added"),
        (&order("V-4", 9, 0.5, 165, None), "order V-4 added"),
    ] {
        let added = add(order);
        assert_eq!(added.code, Some(0), "{}", added.stderr);
        assert_contains(&added.stdout, &[message]);
    }
    let failed = add(&order("V-5", 9, 0.5, 165, Some("V-1")));
    assert_eq!(failed.code, Some(1), "{}", failed.stdout);
    assert_contains(&failed.stderr, &["V-5", "V-1", "the customer has no such order"]);
    assert_eq!(order_ids(&test_box, &customer), ["V-4", "V-3", "V-2"]);

    assert_eq!(test_box.run(["orders", "void", &customer, "V-4"]).code, Some(0));
    assert_eq!(test_box.run(["orders", "void", &customer, "V-4"]).code, Some(1));
    assert_eq!(order_ids(&test_box, &customer), ["V-3", "V-2"]);

    let list = |rest: &[&str]| {
        let mut arguments = vec!["orders", "list", customer.as_str()];
        arguments.extend(rest);
        test_box.run(arguments)
    };
    let second = list(&["--limit", "1", "--page", "2"]);
    assert_contains(
        &second.stdout,
        &["0.845 kg  × Loose pears", "2.78 EUR", "page 2 of 2, 2 entries"],
    );
    let products = json_of(&list(&["--by", "product", "--json"]), 0);
    let pears = &products.as_array().unwrap()[..];
    assert_eq!(pears.len(), 1, "{products}");
    assert_eq!((&pears[0]["quantity"], &pears[0]["spent"]), (&json!(1.345), &json!(443)));
    let again = json_of(&list(&["--by", "again", "--json"]), 0);
    assert_eq!((&again[0]["orders"], &again[0]["every_days"]), (&json!(2), &json!(7)));
    assert_contains(&list(&["--by", "again"]).stdout, &["Loose pears", "0.5 kg", "7 days"]);
}

#[test]
fn catalogue_is_imported_listed_and_removed() {
    let broker = Mosquitto::start();
    let (test_box, _) = stopped_box_with_customer(&broker);
    let file = test_box.path("catalogue.csv");
    let products = "sku,name,allergens,age_restricted\n4002,Oat milk,gluten,\n6001,Riesling,,yes\n\
                    7001,Soap,dust,\n";
    fs::write(&file, products).unwrap();
    let file = file.to_str().unwrap();
    let first = json_of(&test_box.run(["catalogue", "import", file, "--json"]), 1);
    assert_eq!((&first["added"], &first["left_out"]), (&json!(2), &json!(1)));
    assert_contains(
        first["rejected"][0]["reason"].as_str().unwrap(),
        &["`dust` is not an allergen"],
    );
    let again = json_of(&test_box.run(["catalogue", "import", file, "--json"]), 1);
    assert_eq!((&again["added"], &again["unchanged"]), (&json!(0), &json!(2)));
    let table = test_box.run(["catalogue", "list"]).stdout;
    assert_contains(&table, &["Oat milk", "gluten", "Riesling", "age-restricted", "2 products"]);
    assert_eq!(test_box.run(["catalogue", "remove", "6001"]).code, Some(0));
    let remaining = json_of(&test_box.run(["catalogue", "list", "--json"]), 0);
    assert_eq!(remaining.as_array().unwrap().len(), 1);
}

#[test]
fn order_at_till_belongs_to_assigned_customer() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let (_entrance, daemon, done) = TestBox::with_customer(&broker, &mut subscriber, &[]);
    let (id, code) = (&done["customer"]["id"], &done["claim_code"]);
    let basket = |order: &str, day: u32| {
        json!({ "at_till": "2", "order": {
            "id": order, "placed": format!("2024-03-{day:02}T18:00:00+01:00"), "currency": "EUR",
            "lines": [{ "sku": "4002", "name": "Oat milk 1 l", "quantity": 2, "unit_price": 199 }],
            "total": 398, "till": "2",
        }})
        .to_string()
    };

    assert_eq!(broker.command_error("order", &basket("T2-1", 1)).0, "not_found");
    for (buyer, order, day) in [("claim_code", "T2-1", 1), ("customer", "T2-2", 8)] {
        let value = if buyer == "customer" { id } else { code };
        let assigned = broker.command("at-till", &json!({ buyer: value, "till": "2" }).to_string());
        assert_eq!(
            (&assigned["at_till"]["customer"], &assigned["at_till"]["till"]),
            (id, &json!("2"))
        );
        for added in [true, false] {
            let response = broker.command("order", &basket(order, day));
            assert_eq!(
                response,
                json!({ "order": { "id": order, "customer": id, "added": added } })
            );
        }
        let (code, message) = broker.command_error("order", &basket("T2-3", 9));
        assert_eq!(code, "not_found", "{message}");
    }

    let greeting = subscriber.next("visit", "a visit with both orders", |m| {
        Some(m.json()).filter(|v| v["orders"].as_array().is_some_and(|orders| orders.len() == 2))
    });
    assert_eq!(greeting["orders"][0]["id"], "T2-2");
    let recommended = greeting["recommendations"].as_array().unwrap();
    assert!(recommended.iter().any(|r| r["sku"] == "4002"), "{greeting}");

    let history = |by: &str| json!({ "customer": id, "by": by }).to_string();
    let again = &broker.command("history", &history("again"))["history"];
    assert_eq!((&again["entries"], &again["again"][0]["sku"]), (&json!(1), &json!("4002")));
    let orders = &broker.command("history", &history("time"))["history"]["orders"];
    assert_eq!((&orders[0]["id"], &orders[0]["total"]), (&json!("T2-2"), &json!(398)));

    let changes = json!({ "customer": id, "history": false, "allergens": ["gluten"] }).to_string();
    let expected = json!({ "recommendations": true, "history": false, "allergens": ["gluten"] });
    let response = broker.command("preferences", &changes);
    assert_eq!(response, json!({ "preferences": { "customer": id, "preferences": expected } }));
    assert_eq!(broker.command_error("history", &history("time")).0, "switched_off");

    let products = json!({ "products": [{ "sku": "4002", "name": "Oat milk 1 l" }] }).to_string();
    let response = broker.command("catalogue", &products);
    let expected = json!({ "added": 1, "changed": 0, "unchanged": 0, "removed": 0 });
    assert_eq!(response, json!({ "catalogue": expected }));
    daemon.stop();
}
