//! Import of valid and invalid files of orders and products.

use std::io::{BufReader, Read};
use std::path::Path;

use instored_domain::{Allergen, Unit};
use jiff::Timestamp;
use proptest::prelude::*;

use super::record_reader::{OPEN_QUOTE, TOO_LONG};
use super::*;

const ANNA: &str = "00000000-0000-4000-8000-00000000000a";
const BEN: &str = "00000000-0000-4000-8000-00000000000b";
const HEADER: &str = "customer,order,placed,currency,sku,name,quantity,unit_price,till";

const RULES: OrderRules = OrderRules { now: Timestamp::constant(1_775_001_600, 0), currency: None };

/// The entries of a file. The rejected lines are sorted by number.
struct Imported {
    orders: Vec<(Order, Vec<u64>)>,
    rejected: Vec<RejectedLine>,
}

fn import(text: impl AsRef<[u8]>, format: Format) -> Imported {
    let mut imported = Imported { orders: Vec::new(), rejected: Vec::new() };
    for entry in read_orders(text.as_ref(), format, RULES).unwrap() {
        match entry.unwrap() {
            Entry::Accepted(order, lines) => imported.orders.push((order, lines)),
            Entry::Rejected(rejected) => imported.rejected.push(rejected),
        }
    }
    imported.rejected.sort_by_key(|rejected| rejected.line);
    imported
}

/// Imports a CSV file that consists of [`HEADER`] and these lines.
fn import_csv(lines: &[String]) -> Imported {
    import(format!("{HEADER}\n{}\n", lines.join("\n")), Format::Csv)
}

const INVALID_LINE_3: &str = "belongs to order `1`: line 3 is invalid, and an incomplete basket \
                              would falsify the history";
const INVALID_LINE_4: &str = "belongs to order `1`: line 4 is invalid, and an incomplete basket \
                              would falsify the history";

/// Creates a line of a CSV file with [`HEADER`].
fn line(customer: &str, order: &str, name: &str, quantity: &str, price: &str) -> String {
    let sku: String = name.chars().filter(|c| c.is_alphabetic()).collect();
    format!(
        "{customer},{order},2026-03-29T09:15:00+02:00,EUR,sku {sku},{name},{quantity},{price},T1"
    )
}

/// Returns id and line numbers of each order.
fn ids(imported: &Imported) -> Vec<(&str, &[u64])> {
    imported.orders.iter().map(|(o, lines)| (o.id.0.as_str(), lines.as_slice())).collect()
}

fn rejected(imported: &Imported) -> Vec<(u64, &str)> {
    imported.rejected.iter().map(|r| (r.line, r.reason.as_str())).collect()
}

#[test]
fn interleaved_lines_of_an_order_are_assembled() {
    let imported = import_csv(&[
        line(ANNA, "1", "Milk", "2", "120"),
        line(BEN, "2", "Tea", "1", "300"),
        line(ANNA, "1", "Pears", "0.345", "299"),
    ]);
    assert_eq!(rejected(&imported), []);
    assert_eq!(ids(&imported), [("2", [3].as_slice()), ("1", &[2, 4])]);
    let order = &imported.orders[1].0;
    assert_eq!((order.total, order.lines.len()), (343, 2));
    assert_eq!(order.customer.to_string(), ANNA);
    assert_eq!(order.till.as_deref(), Some("T1"));
}

#[test]
fn columns_may_be_in_any_order_and_till_is_optional() {
    let text = format!(
        "order,customer,unit_price,quantity,name,sku,currency,placed\n\
         1,{ANNA},120,1,Milk,4,EUR,2026-03-29T09:15:00+02:00\n"
    );
    let imported = import(text, Format::Csv);
    assert_eq!(ids(&imported), [("1", [2].as_slice())]);
    assert_eq!(imported.orders[0].0.till, None);
}

#[test]
fn file_with_semicolons_may_have_decimal_commas() {
    let text = format!(
        "{}\n\
         {ANNA};1;2026-03-29T09:15:00+02:00;EUR;4;\"Milk; 1,5 %\";0,345;299;T1\n\
         {ANNA};1;2026-03-29T09:15:00+02:00;EUR;5;Bread, sliced;1.5;100;T1\n\
         {ANNA};2;2026-03-29T09:15:00+02:00;EUR;5;Bread;1.234,5;100;T1\n",
        HEADER.replace(',', ";")
    );
    let imported = import(text, Format::Csv);
    assert_eq!(ids(&imported), [("1", [2, 3].as_slice())]);
    let lines = imported.orders[0].0.lines.iter();
    let lines: Vec<_> = lines.map(|l| (l.name.as_str(), l.quantity.to_string())).collect();
    let expected = [("Milk; 1,5 %", "0.345".to_owned()), ("Bread, sliced", "1.5".to_owned())];
    assert_eq!(lines, expected);
    assert_eq!(rejected(&imported), [(4, "`1.234,5` is not a quantity")]);
    // With commas between the fields, a decimal comma needs another file.
    let imported = import_csv(&[line(ANNA, "1", "Milk", "\"0,5\"", "100")]);
    assert_eq!(rejected(&imported), [(2, "`0,5` is not a quantity")]);
}

#[test]
fn invalid_header_is_rejected_with_reason() {
    for (header, part) in [
        ("", "cannot be read"),
        ("customer,order\n", "lacks `placed`"),
        (&format!("{HEADER},colour\n"), "unknown column `colour`"),
        (&format!("{HEADER},till\n"), "names `till` twice"),
        ("\"customer", "cannot be read"),
    ] {
        let error = read_orders(header.as_bytes(), Format::Csv, RULES).err().unwrap().to_string();
        assert!(error.contains(part) && error.contains("customer, order, placed"), "{error}");
    }
}

#[test]
fn invalid_lines_are_rejected_with_number_and_reason() {
    let imported = import_csv(&[
        line(ANNA, "1", "Milk", "1", "120"),
        line("someone", "2", "Milk", "1", "120"),
        line(ANNA, "3", "Milk", "many", "120"),
        line(ANNA, "4", "Milk", "1", "1.20"),
        line(ANNA, "5", "Milk", "1", "120").replace("EUR", "euro"),
        line(ANNA, "6", "Milk", "1", "120").replace("T09:15:00+02:00", ""),
        line(ANNA, "7", "Milk", "1", "120") + ",more",
        line(ANNA, "", "Milk", "1", "120"),
        line(ANNA, "9", "Milk", "-1", "120"),
        line(ANNA, "10", "Milk", "1", "120").replace("2026", "2027"),
        line(ANNA, "11", "Milk", "79000000000000000000000000000", "9000000000000000000"),
        line(ANNA, "12", "Milk", "1", "120"),
        line(ANNA, "13", "Milk", "1", "120") + &"1".repeat(1024),
    ]);
    assert_eq!(ids(&imported), [("1", [2].as_slice()), ("12", &[13])]);
    let reasons = [
        (3, "`someone` is not a customer id"),
        (4, "`many` is not a quantity"),
        (5, "`1.20` is not a price in whole minor units"),
        (6, "`euro` is not a currency"),
        (7, "`2026-03-29` is not a time with an offset"),
        (8, "has 10 columns, but the header has 9"),
        (9, "the order id is empty"),
        (10, "the quantity -1 of `sku Milk` is below 0; mark the line as void"),
        (11, "belongs to order `10`: the order's time"),
        (12, "the quantity 79000000000000000000000000000 of"),
        (14, "has a field longer than 1024 bytes"),
    ];
    assert_eq!(imported.rejected.len(), reasons.len(), "{:?}", imported.rejected);
    for ((number, reason), (expected, part)) in rejected(&imported).into_iter().zip(reasons) {
        assert_eq!(number, expected);
        assert!(reason.contains(part), "line {number}: {reason}");
    }
}

#[test]
fn order_with_invalid_line_is_rejected_as_a_whole() {
    let imported = import_csv(&[
        line(ANNA, "1", "Milk", "1", "120"),
        line(ANNA, "2", "Tea", "1", "300"),
        line(ANNA, "1", "Bread", "none", "250"),
        line(ANNA, "1", "Eggs", "1", "199"),
    ]);
    assert_eq!(ids(&imported), [("2", [3].as_slice())]);
    assert_eq!(
        rejected(&imported),
        [(2, INVALID_LINE_4), (4, "`none` is not a quantity"), (5, INVALID_LINE_4),]
    );
}

#[test]
fn order_with_inconsistent_lines_is_rejected() {
    let imported =
        import_csv(&[line(ANNA, "1", "Milk", "1", "120"), line(BEN, "1", "Tea", "1", "300")]);
    assert!(imported.orders.is_empty());
    assert_eq!(
        rejected(&imported),
        [
            (2, INVALID_LINE_3),
            (
                3,
                "differs from line 2 of the same order in customer, time, currency, total, till \
                 or replaced order; give each order an id of its own"
            ),
        ]
    );
}

#[test]
fn invalid_utf8_rejects_only_its_order() {
    let mut text = format!("{HEADER}\n{}\n", line(ANNA, "1", "Milk", "1", "120")).into_bytes();
    text.extend(
        line(ANNA, "2", "M\u{1}lk", "1", "120").bytes().map(|b| if b == 1 { 0xFF } else { b }),
    );
    let imported = import(text, Format::Csv);
    assert_eq!(ids(&imported), [("1", [2].as_slice())]);
    assert_eq!(rejected(&imported), [(3, "is not UTF-8; save the file as UTF-8")]);
}

#[test]
fn too_long_line_rejects_only_its_order() {
    let imported = import_csv(&[
        line(ANNA, "1", "Milk", "1", "120"),
        line(ANNA, "2", "Tea", "1", "300"),
        line(ANNA, "1", &"x".repeat(100_000), "1", "1"),
        line(ANNA, &"9".repeat(100_000), "Tea", "1", "300"),
        line(ANNA, "3", "Tea", "1", "300"),
    ]);
    assert_eq!(ids(&imported), [("2", [3].as_slice()), ("3", &[6])]);
    assert_eq!(rejected(&imported), [(2, INVALID_LINE_4), (4, TOO_LONG), (5, TOO_LONG),]);
}

#[test]
fn line_numbers_are_correct_with_bom_crlf_and_quoted_breaks() {
    let two_lines = line(ANNA, "2", "\"Tea,\r\nloose\"", "1", "300");
    let quoted = line(ANNA, "1", "\"Milk, \"\"whole\"\"\"", "1", "120");
    let last = line(ANNA, "3", "Eggs", "none", "1");
    let text = format!("\u{FEFF}{HEADER}\r\n{quoted}\r\n{two_lines}\r\n\r\n{last}\r\n");
    let imported = import(text, Format::Csv);
    assert_eq!(ids(&imported), [("1", [2].as_slice())]);
    assert_eq!(imported.orders[0].0.lines[0].name, "Milk, \"whole\"");
    let lines: Vec<_> = imported.rejected.iter().map(|r| r.line).collect();
    assert_eq!(lines, [3, 6]);
}

#[test]
fn unclosed_quote_rejects_only_its_order() {
    let imported = import_csv(&[
        line(ANNA, "1", "Milk", "1", "120"),
        line(ANNA, "2", "\"Tea", "1", "300"),
        line(ANNA, "3", "Eggs", "1", "199"),
    ]);
    assert_eq!(ids(&imported), [("1", [2].as_slice()), ("3", &[4])]);
    assert_eq!(rejected(&imported), [(3, OPEN_QUOTE)]);
}

#[test]
fn json_lines_are_validated_one_by_one() {
    let good = format!(
        r#"{{"id":"1","customer":"{ANNA}","placed":"2026-03-29T09:15:00+02:00","currency":"EUR","total":120,"lines":[{{"sku":"4","name":"Milk","quantity":1,"unit_price":120}}]}}"#
    );
    let wrong_sum = good.replace("\"total\":120", "\"total\":121");
    let text = format!("\u{FEFF}{good}\r\n\nnot json\n{wrong_sum}\n{{}}\n[1\n{good}");
    let imported = import(text, Format::JsonLines);
    assert_eq!(ids(&imported), [("1", [1].as_slice()), ("1", &[7])]);
    let rejected = rejected(&imported);
    assert_eq!(rejected.iter().map(|r| r.0).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert!(rejected[0].1.starts_with("is not valid: expected"), "{}", rejected[0].1);
    assert_eq!(rejected[1].1, "the total is 121, but the lines add up to 120");
    assert!(rejected[2].1.contains("missing field `id`"), "{}", rejected[2].1);
    let broken = import(b"\xFF\xFE\n", Format::JsonLines);
    assert_eq!(broken.rejected[0].reason, "is not UTF-8; save the file as UTF-8");
}

/// Returns a file with a line of `bytes` bytes between the texts `before` and `after`.
#[test]
fn reason_that_quotes_a_file_is_one_short_line() {
    let long_key = "x".repeat(60_000);
    for key in ["t\u{7f}tal", "to\u{1b}[2Jtal", "a\\nb", &long_key] {
        let text = format!(r#"{{"{key}":1}}"#);
        let imported = import(&text, Format::JsonLines);
        assert_eq!(imported.rejected.len(), 1);
        let reason = &imported.rejected[0].reason;
        assert!(!reason.contains(char::is_control) && reason.len() < 500, "{reason:?}");
        assert!(reason.contains("at column "), "{reason}");
    }
}

fn file_with_long_line(bytes: u64, before: &str, after: &str) -> impl BufRead + use<> {
    let text = |text: &str| std::io::Cursor::new(text.to_owned().into_bytes());
    let long = std::io::repeat(b'x').take(bytes);
    BufReader::new(text(before).chain(long).chain(text("\n")).chain(text(after)))
}

#[test]
fn line_of_a_gigabyte_is_rejected_and_the_rest_is_read() {
    let good = format!("{HEADER}\n{}\n", line(ANNA, "1", "Milk", "1", "120"));
    let file = file_with_long_line(1 << 30, &good, &line(ANNA, "2", "Tea", "1", "300"));
    let entries: Vec<_> =
        read_orders(file, Format::Csv, RULES).unwrap().map(Result::unwrap).collect();
    let [Entry::Rejected(long), Entry::Accepted(one, _), Entry::Accepted(two, lines)] =
        &entries[..]
    else {
        panic!("{entries:?}");
    };
    assert_eq!((long.line, long.reason.as_str()), (3, TOO_LONG));
    assert_eq!((one.id.0.as_str(), two.id.0.as_str(), lines.as_slice()), ("1", "2", &[4][..]));

    let file = file_with_long_line(1 << 30, "", "{}");
    let entries: Vec<_> =
        read_orders(file, Format::JsonLines, RULES).unwrap().map(Result::unwrap).collect();
    let [Entry::Rejected(long), Entry::Rejected(next)] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!((long.line, long.reason.as_str(), next.line), (1, TOO_LONG, 2));
}

/// Returns endless lines. `order_of` maps the index of a line, from 0, to the number of its order.
fn endless_lines(order_of: impl Fn(u64) -> u64) -> impl Iterator<Item = String> {
    (0..).map(move |n| line(ANNA, &order_of(n).to_string(), "Milk", "1", "120") + "\n")
}

#[test]
fn order_is_returned_while_the_file_is_being_read() {
    struct Generated<I> {
        lines: I,
        pending: Vec<u8>,
        line_count: std::rc::Rc<std::cell::Cell<u64>>,
    }
    impl<I: Iterator<Item = String>> Read for Generated<I> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            if self.pending.is_empty() {
                self.pending = self.lines.next().unwrap_or_default().into_bytes();
                self.line_count.set(self.line_count.get() + 1);
            }
            let count = self.pending.len().min(out.len());
            out[..count].copy_from_slice(&self.pending[..count]);
            self.pending.drain(..count);
            Ok(count)
        }
    }
    let line_count = std::rc::Rc::default();
    let header = std::iter::once(format!("{HEADER}\n"));
    let file = Generated {
        lines: header.chain(endless_lines(|n| n / 10)),
        pending: Vec::new(),
        line_count: std::rc::Rc::clone(&line_count),
    };
    let mut entries = read_orders(BufReader::new(file), Format::Csv, RULES).unwrap();
    for order in 0..1000 {
        let Some(Ok(Entry::Accepted(good, lines))) = entries.next() else { panic!("{order}") };
        assert_eq!((good.id.0, lines.len()), (order.to_string(), 10));
        let last = *lines.last().unwrap();
        assert!(
            line_count.get() < last + MAX_LINE_DISTANCE + 200,
            "{} lines read for line {last}",
            line_count.get()
        );
    }
}

#[test]
fn lines_of_an_order_beyond_the_maximum_distance_fail() {
    // Order 0 has the first and the last line. Each line between them has an order of its own.
    let file = |between: u64| {
        let count = usize::try_from(between + 1).unwrap();
        let mut lines: Vec<_> = endless_lines(|n| n).take(count).collect();
        lines.push(line(ANNA, "0", "Tea", "1", "300"));
        format!("{HEADER}\n{}", lines.concat())
    };
    let near = import(file(MAX_LINE_DISTANCE - 1), Format::Csv);
    assert_eq!(near.orders.iter().find(|(o, _)| o.id.0 == "0").unwrap().0.lines.len(), 2);
    assert!(near.rejected.is_empty());

    let far = file(MAX_LINE_DISTANCE + 1);
    let error = read_orders(far.as_bytes(), Format::Csv, RULES).unwrap().find_map(Result::err);
    let error = error.unwrap().to_string();
    assert!(error.starts_with("line 10004 belongs to order `0`"), "{error}");
    assert!(error.contains("sort the file by the order's id"), "{error}");
}

#[test]
fn rejected_order_keeps_no_lines_in_memory() {
    let mut lines = vec![line(ANNA, "1", "Milk", "none", "120")];
    lines.extend((0..30_000).map(|_| line(ANNA, "1", "Milk", "1", "120")));
    lines.extend((0..10_001).map(|_| line(ANNA, "2", "Milk", "1", "120")));
    let imported = import_csv(&lines);
    assert!(imported.orders.is_empty());
    assert_eq!(imported.rejected.len(), 40_002);
    let last = imported.rejected.last().unwrap();
    assert_eq!((last.line, last.reason.as_str()), (40_003, "the order has more than 10000 lines"));
}

const WIDE_HEADER: &str = "customer,order,placed,currency,sku,name,quantity,unit_price,unit,void,total,\
                    till,replaces";

/// Imports lines below [`WIDE_HEADER`], with constant values for customer, time and currency.
fn import_wide(lines: &[&str]) -> Imported {
    let head = |line: &&str| {
        let (order, rest) = line.split_once(',').unwrap();
        format!("{ANNA},{order},2026-03-29T09:15:00+02:00,EUR,{rest}\n")
    };
    import(format!("{WIDE_HEADER}\n{}", lines.iter().map(head).collect::<String>()), Format::Csv)
}

#[test]
fn optional_columns_are_read() {
    let imported = import_wide(&[
        "1,5,Pears,0.845,329,kg,,278,T1,",
        "2,4,Milk,3,120,,,240,,1",
        "2,4,Milk,-1,120,piece,yes,240,,1",
        "3,,,,,,,,,2",
    ]);
    assert_eq!(rejected(&imported), []);
    let [(pears, _), (milk, _), (void, _)] = &imported.orders[..] else { panic!() };
    assert_eq!((pears.lines[0].unit, pears.total), (Unit::Kg, 278));
    assert_eq!((milk.lines[1].is_void, milk.total), (true, 240));
    assert_eq!(milk.replaces.as_ref().unwrap().0, "1");
    assert!(void.is_void() && void.total == 0 && void.replaces.as_ref().unwrap().0 == "2");
}

#[test]
fn invalid_optional_columns_are_rejected_with_reason() {
    let imported = import_wide(&[
        "1,5,Pears,0.845,329,kg,,279,,",
        "2,4,Milk,-1,120,,,-120,,",
        "3,4,Milk,1,120,,true,120,,",
        "4,4,Milk,1,120,pound,,120,,",
        "5,,,,,,,,,",
        "6,,,,,,,,,6",
        "7,4,Milk,1,120,,perhaps,120,,",
        "8,4,Milk,1,120,,,120,,",
    ]);
    let reasons = [
        "belongs to order `1`: the total is 279, but the lines add up to 278",
        "the quantity -1 of `4` is below 0; mark the line as void if it reverses an amount",
        "the void line of `4` has the quantity 1; the quantity of a void line is below 0",
        "`pound` is not a unit: use piece, kg, g, l, ml or m",
        "`` is not a quantity",
        "belongs to order `6`: the order replaces itself; a correction needs an id of its own",
        "`perhaps` is neither `true` nor `false`",
    ];
    assert_eq!(rejected(&imported), (2..).zip(reasons).collect::<Vec<_>>());
    assert_eq!(ids(&imported), [("8", [9].as_slice())]);
}

#[test]
fn order_in_foreign_currency_is_rejected() {
    let text = format!("{HEADER}\n{}\n", line(ANNA, "1", "Milk", "1", "120"));
    let rules = OrderRules { currency: Some("CHF".parse().unwrap()), ..RULES };
    let entry = read_orders(text.as_bytes(), Format::Csv, rules).unwrap().next().unwrap().unwrap();
    let Entry::Rejected(RejectedLine { line: 2, reason }) = entry else { panic!("{entry:?}") };
    assert!(reason.contains("the amounts are in EUR, the shop's currency is CHF"), "{reason}");
}

#[test]
fn carriage_return_within_line_is_content() {
    let imported =
        import_csv(&[line(ANNA, "1", "Milk\rTea", "1", "120"), line(ANNA, "2", "Tea", "1", "300")]);
    assert_eq!(ids(&imported), [("2", [3].as_slice())]);
    assert!(imported.rejected[0].reason.contains("control characters"));
}

#[test]
fn csv_and_json_catalogues_are_equal() {
    let csv = "sku,name,allergens,available,age_restricted,category\n\
               1,Oat milk,gluten; nuts,,,drinks\n\
               2,Wine,sulphites,no,yes,\n\
               3,Bread,dust,,,\n\
               ,Nothing,,,,\n";
    let json = r#"{"sku":"1","name":"Oat milk","allergens":["gluten","nuts"],"category":"drinks"}
        {"sku":"2","name":"Wine","available":false,"age_restricted":true,"allergens":["sulphites"]}
        {"sku":"3","name":"Bread","allergens":["dust"]}
        {"sku":"","name":"Nothing"}"#;
    let read = |text: &'static str, format| {
        let (mut products, mut rejected_lines) = (Vec::new(), Vec::new());
        for entry in read_products(text.as_bytes(), format).unwrap() {
            match entry.unwrap() {
                Entry::Accepted(product, _) => products.push(product),
                Entry::Rejected(rejected) => rejected_lines.push(rejected),
            }
        }
        (products, rejected_lines)
    };
    let (products, csv_rejected) = read(csv, Format::Csv);
    let (json_products, json_rejected) = read(json, Format::JsonLines);
    assert_eq!(products, json_products);
    assert_eq!(
        products[0].allergens.iter().collect::<Vec<_>>(),
        [&Allergen::Gluten, &Allergen::Nuts]
    );
    assert!(products[0].is_available);
    assert!(!products[1].is_available && products[1].is_age_restricted);
    assert_eq!((csv_rejected[0].line, csv_rejected[1].line), (4, 5));
    assert_eq!((json_rejected[0].line, json_rejected[1].line), (3, 4));
    assert!(
        csv_rejected[0].reason.contains("`dust` is not an allergen"),
        "{}",
        csv_rejected[0].reason
    );
    assert!(
        json_rejected[0].reason.contains("unknown variant `dust`"),
        "{}",
        json_rejected[0].reason
    );
}

#[test]
fn file_extension_determines_the_format() {
    for (name, format) in [
        ("orders.csv", Some(Format::Csv)),
        ("ORDERS.CSV", Some(Format::Csv)),
        ("orders.jsonl", Some(Format::JsonLines)),
        ("orders.ndjson", Some(Format::JsonLines)),
        ("orders.xlsx", None),
        ("orders", None),
    ] {
        assert_eq!(Format::from_path(Path::new(name)), format);
    }
}

proptest! {
    #[test]
    fn import_of_random_bytes_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut csv = format!("{HEADER}\n").into_bytes();
        csv.extend_from_slice(&bytes);
        for (text, format) in
            [(&csv, Format::Csv), (&bytes, Format::Csv), (&bytes, Format::JsonLines)]
        {
            let _ = read_orders(text.as_slice(), format, RULES).map(Iterator::count);
            let _ = read_products(text.as_slice(), format).map(Iterator::count);
        }
    }

    #[test]
    fn each_line_is_imported_or_rejected_at_most_once(kinds in proptest::collection::vec((0..5u8, 0..4u8), 0..40)) {
        let lines: Vec<_> = kinds
            .iter()
            .map(|(order, kind)| match kind {
                0 => line(ANNA, &order.to_string(), "Milk", "none", "120"),
                1 => line(ANNA, &order.to_string(), "\"Milk", "1", "120"),
                _ => line(ANNA, &order.to_string(), "Milk", "1", "120"),
            })
            .collect();
        let imported = import_csv(&lines);
        let mut lines: Vec<u64> = imported.rejected.iter().map(|r| r.line).collect();
        lines.extend(imported.orders.iter().flat_map(|(_, lines)| lines));
        lines.sort_unstable();
        // Lines joined by a quoted line end have the number of the first one.
        prop_assert!(lines.is_sorted_by(|a, b| a < b));
        for (_, lines) in &imported.orders {
            for number in lines {
                let (_, kind) = kinds[usize::try_from(*number).unwrap() - 2];
                prop_assert!(kind > 1);
            }
        }
    }
}
