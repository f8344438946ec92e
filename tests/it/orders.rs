//! The operator's command line, through a running box and without it.

use std::fs;

use serde_json::{Value, json};

use crate::support::assert_says;
use crate::support::entrance::{Entrance, copy_state, files};
use crate::support::mosquitto::{Mosquitto, enrol};
use crate::support::process::Ended;

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
    assert_says(&first.stderr, &["`lots`", STRANGER, "its line 4 is wrong", "2024-03-04 09:15"]);
    assert_says(&first.stdout, &["2 added, 0 known before, 5 lines left out"]);

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
        assert_eq!(template["embedding"].as_array().unwrap().len(), 128);
    }
}

/// Forgets the customer; afterwards nothing is left of them, not even in the bytes of the files.
fn the_customer_is_forgotten(entrance: &Entrance, customer: &str, orders: usize) {
    let export = json_of(&entrance.run(["customers", "export", customer]), 0);
    let forgotten = entrance.run(["customers", "forget", customer]);
    assert_eq!(forgotten.code, Some(0), "{}", forgotten.stderr);
    assert_says(&forgotten.stdout, &[&format!("5 templates, {orders} orders")]);

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
    for file in files(&entrance.state()) {
        let bytes = fs::read(&file).unwrap();
        for (n, trace) in traces.iter().enumerate() {
            let found = bytes.windows(trace.len()).any(|window| window == trace);
            assert!(!found, "trace {n} of the customer is left in {}", file.display());
        }
    }
}

#[test]
fn the_operator_works_through_the_running_box_and_without_it() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let mut entrance = Entrance::with_a_visitor(&broker);
    let daemon = entrance.open();
    ear.state("streaming", |s| s["camera"] == "streaming");
    let done = enrol(&broker, &mut ear);
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
    daemon.logs("ready");
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
