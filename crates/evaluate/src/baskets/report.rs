//! Table and HTML report of the methods.

use crate::report::{BarChart, BarGroup, Report, Table, percent_with_interval};

use super::{CUTOFFS, MEASURES, Means, Method, Results};

/// Part of the baskets: its heading and its means.
type Part = (&'static str, fn(&Method) -> &Means);

/// Parts of the report.
const PARTS: [Part; 3] = [
    ("All products", |method| &method.all),
    ("Repeat: products bought before", |method| &method.repeat),
    ("Explore: products new to the customer", |method| &method.explore),
];
/// Index of the table's cutoff in [`CUTOFFS`]: 10 products.
const TABLE_CUTOFF: usize = 1;

impl Results {
    /// Returns the description of the data.
    pub fn summary(&self) -> String {
        let data = &self.data;
        format!(
            "Prediction of the {} of {} customers from {} baskets with {} products. Products in \
             fewer than {} baskets are dropped first, then customers with fewer than {} baskets. \
             The 95 % intervals are computed by bootstrap over customers.",
            if data.protocol.validation { "basket before the last" } else { "last basket" },
            data.customers,
            data.baskets,
            data.products,
            data.protocol.min_product_baskets,
            data.protocol.min_baskets,
        )
    }

    /// Returns the table of the measures at a cutoff of 10 products.
    pub fn table(&self) -> Table {
        let cutoff = CUTOFFS[TABLE_CUTOFF];
        let mut table = Table::new(["method", "recall", "ndcg", "phr", "repeat", "explore"]);
        table.header[1..4].iter_mut().for_each(|name| name.push_str(&format!("@{cutoff}")));
        table.header[4..].iter_mut().for_each(|name| name.push_str(&format!(" recall@{cutoff}")));
        for method in &self.methods {
            let mean = |means: &Means, measure| {
                let mean = means.get(TABLE_CUTOFF, measure);
                format!("{:.4} ({:.4} to {:.4})", mean.value, mean.low, mean.high)
            };
            table.add_row([
                method.name.to_owned(),
                mean(&method.all, 0),
                mean(&method.all, 1),
                mean(&method.all, 2),
                mean(&method.repeat, 0),
                mean(&method.explore, 0),
            ]);
        }
        table
    }

    /// Returns the HTML report.
    pub fn report(&self) -> Report {
        let mut report = Report::new("Next baskets", self.summary());
        for (heading, means) in PARTS {
            let note =
                format!("{} customers.", self.methods.first().map_or(0, |m| means(m).customers));
            for (measure, name) in MEASURES.iter().enumerate() {
                let groups = CUTOFFS.iter().enumerate().map(|(cutoff, products)| BarGroup {
                    name: format!("{products} products"),
                    bars: self.charted_methods().map(|m| means(m).get(cutoff, measure)).collect(),
                });
                let chart = BarChart {
                    title: format!("{heading}: {name}"),
                    y_name: (*name).to_owned(),
                    series: self.charted_methods().map(|method| method.name.to_owned()).collect(),
                    groups: groups.collect(),
                };
                report.add_section(&format!("{heading}: {name}"), &note, chart);
            }
            let mut table = Table { header: vec!["method".into()], rows: Vec::new() };
            for cutoff in CUTOFFS {
                table.header.extend(MEASURES.map(|measure| format!("{measure}@{cutoff}")));
            }
            for method in &self.methods {
                let values = (0..CUTOFFS.len())
                    .flat_map(|cutoff| (0..MEASURES.len()).map(move |measure| (cutoff, measure)))
                    .map(|(cutoff, measure)| {
                        percent_with_interval(&means(method).get(cutoff, measure))
                    });
                table.rows.push(std::iter::once(method.name.to_owned()).chain(values).collect());
            }
            report.add_section(heading, &note, &table);
        }
        report
    }

    /// Returns the methods in the charts: the first and the last three, because charts have four
    /// colours.
    fn charted_methods(&self) -> impl Iterator<Item = &Method> {
        let excess = self.methods.len().saturating_sub(4);
        self.methods[..1].iter().chain(&self.methods[(excess + 1).min(self.methods.len())..])
    }
}
