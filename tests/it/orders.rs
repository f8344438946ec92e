//! The operator's command line, through a running box and without it.

use std::fs;
use std::io::Write;
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::support::entrance::{Entrance, copy_state, files, start};
use crate::support::mosquitto::{Mosquitto, enrol};
use crate::support::process::Ended;
use crate::support::{PATIENCE, assert_says, eventually};

const HEADER: &str = "customer,order,placed,currency,sku,name,quantity,unit_price,till";
const STRANGER: &str = "7d444840-9dc0-11d1-b245-5ffdce74fad2";

/// A till's file with two good orders, the newer one last, and five lines that are not.
fn export_of_a_till(customer: &str, prefix: &str) -> String {
    [
        HEADER,
        &format!("{customer},{prefix}-1,2024-03-01T09:15:00+01:00,EUR,4002,Oat milk 1 l,2,199,T1"),
        &format!("{customer},{prefix}-1,2024-03-01T09:15:00+01:00,EUR,3014,Pears,0.845,329,T1"),
        &format!("{customer},{prefix}-2,2024-03-02T09:15:00+01:00,EUR,1107,Rye bread,lots,389,T1"),
        &format!("{customer},{prefix}-2,2024-03-02T09:15:00+01:00,EUR,4002,Oat milk 1 l,1,199,T1"),
        &format!("{STRANGER},{prefix}-3,2024-03-03T09:15:00+01:00,EUR,4002,Oat milk 1 l,1,199,T1"),
        &format!("{customer},{prefix}-4,2024-03-04 09:15,EUR,4002,Oat milk 1 l,1,199,T1"),
        "what is this",
        &format!("{customer},{prefix}-5,2024-03-05T09:15:00+01:00,EUR,1107,Rye bread,1,389,T1"),
        "",
    ]
    .join("\n")
}

const BAD_LINES: [u64; 5] = [4, 5, 6, 7, 8];

#[track_caller]
fn json_of(ended: &Ended, code: i32) -> Value {
    assert_eq!(ended.code, Some(code), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e} in {}", ended.stdout))
}

#[track_caller]
fn order_ids(entrance: &Entrance, customer: &str) -> Vec<String> {
    let listed = json_of(&entrance.run(["orders", "list", customer, "--json"]), 0);
    let id = |order: &Value| order["id"].as_str().unwrap().to_owned();
    listed.as_array().unwrap().iter().map(id).collect()
}

/// Takes in a till's file, whichever way leads to the vault.
fn orders_come_in(entrance: &Entrance, customer: &str, prefix: &str) {
    let before = order_ids(entrance, customer);
    let file = entrance.path(&format!("{prefix}.csv"));
    fs::write(&file, export_of_a_till(customer, prefix)).unwrap();
    let file = file.to_str().unwrap();

    let dry = json_of(&entrance.run(["orders", "import", file, "--dry-run", "--json"]), 1);
    assert_eq!((&dry["added"], &dry["already_known"]), (&json!(0), &json!(0)));
    assert_eq!(order_ids(entrance, customer), before, "a dry run changed something");

    let first = entrance.run(["orders", "import", file]);
    assert_eq!(first.code, Some(1), "{}", first.stderr);
    let named = |line: &str| line.strip_prefix("line ")?.split(':').next()?.parse::<u64>().ok();
    let lines: Vec<_> = first.stderr.lines().filter_map(named).collect();
    assert_eq!(lines, BAD_LINES, "{}", first.stderr);
    assert_says(&first.stderr, &["`lots`", STRANGER, "line 4 is invalid", "2024-03-04 09:15"]);
    assert_says(&first.stdout, &["2 added, 0 known already, 5 lines rejected"]);

    let mut expected = vec![format!("{prefix}-5"), format!("{prefix}-1")];
    expected.extend(before);
    expected.sort_by_key(|id| std::cmp::Reverse(id.rsplit('-').next().unwrap().to_owned()));
    let listed = order_ids(entrance, customer);
    let newest_first = |ids: &[String]| ids.is_sorted_by_key(|id| std::cmp::Reverse(day_of(id)));
    assert!(newest_first(&listed), "{listed:?}");
    assert_eq!(listed.len(), expected.len(), "{listed:?}");
    assert!(expected.iter().all(|id| listed.contains(id)), "{listed:?}");

    let again = json_of(&entrance.run(["orders", "import", file, "--json"]), 1);
    assert_eq!((&again["added"], &again["already_known"]), (&json!(0), &json!(2)));
    assert_eq!(again["left_out"], BAD_LINES.len());
    let rejected: Vec<_> =
        again["rejected"].as_array().unwrap().iter().map(|r| r["line"].as_u64().unwrap()).collect();
    assert_eq!(rejected, BAD_LINES);
    assert_eq!(order_ids(entrance, customer), listed);

    let shown = entrance.run(["orders", "list", customer, "--limit", "1"]);
    assert_says(&shown.stdout, &["2024-03-05 09:15", "3.89", "Rye bread"]);
    assert!(!shown.stdout.contains("Oat milk"), "{}", shown.stdout);
}

/// The day of March that the orders of [`export_of_a_till`] end on.
fn day_of(order: &str) -> String {
    order.rsplit('-').next().unwrap().to_owned()
}

/// Names the customer, and looks at everything that is kept.
fn the_customer_is_shown(entrance: &Entrance, customer: &str, name: &str, orders: usize) {
    let renamed = entrance.run(["customers", "rename", customer, name]);
    assert_eq!(renamed.code, Some(0), "{}", renamed.stderr);
    let shown = json_of(&entrance.run(["customers", "show", customer, "--json"]), 0);
    assert_eq!((&shown["id"], &shown["name"]), (&json!(customer), &json!(name)));
    let listed = json_of(&entrance.run(["customers", "list", "--json"]), 0);
    assert_eq!(listed, json!([shown]));
    let table = entrance.run(["customers", "list"]);
    assert_says(&table.stdout, &[customer, name, "1 enrolled"]);

    let export = json_of(&entrance.run(["customers", "export", customer]), 0);
    assert_eq!(export["customer"], customer);
    assert_eq!(export["record"]["name"], name);
    assert_eq!(export["consents"].as_array().unwrap().len(), 1);
    assert_eq!(export["orders"].as_array().unwrap().len(), orders);
    assert_eq!(export["unreadable"], json!([]));
    let templates = export["templates"].as_array().unwrap();
    assert_eq!(templates.len(), 5);
    for template in templates {
        // SFace's 128 values and MobileFaceNet's 512, each with a constant behind them.
        assert_eq!(template["embedding"].as_array().unwrap().len(), 642);
    }
}

/// Forgets the customer; afterwards nothing is left of them, not even in the bytes of the files.
fn the_customer_is_forgotten(entrance: &Entrance, customer: &str, orders: usize) {
    let export = json_of(&entrance.run(["customers", "export", customer]), 0);
    let forgotten = entrance.run(["customers", "forget", customer]);
    assert_eq!(forgotten.code, Some(0), "{}", forgotten.stderr);
    assert_says(&forgotten.stdout, &[&format!("5 templates and {orders} orders")]);

    for verb in ["show", "export", "forget"] {
        let ended = entrance.run(["customers", verb, customer]);
        assert_eq!(ended.code, Some(1), "{verb}: {}", ended.stderr);
        assert_says(&ended.stderr, &[&format!("no customer {customer} is enrolled")]);
    }
    assert_eq!(json_of(&entrance.run(["customers", "list", "--json"]), 0), json!([]));
    assert_eq!(entrance.run(["orders", "list", customer]).code, Some(1));

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
    // A running box sweeps its file in the background.
    eventually("no trace of the customer in any file", || {
        let is_left = |file: &std::path::PathBuf| {
            // A file that the sweep has just put another in the place of is gone.
            let bytes = fs::read(file).unwrap_or_default();
            traces.iter().any(|trace| bytes.windows(trace.len()).any(|window| window == trace))
        };
        (!files(&entrance.state()).iter().any(is_left)).then_some(())
    });
}

#[test]
fn the_operator_works_through_the_running_box_and_without_it() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let (mut entrance, daemon, done) = Entrance::with_a_customer(&broker, &mut ear, &[]);
    let customer = done["customer"]["id"].as_str().unwrap();

    orders_come_in(&entrance, customer, "A");
    the_customer_is_shown(&entrance, customer, "Alex", 2);
    daemon.stop();

    orders_come_in(&entrance, customer, "B");
    the_customer_is_shown(&entrance, customer, "Alexandra", 4);

    let copy = entrance.path("copy");
    copy_state(&entrance.state(), &copy);
    the_customer_is_forgotten(&entrance, customer, 4);

    // The same customer again, in the copy, through the running box.
    fs::remove_dir_all(entrance.state()).unwrap();
    copy_state(&copy, &entrance.state());
    fs::remove_dir_all(copy).unwrap();
    entrance.set("INSTORED_CAMERA_DEVICE", "/dev/video99");
    let daemon = entrance.open();
    daemon.logs("ready box_name");
    the_customer_is_forgotten(&entrance, customer, 4);
    assert_eq!(ear.enrolment("withdrawn")["customer"], customer);
    ear.state("nobody is enrolled", |s| s["customers"] == 0 && s["camera"] == "trouble");
    daemon.stop();
}

#[test]
fn a_file_that_is_no_list_of_orders_is_refused_by_name() {
    let entrance = Entrance::new(9, "/dev/video99");
    let file = entrance.path("orders.xls");
    fs::write(&file, "x").unwrap();
    let ended = entrance.run(["orders", "import", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_says(&ended.stderr, &["orders.xls", ".csv, .jsonl or .ndjson"]);

    let file = entrance.path("orders.csv");
    fs::write(&file, "customer,order\n").unwrap();
    let ended = entrance.run(["orders", "import", file.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert_says(&ended.stderr, &["orders.csv", "lacks `placed`"]);
}

/// A box with one customer, that no longer runs.
fn closed_box_with_a_customer(broker: &Mosquitto) -> (Entrance, String) {
    let mut ear = broker.listen();
    let entrance = Entrance::with_a_visitor(broker);
    let daemon = entrance.open();
    ear.state("streaming", |s| s["camera"] == "streaming");
    let done = enrol(broker, &mut ear);
    daemon.stop();
    (entrance, done["customer"]["id"].as_str().unwrap().to_owned())
}

/// Imports a file of this name and content; the reasons for what was left out, by line.
fn left_out(entrance: &Entrance, name: &str, content: &[u8]) -> Vec<(u64, String)> {
    let file = entrance.path(name);
    fs::write(&file, content).unwrap();
    let report = json_of(&entrance.run(["orders", "import", file.to_str().unwrap(), "--json"]), 1);
    let rejected = report["rejected"].as_array().unwrap();
    assert_eq!(report["left_out"], rejected.len());
    let told = |r: &Value| (r["line"].as_u64().unwrap(), r["reason"].as_str().unwrap().to_owned());
    rejected.iter().map(told).collect()
}

#[track_caller]
fn assert_reasons(told: &[(u64, String)], wanted: &[(u64, &str)]) {
    assert_eq!(told.len(), wanted.len(), "{told:?}");
    for ((line, reason), (number, says)) in told.iter().zip(wanted) {
        assert!(line == number && reason.contains(says), "line {line}: {reason}; not {says}");
    }
}

#[test]
fn each_kind_of_bad_input_is_refused_with_a_sentence_and_the_rest_is_kept() {
    let broker = Mosquitto::start();
    let (mut entrance, customer) = closed_box_with_a_customer(&broker);
    entrance.set("INSTORED_SHOP_CURRENCY", "EUR");
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
    let told = left_out(&entrance, "bad.csv", &file);
    assert_reasons(
        &told,
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
    assert_eq!(order_ids(&entrance, &customer), ["9"]);

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
    let told = left_out(&entrance, "bad.jsonl", lines.join("\n").as_bytes());
    assert_reasons(
        &told,
        &[
            (2, "is longer than 64 KiB"),
            (3, "order 10 is stored with other content"),
            (4, "unknown field `paid`"),
        ],
    );
    assert_eq!(order_ids(&entrance, &customer).len(), 3);
}

#[test]
fn an_import_that_was_killed_is_finished_by_a_second_one() {
    /// Of all, and of those that are read before the kill.
    const ORDERS: (usize, usize) = (6000, 2900);
    /// Stored by then at least: what was read and is not stored waits in the pipe and two buffers
    /// of 64 KiB each, some 500 orders, and in a batch of up to 1,000.
    const STORED: u64 = 1000;
    let broker = Mosquitto::start();
    let (entrance, customer) = closed_box_with_a_customer(&broker);
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
    let (pipe, file) = (entrance.path("pipe.jsonl"), entrance.path("year.jsonl"));
    fs::write(&file, (0..ORDERS.0).map(order).collect::<String>()).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());

    let mut killed =
        start(&mut entrance.instored(["orders", "import", pipe.to_str().unwrap(), "--json"]));
    let beginning: String = (0..ORDERS.1).map(order).collect();
    let (read, is_read) = mpsc::channel();
    thread::spawn(move || {
        let mut pipe = fs::File::options().write(true).open(pipe).unwrap();
        pipe.write_all(beginning.as_bytes()).unwrap();
        // The pipe stays open: the import waits for more.
        read.send(pipe).unwrap();
    });
    let _open = is_read.recv_timeout(PATIENCE).expect("the import reads");
    killed.kill();

    let import = ["orders", "import", file.to_str().unwrap(), "--json"];
    let second = json_of(&entrance.run(import), 0);
    let (added, known) = (&second["added"], second["already_known"].as_u64().unwrap());
    assert!(known >= STORED, "{second}");
    assert_eq!(added.as_u64().unwrap() + known, ORDERS.0 as u64, "{second}");
    assert!(added.as_u64().unwrap() >= (ORDERS.0 - ORDERS.1) as u64, "{second}");
    let third = json_of(&entrance.run(import), 0);
    assert_eq!((&third["added"], &third["already_known"]), (&json!(0), &json!(ORDERS.0)));

    let products = entrance.run(["orders", "list", &customer, "--by", "product", "--json"]);
    let products = json_of(&products, 0);
    assert_eq!(products.as_array().unwrap().len(), 5);
    for product in products.as_array().unwrap() {
        assert_eq!((&product["orders"], &product["spent"]), (&json!(ORDERS.0), &json!(594_000)));
    }
}

#[test]
fn orders_are_corrected_voided_and_looked_back_on() {
    let broker = Mosquitto::start();
    let (entrance, customer) = closed_box_with_a_customer(&broker);
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
    let add = |order: &str| entrance.run(["orders", "add", order]);
    let wrong = order("V-1", 1, 8.45, 2780, None);
    for (order, says) in [
        (&wrong, "order V-1 added"),
        (&order("V-2", 1, 0.845, 278, Some("V-1")), "order V-2 added"),
        (&wrong, "order V-1 is known already"),
        (&order("V-3", 8, 0.5, 165, None), "order V-3 added"),
        (&order("V-4", 9, 0.5, 165, None), "order V-4 added"),
    ] {
        let added = add(order);
        assert_eq!(added.code, Some(0), "{}", added.stderr);
        assert_says(&added.stdout, &[says]);
    }
    let refused = add(&order("V-5", 9, 0.5, 165, Some("V-1")));
    assert_eq!(refused.code, Some(1), "{}", refused.stdout);
    assert_says(&refused.stderr, &["V-5", "V-1", "no order of this customer"]);
    assert_eq!(order_ids(&entrance, &customer), ["V-4", "V-3", "V-2"]);

    assert_eq!(entrance.run(["orders", "void", &customer, "V-4"]).code, Some(0));
    assert_eq!(entrance.run(["orders", "void", &customer, "V-4"]).code, Some(1));
    assert_eq!(order_ids(&entrance, &customer), ["V-3", "V-2"]);

    let list = |rest: &[&str]| {
        let mut arguments = vec!["orders", "list", customer.as_str()];
        arguments.extend(rest);
        entrance.run(arguments)
    };
    let second = list(&["--limit", "1", "--page", "2"]);
    assert_says(&second.stdout, &["0.845 kg  × Loose pears", "2.78 EUR", "page 2 of 2, 2 entries"]);
    let products = json_of(&list(&["--by", "product", "--json"]), 0);
    let pears = &products.as_array().unwrap()[..];
    assert_eq!(pears.len(), 1, "{products}");
    assert_eq!((&pears[0]["quantity"], &pears[0]["spent"]), (&json!(1.345), &json!(443)));
    let again = json_of(&list(&["--by", "again", "--json"]), 0);
    assert_eq!((&again[0]["orders"], &again[0]["every_days"]), (&json!(2), &json!(7)));
    assert_says(&list(&["--by", "again"]).stdout, &["Loose pears", "0.5 kg", "7 days"]);
}

#[test]
fn a_catalogue_is_taken_in_listed_and_taken_out() {
    let broker = Mosquitto::start();
    let (entrance, _) = closed_box_with_a_customer(&broker);
    let file = entrance.path("catalogue.csv");
    let products = "sku,name,allergens,age_restricted\n4002,Oat milk,gluten,\n6001,Riesling,,yes\n\
                    7001,Soap,dust,\n";
    fs::write(&file, products).unwrap();
    let file = file.to_str().unwrap();
    let first = json_of(&entrance.run(["catalogue", "import", file, "--json"]), 1);
    assert_eq!((&first["added"], &first["left_out"]), (&json!(2), &json!(1)));
    assert_says(first["rejected"][0]["reason"].as_str().unwrap(), &["`dust` is not an allergen"]);
    let again = json_of(&entrance.run(["catalogue", "import", file, "--json"]), 1);
    assert_eq!((&again["added"], &again["unchanged"]), (&json!(0), &json!(2)));
    let table = entrance.run(["catalogue", "list"]).stdout;
    assert_says(&table, &["Oat milk", "gluten", "Riesling", "age-restricted", "2 products"]);
    assert_eq!(entrance.run(["catalogue", "remove", "6001"]).code, Some(0));
    let left = json_of(&entrance.run(["catalogue", "list", "--json"]), 0);
    assert_eq!(left.as_array().unwrap().len(), 1);
}

#[test]
fn a_till_books_its_baskets_to_who_stands_there_and_the_next_visit_shows_them() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let (_entrance, daemon, done) = Entrance::with_a_customer(&broker, &mut ear, &[]);
    let (id, code) = (&done["customer"]["id"], &done["claim_code"]);
    let basket = |order: &str, day: u32| {
        json!({ "at_till": "2", "order": {
            "id": order, "placed": format!("2024-03-{day:02}T18:00:00+01:00"), "currency": "EUR",
            "lines": [{ "sku": "4002", "name": "Oat milk 1 l", "quantity": 2, "unit_price": 199 }],
            "total": 398, "till": "2",
        }})
        .to_string()
    };

    assert_eq!(broker.ask_in_vain("order", &basket("T2-1", 1)).0, "not_found");
    for (buyer, order, day) in [("claim_code", "T2-1", 1), ("customer", "T2-2", 8)] {
        let who = if buyer == "customer" { id } else { code };
        let here = broker.ask("at-till", &json!({ buyer: who, "till": "2" }).to_string());
        assert_eq!((&here["at_till"]["customer"], &here["at_till"]["till"]), (id, &json!("2")));
        for added in [true, false] {
            let answer = broker.ask("order", &basket(order, day));
            assert_eq!(answer, json!({ "order": { "id": order, "customer": id, "added": added } }));
        }
        let (code, says) = broker.ask_in_vain("order", &basket("T2-3", 9));
        assert_eq!(code, "not_found", "{says}");
    }

    let greeting = ear.next("visit", "a visit with both orders", |m| {
        Some(m.json()).filter(|v| v["orders"].as_array().is_some_and(|orders| orders.len() == 2))
    });
    assert_eq!(greeting["orders"][0]["id"], "T2-2");
    let recommended = greeting["recommendations"].as_array().unwrap();
    assert!(recommended.iter().any(|r| r["sku"] == "4002"), "{greeting}");

    let history = |by: &str| json!({ "customer": id, "by": by }).to_string();
    let again = &broker.ask("history", &history("again"))["history"];
    assert_eq!((&again["entries"], &again["again"][0]["sku"]), (&json!(1), &json!("4002")));
    let orders = &broker.ask("history", &history("time"))["history"]["orders"];
    assert_eq!((&orders[0]["id"], &orders[0]["total"]), (&json!("T2-2"), &json!(398)));

    let quiet = json!({ "customer": id, "history": false, "allergens": ["gluten"] }).to_string();
    let wanted = json!({ "recommendations": true, "history": false, "allergens": ["gluten"] });
    let answer = broker.ask("preferences", &quiet);
    assert_eq!(answer, json!({ "preferences": { "customer": id, "preferences": wanted } }));
    assert_eq!(broker.ask_in_vain("history", &history("time")).0, "switched_off");

    let products = json!({ "products": [{ "sku": "4002", "name": "Oat milk 1 l" }] }).to_string();
    let put = broker.ask("catalogue", &products);
    let counted = json!({ "added": 1, "changed": 0, "unchanged": 0, "removed": 0 });
    assert_eq!(put, json!({ "catalogue": counted }));
    daemon.stop();
}
