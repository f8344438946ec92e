//! What is read, what is foretold, and what the figures say of it.

use super::measures::Figures;
use super::purchases::When;
use super::*;

fn csv(text: &str) -> Purchases {
    Purchases::csv(text.as_bytes()).unwrap()
}

fn everything() -> Protocol {
    Protocol { min_product_baskets: 1, min_baskets: 2, validation: false }
}

fn splits(purchases: &Purchases, protocol: &Protocol) -> Vec<(Vec<Vec<String>>, Vec<String>)> {
    let split = Split::new(purchases, protocol);
    let named = |basket: &split::Past| {
        basket.products.iter().map(|p| split.products[*p as usize].clone()).collect::<Vec<_>>()
    };
    let trial = |trial: &split::Trial| {
        (trial.history.iter().map(named).collect::<Vec<_>>(), named(&trial.next))
    };
    split.trials.iter().map(trial).collect()
}

#[test]
fn columns_go_by_name_and_bad_lines_are_told_with_their_number() {
    let purchases = Purchases::csv(
        &b"Product,price,customer,time,order\nmilk,1,a,2026-01-01,1\n\xff,1,a,2026-01-01,1\n\
           milk,1,a,soon,1\nmilk,1,,2026-01-01,1\nmilk,1,a\ntea,1,a,2026-01-02,2\n"[..],
    )
    .unwrap();
    assert_eq!(purchases.lines.len(), 2);
    let refused: Vec<_> = purchases.refused.iter().map(|(line, _)| *line).collect();
    assert_eq!(refused, [3, 4, 5, 6]);
    assert!(purchases.refused[0].1.contains("UTF-8"));
    assert!(purchases.refused[1].1.contains("`soon` is no time"));
    assert!(purchases.refused[2].1.contains("`customer` is empty"));
    assert!(Purchases::csv(&b"customer,order,time\n"[..]).is_err_and(|e| e.contains("`product`")));
}

#[test]
fn json_lines_say_the_same_as_csv() {
    let table = csv("customer,order,time,product\n1,7,2026-01-01 10:00:00,5\n1,8,2026-01-02,6\n");
    let lines = Purchases::json_lines(
        &br#"{"customer":1,"order":7,"time":"2026-01-01 10:00:00","product":5,"price":3}

{"customer":"1","order":"8","time":"2026-01-02","product":"6"}
{"customer":"1"}
"#[..],
    )
    .unwrap();
    assert_eq!(splits(&table, &everything()), splits(&lines, &everything()));
    assert_eq!(splits(&lines, &everything()).len(), 1);
    assert_eq!(lines.refused[0].0, 4);
}

#[test]
fn times_are_understood_in_each_of_their_forms() {
    let when = |time: &str| {
        let purchases = csv(&format!("customer,time,product\na,{time},milk\n"));
        purchases.lines.first().map(|line| line.when)
    };
    let utc = |second, exact| Some(When { second, ahead: 0, exact });
    assert_eq!(when("2026-01-01 10:00:00"), utc(1_767_261_600, true));
    assert_eq!(when("2026-01-01T10:00:00Z"), utc(1_767_261_600, true));
    let ahead = When { second: 1_767_261_600, ahead: 7_200, exact: true };
    assert_eq!(when("2026-01-01T12:00:00+02:00"), Some(ahead));
    assert_eq!(ahead.zoned().hour(), 12);
    assert_eq!(when("1767261600"), utc(1_767_261_600, true));
    assert_eq!(when("1767261600000"), utc(1_767_261_600, true));
    assert_eq!(when("2026-01-01"), utc(1_767_268_800, false));
    assert!(when("2").unwrap().second > when("1").unwrap().second);
    for wrong in ["", "-1", "01/02/2026", "2026-13-01", "2026-01-01 25:00:00"] {
        assert_eq!(when(wrong), None, "{wrong}");
    }
}

#[test]
fn the_last_basket_is_foretold_and_with_validation_the_one_before() {
    // Orders 9 and 10 are of one moment: the number decides. Lines of an order may be anywhere.
    let purchases = csv("customer,order,time,product\na,10,2026-01-03,tea\na,9,2026-01-03,milk\n\
                         a,1,2026-01-01,bread\na,10,2026-01-04,milk\na,9,2026-01-03,milk\n");
    let words = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let mut found = splits(&purchases, &everything());
    found[0].1.sort();
    let history = vec![words(&["bread"]), words(&["milk"])];
    assert_eq!(found, [(history, words(&["milk", "tea"]))]);
    let validation = Protocol { validation: true, ..everything() };
    assert_eq!(splits(&purchases, &validation), [(vec![words(&["bread"])], words(&["milk"]))]);
}

#[test]
fn rare_products_go_first_and_then_customers_with_few_baskets() {
    let purchases = csv("customer,order,time,product\na,1,1,milk\na,2,2,milk\na,3,3,rare\n\
                         b,4,1,milk\nb,5,2,milk\nb,6,3,milk\n");
    let protocol = Protocol { min_product_baskets: 2, min_baskets: 3, validation: false };
    let split = Split::new(&purchases, &protocol);
    assert_eq!(split.trials.len(), 1);
    assert_eq!(split.products, ["milk"]);
}

#[test]
fn baskets_of_one_date_are_not_in_the_same_bag() {
    let purchases = csv("customer,order,time,product\na,1,2026-01-01,milk\na,2,2026-01-01,milk\n");
    let split = Split::new(&purchases, &everything());
    let trial = &split.trials[0];
    assert!(trial.next.when.second - trial.history[0].when.second > 2 * 3_600);
}

#[test]
fn figures_are_those_of_the_literature() {
    // Two of four wanted products are shown, at ranks 1 and 3.
    let figures = figures(&[1, 9, 2, 8, 7], |product| product <= 4, 4).unwrap();
    let gain = |rank: f64| 1.0 / (rank + 1.0).log2();
    let ideal = (1..=4).map(|rank| gain(f64::from(rank))).sum::<f64>();
    assert_eq!(figures[0], 0.5);
    assert!((figures[1] - (gain(1.0) + gain(3.0)) / ideal).abs() < 1e-12);
    assert_eq!(figures[2], 1.0);
    // Among more, the ideal is as long as the basket; nothing else changes.
    assert_eq!(figures[3..6], figures[..3]);
    assert_eq!(super::figures(&[1], |_| true, 0), None);
}

#[test]
fn intervals_hold_the_mean_and_are_the_same_each_time() {
    let figures: Vec<Figures> = (0..100).map(|n| [f64::from(n % 4) / 4.0; 9]).collect();
    let (one, other) = (Means::new(&figures), Means::new(&figures));
    let mean = one.get(1, 0);
    assert_eq!(mean, other.get(1, 0));
    assert_eq!(mean.value, 0.375);
    assert!(mean.low < 0.36 && mean.low > 0.30 && mean.high > 0.39 && mean.high < 0.45);
    assert_eq!(Means::new(&[]).get(0, 0).value, 0.0);
}

/// A shop of people who buy the same two things each week and one of their own each other.
fn shop() -> Purchases {
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
fn all_methods_are_measured_and_find_what_everyone_buys() {
    let results = evaluate(&shop(), &Protocol::default()).unwrap();
    let names: Vec<_> = results.methods.iter().map(|method| method.name).collect();
    let named = ["most_popular", "personal_frequency", "personal_frequency_25", "up_cf"];
    assert_eq!(names[..4], named);
    assert_eq!(names[4..], ["tifu_knn", "instored"]);
    for method in &results.methods {
        assert_eq!(method.all.get(1, 2).value, 1.0, "{}", method.name);
        assert!(method.all.get(1, 0).value > 0.66, "{}", method.name);
    }
}

#[test]
fn results_are_told_as_json_text_and_page() {
    let results = evaluate(&shop(), &Protocol::default()).unwrap();
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
    assert!(results.to_text().lines().last().unwrap().starts_with("instored"));
    let page = results.report().to_html();
    assert!(page.contains("instored") && page.contains("recall@20"));
}

#[test]
fn too_few_baskets_are_an_error_that_says_so() {
    let purchases = csv("customer,order,time,product\na,1,1,milk\n");
    let error = evaluate(&purchases, &Protocol::default()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("4 baskets"), "{error}");
}
