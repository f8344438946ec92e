//! Files of orders as shops have them, whole and broken.

use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;

const A: &str = "00000000-0000-4000-8000-00000000000a";
const B: &str = "00000000-0000-4000-8000-00000000000b";
const HEADER: &str = "customer,order,placed,currency,sku,name,quantity,unit_price,till";

fn now() -> Timestamp {
    "2026-04-01T00:00:00Z".parse().unwrap()
}

fn import(text: impl AsRef<[u8]>, format: Format) -> Imported {
    read(text.as_ref(), format, now()).unwrap()
}

/// A CSV file of these lines under the usual header.
fn csv(lines: &[String]) -> Imported {
    import(format!("{HEADER}\n{}\n", lines.join("\n")), Format::Csv)
}

fn line(customer: &str, order: &str, name: &str, quantity: &str, price: &str) -> String {
    let sku: String = name.chars().filter(|c| c.is_alphabetic()).collect();
    format!(
        "{customer},{order},2026-03-29T09:15:00+02:00,EUR,sku {sku},{name},{quantity},{price},T1"
    )
}

fn ids(imported: &Imported) -> Vec<(&str, &[u64])> {
    imported.orders.iter().map(|(o, lines)| (o.id.0.as_str(), lines.as_slice())).collect()
}

fn rejected(imported: &Imported) -> Vec<(u64, &str)> {
    imported.rejected.iter().map(|r| (r.line, r.reason.as_str())).collect()
}

#[test]
fn scattered_lines_of_an_order_are_one_basket_with_its_sum() {
    let imported = csv(&[
        line(A, "1", "Milk", "2", "120"),
        line(B, "2", "Tea", "1", "300"),
        line(A, "1", "Pears", "0.345", "299"),
    ]);
    assert_eq!(rejected(&imported), []);
    assert_eq!(ids(&imported), [("1", [2, 4].as_slice()), ("2", &[3])]);
    let order = &imported.orders[0].0;
    assert_eq!((order.total, order.lines.len()), (343, 2));
    assert_eq!(order.customer.to_string(), A);
    assert_eq!(order.till.as_deref(), Some("T1"));
}

#[test]
fn columns_stand_in_any_order_and_the_till_may_be_missing() {
    let text = format!(
        "order,customer,unit_price,quantity,name,sku,currency,placed\n\
         1,{A},120,1,Milk,4,EUR,2026-03-29T09:15:00+02:00\n"
    );
    let imported = import(text, Format::Csv);
    assert_eq!(ids(&imported), [("1", [2].as_slice())]);
    assert_eq!(imported.orders[0].0.till, None);
}

#[test]
fn a_header_that_does_not_fit_says_how() {
    for (header, says) in [
        ("", "cannot be read"),
        ("customer,order\n", "lacks `placed`"),
        (&format!("{HEADER},colour\n"), "unknown column `colour`"),
        (&format!("{HEADER},till\n"), "names `till` twice"),
        ("\"customer", "cannot be read"),
    ] {
        let error = read(header.as_bytes(), Format::Csv, now()).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("customer, order, placed"), "{error}");
    }
}

#[test]
fn bad_lines_are_named_by_number_and_reason_and_the_good_ones_kept() {
    let imported = csv(&[
        line(A, "1", "Milk", "1", "120"),
        line("someone", "2", "Milk", "1", "120"),
        line(A, "3", "Milk", "many", "120"),
        line(A, "4", "Milk", "1", "1.20"),
        line(A, "5", "Milk", "1", "120").replace("EUR", "euro"),
        line(A, "6", "Milk", "1", "120").replace("T09:15:00+02:00", ""),
        line(A, "7", "Milk", "1", "120") + ",more",
        line(A, "", "Milk", "1", "120"),
        line(A, "9", "Milk", "-1", "120"),
        line(A, "10", "Milk", "1", "120").replace("2026", "2027"),
        line(A, "11", "Milk", "79000000000000000000000000000", "9000000000000000000"),
        line(A, "12", "Milk", "1", "120"),
    ]);
    assert_eq!(ids(&imported), [("1", [2].as_slice()), ("12", &[13])]);
    let reasons = [
        (3, "`someone` is no customer id"),
        (4, "`many` is no quantity"),
        (5, "`1.20` is no price in whole minor units"),
        (6, "`euro` is not a currency"),
        (7, "`2026-03-29` is not a time with an offset"),
        (8, "has 10 columns, the header 9"),
        (9, "names no order"),
        (10, "belongs to order `9`: the quantity -1 of `sku Milk` is not above 0"),
        (11, "belongs to order `10`: the order is dated"),
        (12, "belongs to order `11`: the quantity"),
    ];
    assert_eq!(imported.rejected.len(), reasons.len(), "{:?}", imported.rejected);
    for ((number, reason), (wanted, says)) in rejected(&imported).into_iter().zip(reasons) {
        assert_eq!(number, wanted);
        assert!(reason.contains(says), "line {number}: {reason}");
    }
}

#[test]
fn an_order_with_a_bad_line_is_left_out_whole() {
    let imported = csv(&[
        line(A, "1", "Milk", "1", "120"),
        line(A, "2", "Tea", "1", "300"),
        line(A, "1", "Bread", "none", "250"),
        line(A, "1", "Eggs", "1", "199"),
    ]);
    assert_eq!(ids(&imported), [("2", [3].as_slice())]);
    assert_eq!(
        rejected(&imported),
        [
            (2, "belongs to order `1`: its line 4 is wrong"),
            (4, "`none` is no quantity"),
            (5, "belongs to order `1`: its line 4 is wrong"),
        ]
    );
}

#[test]
fn lines_of_an_order_have_to_agree() {
    let imported = csv(&[line(A, "1", "Milk", "1", "120"), line(B, "1", "Tea", "1", "300")]);
    assert!(imported.orders.is_empty());
    assert_eq!(
        rejected(&imported),
        [
            (2, "belongs to order `1`: its line 3 is wrong"),
            (3, "differs from line 2 of the same order in customer, time, currency or till"),
        ]
    );
}

#[test]
fn broken_utf8_rejects_its_order_and_no_other() {
    let mut text = format!("{HEADER}\n{}\n", line(A, "1", "Milk", "1", "120")).into_bytes();
    text.extend(
        line(A, "2", "M\u{1}lk", "1", "120").bytes().map(|b| if b == 1 { 0xFF } else { b }),
    );
    let imported = import(text, Format::Csv);
    assert_eq!(ids(&imported), [("1", [2].as_slice())]);
    assert_eq!(rejected(&imported), [(3, "is not UTF-8")]);
}

#[test]
fn a_line_that_is_too_long_rejects_its_order_and_no_other() {
    let imported = csv(&[
        line(A, "1", "Milk", "1", "120"),
        line(A, "2", "Tea", "1", "300"),
        line(A, "1", &"x".repeat(100_000), "1", "1"),
        line(A, &"9".repeat(100_000), "Tea", "1", "300"),
        line(A, "3", "Tea", "1", "300"),
    ]);
    assert_eq!(ids(&imported), [("2", [3].as_slice()), ("3", &[6])]);
    assert_eq!(
        rejected(&imported),
        [
            (2, "belongs to order `1`: its line 4 is wrong"),
            (4, "is longer than 64 KiB"),
            (5, "is longer than 64 KiB"),
        ]
    );
}

#[test]
fn line_numbers_hold_with_windows_line_ends_a_mark_and_quoted_breaks() {
    let broken = line(A, "2", "\"Tea,\r\nloose\"", "1", "300");
    let quoted = line(A, "1", "\"Milk, \"\"whole\"\"\"", "1", "120");
    let last = line(A, "3", "Eggs", "none", "1");
    let text = format!("\u{FEFF}{HEADER}\r\n{quoted}\r\n{broken}\r\n\r\n{last}\r\n");
    let imported = import(text, Format::Csv);
    assert_eq!(ids(&imported), [("1", [2].as_slice())]);
    assert_eq!(imported.orders[0].0.lines[0].name, "Milk, \"whole\"");
    let lines: Vec<_> = imported.rejected.iter().map(|r| r.line).collect();
    assert_eq!(lines, [3, 6]);
}

#[test]
fn a_quote_left_open_costs_its_order_alone() {
    let imported = csv(&[
        line(A, "1", "Milk", "1", "120"),
        line(A, "2", "\"Tea", "1", "300"),
        line(A, "3", "Eggs", "1", "199"),
    ]);
    assert_eq!(ids(&imported), [("1", [2].as_slice()), ("3", &[4])]);
    assert_eq!(rejected(&imported), [(3, "opens a quote that is not closed")]);
}

#[test]
fn json_lines_are_read_one_by_one() {
    let good = format!(
        r#"{{"id":"1","customer":"{A}","placed":"2026-03-29T09:15:00+02:00","currency":"EUR","total":120,"lines":[{{"sku":"4","name":"Milk","quantity":1,"unit_price":120}}]}}"#
    );
    let wrong_sum = good.replace("\"total\":120", "\"total\":121");
    let text = format!("\u{FEFF}{good}\r\n\nnot json\n{wrong_sum}\n{{}}\n[1\n{good}");
    let imported = import(text, Format::JsonLines);
    assert_eq!(ids(&imported), [("1", [1].as_slice()), ("1", &[7])]);
    let rejected = rejected(&imported);
    assert_eq!(rejected.iter().map(|r| r.0).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert!(rejected[0].1.starts_with("is not an order: expected"), "{}", rejected[0].1);
    assert_eq!(rejected[1].1, "the lines add up to 120, the order says 121");
    assert!(rejected[2].1.contains("missing field `id`"), "{}", rejected[2].1);
    let broken = import(b"\xFF\xFE\n", Format::JsonLines);
    assert_eq!(broken.rejected[0].reason, "is not UTF-8");
}

#[test]
fn the_extension_names_the_format() {
    for (name, format) in [
        ("orders.csv", Some(Format::Csv)),
        ("ORDERS.CSV", Some(Format::Csv)),
        ("orders.jsonl", Some(Format::JsonLines)),
        ("orders.ndjson", Some(Format::JsonLines)),
        ("orders.xlsx", None),
        ("orders", None),
    ] {
        assert_eq!(Format::of_path(Path::new(name)), format);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_intake_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut csv = format!("{HEADER}\n").into_bytes();
        csv.extend_from_slice(&bytes);
        let _ = read(csv.as_slice(), Format::Csv, now());
        let _ = read(bytes.as_slice(), Format::Csv, now());
        let _ = read(bytes.as_slice(), Format::JsonLines, now());
    }

    #[test]
    fn no_line_counts_twice_and_no_bad_line_counts(kinds in proptest::collection::vec((0..5u8, 0..4u8), 0..40)) {
        let lines: Vec<_> = kinds
            .iter()
            .map(|(order, kind)| match kind {
                0 => line(A, &order.to_string(), "Milk", "none", "120"),
                1 => line(A, &order.to_string(), "\"Milk", "1", "120"),
                _ => line(A, &order.to_string(), "Milk", "1", "120"),
            })
            .collect();
        let imported = csv(&lines);
        let mut seen: Vec<u64> = imported.rejected.iter().map(|r| r.line).collect();
        seen.extend(imported.orders.iter().flat_map(|(_, lines)| lines));
        seen.sort_unstable();
        // Each at most once; a quoted break joins two lines under the number of the first.
        prop_assert!(seen.is_sorted_by(|a, b| a < b));
        for (_, lines) in &imported.orders {
            for number in lines {
                let (_, kind) = kinds[usize::try_from(*number).unwrap() - 2];
                prop_assert!(kind > 1);
            }
        }
    }
}
