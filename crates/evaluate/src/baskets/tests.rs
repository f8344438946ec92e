//! Reading of purchases, selection of baskets, and measures.

use super::measures::Values;
use super::purchases::PurchaseTime;
use super::*;

fn csv(text: &str) -> Purchases {
    Purchases::csv(text.as_bytes()).unwrap()
}

fn protocol_without_limits() -> Protocol {
    Protocol { min_product_baskets: 1, min_baskets: 2, validation: false }
}

/// Returns the names of the products in the history and the target of each trial.
fn trials(purchases: &Purchases, protocol: &Protocol) -> Vec<(Vec<Vec<String>>, Vec<String>)> {
    let split = Split::new(purchases, protocol);
    let names = |basket: &split::Basket| {
        basket.products.iter().map(|p| split.products[*p as usize].clone()).collect::<Vec<_>>()
    };
    let trial = |trial: &split::Trial| {
        (trial.history.iter().map(names).collect::<Vec<_>>(), names(&trial.target))
    };
    split.trials.iter().map(trial).collect()
}

#[test]
fn columns_are_found_by_name_and_invalid_lines_rejected() {
    let purchases = Purchases::csv(
        &b"Product,price,customer,time,order\nmilk,1,a,2026-01-01,1\n\xff,1,a,2026-01-01,1\n\
           milk,1,a,soon,1\nmilk,1,,2026-01-01,1\nmilk,1,a\ntea,1,a,2026-01-02,2\n"[..],
    )
    .unwrap();
    assert_eq!(purchases.lines.len(), 2);
    let rejected: Vec<_> = purchases.rejected.iter().map(|(line, _)| *line).collect();
    assert_eq!(rejected, [3, 4, 5, 6]);
    assert!(purchases.rejected[0].1.contains("UTF-8"));
    assert!(purchases.rejected[1].1.contains("`soon` is not a time"));
    assert!(purchases.rejected[2].1.contains("`customer` is empty"));
    assert!(Purchases::csv(&b"customer,order,time\n"[..]).is_err_and(|e| e.contains("`product`")));
}

#[test]
fn json_lines_and_csv_give_same_purchases() {
    let table = csv("customer,order,time,product\n1,7,2026-01-01 10:00:00,5\n1,8,2026-01-02,6\n");
    let lines = Purchases::json_lines(
        &br#"{"customer":1,"order":7,"time":"2026-01-01 10:00:00","product":5,"price":3}

{"customer":"1","order":"8","time":"2026-01-02","product":"6"}
{"customer":"1"}
"#[..],
    )
    .unwrap();
    assert_eq!(
        trials(&table, &protocol_without_limits()),
        trials(&lines, &protocol_without_limits())
    );
    assert_eq!(trials(&lines, &protocol_without_limits()).len(), 1);
    assert_eq!(lines.rejected[0].0, 4);
}

#[test]
fn times_are_parsed_in_all_forms() {
    let time_of = |time: &str| {
        let purchases = csv(&format!("customer,time,product\na,{time},milk\n"));
        purchases.lines.first().map(|line| line.time)
    };
    let utc = |epoch_seconds, has_time_of_day| {
        Some(PurchaseTime { epoch_seconds, utc_offset_seconds: 0, has_time_of_day })
    };
    assert_eq!(time_of("2026-01-01 10:00:00"), utc(1_767_261_600, true));
    assert_eq!(time_of("2026-01-01T10:00:00Z"), utc(1_767_261_600, true));
    let with_offset = PurchaseTime {
        epoch_seconds: 1_767_261_600,
        utc_offset_seconds: 7_200,
        has_time_of_day: true,
    };
    assert_eq!(time_of("2026-01-01T12:00:00+02:00"), Some(with_offset));
    assert_eq!(with_offset.zoned().hour(), 12);
    assert_eq!(time_of("1767261600"), utc(1_767_261_600, true));
    assert_eq!(time_of("1767261600000"), utc(1_767_261_600, true));
    assert_eq!(time_of("2026-01-01"), utc(1_767_268_800, false));
    assert!(time_of("2").unwrap().epoch_seconds > time_of("1").unwrap().epoch_seconds);
    for invalid in ["", "-1", "01/02/2026", "2026-13-01", "2026-01-01 25:00:00"] {
        assert_eq!(time_of(invalid), None, "{invalid}");
    }
}

#[test]
fn target_is_last_basket_or_basket_before_for_validation() {
    // Orders 9 and 10 have the same time and are ordered by number. The lines of
    // an order are not adjacent.
    let purchases = csv("customer,order,time,product\na,10,2026-01-03,tea\na,9,2026-01-03,milk\n\
                         a,1,2026-01-01,bread\na,10,2026-01-04,milk\na,9,2026-01-03,milk\n");
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let mut found = trials(&purchases, &protocol_without_limits());
    found[0].1.sort();
    let history = vec![words(&["bread"]), words(&["milk"])];
    assert_eq!(found, [(history, words(&["milk", "tea"]))]);
    let validation = Protocol { validation: true, ..protocol_without_limits() };
    assert_eq!(trials(&purchases, &validation), [(vec![words(&["bread"])], words(&["milk"]))]);
}

#[test]
fn rare_products_are_dropped_before_customers() {
    let purchases = csv("customer,order,time,product\na,1,1,milk\na,2,2,milk\na,3,3,rare\n\
                         b,4,1,milk\nb,5,2,milk\nb,6,3,milk\n");
    let protocol = Protocol { min_product_baskets: 2, min_baskets: 3, validation: false };
    let split = Split::new(&purchases, &protocol);
    assert_eq!(split.trials.len(), 1);
    assert_eq!(split.products, ["milk"]);
}

#[test]
fn baskets_of_one_date_are_two_visits() {
    let purchases = csv("customer,order,time,product\na,1,2026-01-01,milk\na,2,2026-01-01,milk\n");
    let split = Split::new(&purchases, &protocol_without_limits());
    let trial = &split.trials[0];
    assert!(trial.target.time.epoch_seconds - trial.history[0].time.epoch_seconds > 2 * 3_600);
}

#[test]
fn measures_match_literature() {
    // The ranking contains two of the four products of the basket, at ranks 1 and 3.
    let values = values(&[1, 9, 2, 8, 7], |product| product <= 4, 4).unwrap();
    let gain = |rank: f64| 1.0 / (rank + 1.0).log2();
    let ideal = (1..=4).map(|rank| gain(f64::from(rank))).sum::<f64>();
    assert_eq!(values[0], 0.5);
    assert!((values[1] - (gain(1.0) + gain(3.0)) / ideal).abs() < 1e-12);
    assert_eq!(values[2], 1.0);
    // The ideal ranking has the length of the basket, so that a larger cutoff changes nothing.
    assert_eq!(values[3..6], values[..3]);
    assert_eq!(super::values(&[1], |_| true, 0), None);
}

#[test]
fn intervals_contain_mean_and_are_reproducible() {
    let values: Vec<Values> = (0..100).map(|n| [f64::from(n % 4) / 4.0; 9]).collect();
    let (first, second) = (Means::new(&values), Means::new(&values));
    let mean = first.get(1, 0);
    assert_eq!(mean, second.get(1, 0));
    assert_eq!(mean.value, 0.375);
    assert!(mean.low < 0.36 && mean.low > 0.30 && mean.high > 0.39 && mean.high < 0.45);
    assert_eq!(Means::new(&[]).get(0, 0).value, 0.0);
}

/// Returns the purchases of a shop whose customers buy the same two products each week, and a third
/// product that varies.
fn weekly_purchases() -> Purchases {
    let mut text = "customer,order,time,product\n".to_owned();
    for customer in 0..20 {
        for week in 0..10 {
            let order = customer * 100 + week;
            let day = 1 + week * 7 % 28;
            let month = 1 + week * 7 / 28;
            let mut line = |product: &str| {
                text += &format!("{customer},{order},2026-{month:02}-{day:02},{product}\n");
            };
            line("milk");
            line("bread");
            line(&format!("own {}", (customer + week) % 7));
        }
    }
    csv(&text)
}

#[test]
fn all_methods_find_common_products() {
    let results = evaluate(&weekly_purchases(), &Protocol::default()).unwrap();
    let names: Vec<_> = results.methods.iter().map(|method| method.name).collect();
    let expected = ["most_popular", "personal_frequency", "personal_frequency_25", "up_cf"];
    assert_eq!(names[..4], expected);
    assert_eq!(names[4..], ["tifu_knn", "instored"]);
    for method in &results.methods {
        assert_eq!(method.all.get(1, 2).value, 1.0, "{}", method.name);
        assert!(method.all.get(1, 0).value > 0.66, "{}", method.name);
    }
}

#[test]
fn results_are_written_as_json_table_and_page() {
    let results = evaluate(&weekly_purchases(), &Protocol::default()).unwrap();
    let json = serde_json::to_value(&results).unwrap();
    assert_eq!(json["data"]["customers"], 20);
    for method in ["most_popular", "personal_frequency", "up_cf", "tifu_knn", "instored"] {
        let section = &json[method];
        for key in ["recall@5", "recall@10", "recall@20", "ndcg@10", "phr@10"] {
            let value = section[key].as_f64().unwrap();
            assert!((0.0..=1.0).contains(&value));
            let interval = &section["intervals"][key];
            assert!(interval[0].as_f64().unwrap() <= value + 1e-12);
            assert!(interval[1].as_f64().unwrap() >= value - 1e-12);
            assert!(section["repeat"][key].is_f64() && section["explore"][key].is_f64());
        }
    }
    assert!(results.table().rows.last().unwrap()[0] == "instored");
    let page = results.report().to_html();
    assert!(page.contains("instored") && page.contains("recall@20"));
}

#[test]
fn too_few_baskets_result_in_error() {
    let purchases = csv("customer,order,time,product\na,1,1,milk\n");
    let error = evaluate(&purchases, &Protocol::default()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("4 baskets"), "{error}");
}
