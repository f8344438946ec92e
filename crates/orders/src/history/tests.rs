//! History of a customer who shops in Berlin, before and after clock changes.

use instored_domain::{LineItem, OrderId, parse_order_time};

use super::*;

const ANNA: CustomerId = CustomerId(uuid::Uuid::from_u128(1));

fn at(text: &str) -> Zoned {
    parse_order_time(text).unwrap()
}

/// Creates an order from SKU, quantity and unit price of its lines. A line with a negative quantity
/// is void. A quantity with a decimal point is in kilograms.
fn order(id: &str, placed: &str, lines: &[(&str, &str, i64)]) -> Order {
    let lines: Vec<_> = lines
        .iter()
        .map(|(sku, quantity, unit_price)| LineItem {
            sku: (*sku).into(),
            name: format!("{sku} of order {id}"),
            quantity: quantity.parse().unwrap(),
            unit: if quantity.contains('.') { Unit::Kg } else { Unit::Piece },
            unit_price: *unit_price,
            is_void: quantity.starts_with('-'),
        })
        .collect();
    let mut order = Order {
        id: OrderId(id.into()),
        customer: ANNA,
        placed: at(placed),
        currency: "EUR".parse().unwrap(),
        lines,
        total: 0,
        till: None,
        replaces: None,
    };
    order.total = order.sum_of_lines();
    order
}

/// Returns five orders of one March.
fn march_orders() -> Vec<Order> {
    vec![
        order("1", "2026-03-01T10:00:00+01:00[Europe/Berlin]", &[("milk", "1", 120)]),
        order(
            "2",
            "2026-03-08T10:00:00+01:00[Europe/Berlin]",
            &[("milk", "2", 125), ("pear", "0.345", 299), ("coupon", "-1", 50)],
        ),
        order("3", "2026-03-28T23:30:00+01:00[Europe/Berlin]", &[("milk", "2", 125)]),
        order("4", "2026-03-28T12:00:00+01:00[Europe/Berlin]", &[("pear", "1.005", 299)]),
        order(
            "5",
            "2026-03-20T12:00:00+01:00[Europe/Berlin]",
            &[("wine", "1", 999), ("wine", "-1", 999)],
        ),
    ]
}

fn view_page(view: HistoryView, page: u32, limit: u32, now: &str) -> History {
    history_page(ANNA, march_orders(), view, Page { page, limit }, now.parse().unwrap())
}

/// Returns all entries of a view.
fn view_all(orders: Vec<Order>, view: HistoryView, now: &str) -> HistoryEntries {
    history_page(ANNA, orders, view, Page::default(), now.parse().unwrap()).entries
}

const NEXT_DAY: &str = "2026-03-29T00:10:00Z";

#[test]
fn orders_are_sorted_newest_first() {
    let HistoryEntries::Orders(orders) = view_page(HistoryView::Time, 1, 10, NEXT_DAY).entries
    else {
        panic!()
    };
    let ids: Vec<_> = orders.iter().map(|order| order.id.0.as_str()).collect();
    assert_eq!(ids, ["3", "4", "5", "2", "1"]);
}

#[test]
fn pages_contain_each_entry_once() {
    let mut ids = Vec::new();
    for page in 1..=4 {
        let part = view_page(HistoryView::Time, page, 2, NEXT_DAY);
        assert_eq!((part.page, part.pages, part.entry_count), (page, 3, 5));
        let HistoryEntries::Orders(orders) = part.entries else { panic!() };
        assert_eq!(orders.len(), [2, 2, 1, 0][page as usize - 1]);
        ids.extend(orders.into_iter().map(|order| order.id.0));
    }
    assert_eq!(ids, ["3", "4", "5", "2", "1"]);
    let empty = history_page(
        ANNA,
        Vec::new(),
        HistoryView::Repeats,
        Page::default(),
        NEXT_DAY.parse().unwrap(),
    );
    assert_eq!((empty.pages, empty.entry_count), (0, 0));
}

#[test]
fn product_sums_are_exact_and_exclude_void_lines() {
    let HistoryEntries::Products(products) =
        view_page(HistoryView::Product, 1, 10, NEXT_DAY).entries
    else {
        panic!()
    };
    let summaries: Vec<_> = products
        .iter()
        .map(|p| (p.sku.as_str(), p.orders, p.quantity.to_string(), p.unit, p.spent))
        .collect();
    assert_eq!(
        summaries,
        [
            ("milk", 3, "5".to_owned(), Unit::Piece, 620),
            // 103.155 and 300.495 cents are rounded to 103 and 300.
            ("pear", 2, "1.35".to_owned(), Unit::Kg, 403),
        ]
    );
    assert_eq!(products[0].name, "milk of order 3");
    assert_eq!(products[0].first, at("2026-03-01T10:00:00+01:00[Europe/Berlin]"));
    assert_eq!(products[0].last, at("2026-03-28T23:30:00+01:00[Europe/Berlin]"));
}

#[test]
fn product_has_one_sum_per_currency_and_unit() {
    let mut orders = march_orders();
    orders[0].currency = "CHF".parse().unwrap();
    orders[4] = order("6", "2026-03-20T12:00:00+01:00", &[("pear", "3", 80)]);
    let entries = view_all(orders, HistoryView::Product, NEXT_DAY);
    let HistoryEntries::Products(products) = entries else { panic!() };
    let sums: Vec<_> = products
        .iter()
        .map(|p| (p.sku.as_str(), p.spent, p.currency.to_string(), p.unit.symbol()))
        .collect();
    let milk_in_francs = ("milk", 120, "CHF".to_owned(), "");
    let [milk, pears_by_weight, pears_by_piece] =
        [("milk", 500, ""), ("pear", 403, "kg"), ("pear", 240, "")]
            .map(|(sku, sum, unit)| (sku, sum, "EUR".to_owned(), unit));
    assert_eq!(sums, [milk, pears_by_weight, pears_by_piece, milk_in_francs]);
}

#[test]
fn repeats_have_quantity_interval_and_days_since() {
    let HistoryEntries::Repeats(repeats) = view_page(HistoryView::Repeats, 1, 10, NEXT_DAY).entries
    else {
        panic!()
    };
    let summaries: Vec<_> = repeats
        .iter()
        .map(|p| (p.sku.as_str(), p.orders, p.quantity.to_string(), p.days_since, p.every_days))
        .collect();
    assert_eq!(
        summaries,
        [("milk", 3, "2".to_owned(), 1, Some(7)), ("pear", 2, "0.345".to_owned(), 1, Some(20))]
    );
}

#[test]
fn days_since_are_calendar_days_across_clock_changes() {
    let days = |bought: &str, now: &str| {
        let milk = [("milk", "1", 120)];
        let orders = vec![order("1", "2026-01-01T00:00:00Z", &milk), order("2", bought, &milk)];
        let entries = view_all(orders, HistoryView::Repeats, now);
        let HistoryEntries::Repeats(repeats) = entries else { panic!() };
        repeats[0].days_since
    };
    let berlin = "[Europe/Berlin]";
    for (bought, now, since) in [
        // 40 minutes, across midnight.
        ("2026-03-28T23:30:00+01:00", "2026-03-28T23:10:00Z", 1),
        // 23 hours, from noon to noon across the start of summer time.
        ("2026-03-28T12:00:00+01:00", "2026-03-29T10:00:00Z", 1),
        // 24.5 hours across the end of summer time, on two successive days.
        ("2026-10-24T23:00:00+02:00", "2026-10-25T21:30:00Z", 1),
        ("2026-10-24T23:00:00+02:00", "2026-10-25T23:30:00Z", 2),
        ("2026-10-25T00:30:00+02:00", "2026-10-25T22:30:00Z", 0),
    ] {
        assert_eq!(days(&format!("{bought}{berlin}"), now), since, "{bought} to {now}");
    }
    // The till's clock was ahead, so the purchase is dated tomorrow.
    assert_eq!(days("2026-03-29T00:30:00+01:00[Europe/Berlin]", "2026-03-28T22:50:00Z"), 0);
}

#[test]
fn repeats_on_one_day_have_no_interval() {
    let milk = [("milk", "1", 120)];
    let orders =
        ["09", "18"].map(|hour| order(hour, &format!("2026-03-28T{hour}:00:00+01:00"), &milk));
    let entries = view_all(orders.into(), HistoryView::Repeats, NEXT_DAY);
    let HistoryEntries::Repeats(repeats) = entries else { panic!() };
    assert_eq!((repeats[0].orders, repeats[0].every_days), (2, None));
}

#[test]
fn history_round_trips_through_json() {
    for (view, key) in [
        (HistoryView::Time, "orders"),
        (HistoryView::Product, "products"),
        (HistoryView::Repeats, "again"),
    ] {
        let history = view_page(view, 1, 2, NEXT_DAY);
        let json = serde_json::to_value(&history).unwrap();
        assert!(json[key].is_array(), "{json}");
        assert_eq!(serde_json::from_value::<History>(json).unwrap(), history);
    }
}
