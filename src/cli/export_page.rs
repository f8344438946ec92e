//! A customer's data as a page for reading and printing.

use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

/// Style of the page: one column, for screen and paper.
const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}\
    table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;\
    border-bottom:1px solid #ccc;padding:.25rem .5rem}td.amount{text-align:right}";

/// Returns a page with all data of a customer, from the JSON of `instored customers export`.
pub(super) fn page(export: &Value) -> String {
    let record = &export["record"];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Your data" }
                style { (STYLE) }
            }
            body {
                h1 { "Your data" }
                p { "Everything that this shop's entrance box stores about you, from "
                    (text(&record["enrolled"])) " on." }
                h2 { "You" }
                table {
                    (row("Pseudonym", &export["customer"]))
                    (row("Name", &record["name"]))
                    (row("Enrolled", &record["enrolled"]))
                    (row("Visits", &record["visits"]))
                    (row("Last visit", &record["last_visit"]))
                    (row("Recommendations", &record["preferences"]["recommendations"]))
                    (row("Display of past orders", &record["preferences"]["history"]))
                    (row("Foods to avoid", &record["preferences"]["allergens"]))
                }
                (consents(&export["consents"]))
                (templates(&export["templates"]))
                (orders(&export["orders"]))
                (codes(&export["claim_codes"]))
                @if let Some(unreadable) = non_empty(&export["unreadable"]) {
                    h2 { "Records that cannot be read" }
                    ul { @for message in unreadable { li { (text(message)) } } }
                }
            }
        }
    };
    page.into_string()
}

fn consents(consents: &Value) -> Markup {
    html! {
        h2 { "Your consent" }
        @for consent in items(consents) {
            table {
                (row("Given", &consent["given"]))
                (row("By", &consent["how"]))
                (row("Language of the text", &consent["language"]))
                (row("SHA-256 of the text", &consent["text_hash"]))
                (row("Receipt", &consent["receipt"]))
            }
        }
    }
}

fn templates(templates: &Value) -> Markup {
    let model = items(templates).first().map_or(&Value::Null, |template| &template["model"]);
    html! {
        h2 { "Your templates" }
        p {
            (items(templates).len()) " templates of the model " (text(model))
            ": numbers computed from views of your face. They are in the JSON of this export."
        }
    }
}

fn orders(orders: &Value) -> Markup {
    html! {
        h2 { "Your orders" }
        table {
            tr { th { "Time" } th { "Order" } th { "Products" } th { "Total" } }
            @for order in items(orders) {
                tr {
                    td { (text(&order["placed"])) }
                    td { (text(&order["id"])) }
                    td {
                        @for line in items(&order["lines"]) {
                            (text(&line["quantity"])) " × " (text(&line["name"])) br;
                        }
                    }
                    td.amount { (amount(order)) }
                }
            }
        }
    }
}

fn codes(codes: &Value) -> Markup {
    html! {
        @if let Some(codes) = non_empty(codes) {
            h2 { "Your codes for the till" }
            table {
                tr { th { "Code" } th { "Valid until" } }
                @for code in codes {
                    tr { td { (text(&code["code"])) } td { (text(&code["expires"])) } }
                }
            }
        }
    }
}

fn row(name: &str, value: &Value) -> Markup {
    html! { tr { th { (name) } td { (text(value)) } } }
}

/// Returns the total of an order in major units.
fn amount(order: &Value) -> String {
    let currency = order["currency"].as_str().and_then(|code| code.parse().ok());
    match (currency, order["total"].as_i64()) {
        (Some(currency), Some(total)) => {
            let currency: instored_domain::Currency = currency;
            currency.display(total).to_string()
        }
        _ => text(&order["total"]),
    }
}

/// Returns a value as text for people.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "–".to_owned(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn non_empty(value: &Value) -> Option<&[Value]> {
    Some(items(value)).filter(|items| !items.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn page_contains_all_records_and_escapes_them() {
        let page = page(&json!({
            "customer": "5fee3352", "record": {
                "name": "<b>Zoë</b>", "enrolled": "2026-01-02T03:04:05Z", "visits": 3,
                "last_visit": null,
                "preferences": { "recommendations": true, "history": false, "allergens": ["fish"] },
            },
            "consents": [{ "given": "2026-01-02T03:04:05Z", "how": "button", "language": "de",
                "text_hash": "ba78", "receipt": "K7QM-3DXV" }],
            "templates": [{ "model": "sface" }, { "model": "sface" }],
            "orders": [{ "id": "T1", "placed": "2026-02-03", "currency": "EUR", "total": 398,
                "lines": [{ "quantity": "2", "name": "Oat milk" }] }],
            "claim_codes": [{ "code": "10ZC-M79Y", "expires": "2026-03-04" }],
            "unreadable": ["the order X"],
        }));
        for expected in [
            "&lt;b&gt;Zoë&lt;/b&gt;",
            "K7QM-3DXV",
            "ba78",
            "2 templates of the model sface",
            "2 × Oat milk",
            "3.98",
            "10ZC-M79Y",
            "fish",
            "the order X",
        ] {
            assert!(page.contains(expected), "{expected} is missing in {page}");
        }
    }
}
