//! The results as a table for a terminal and as a report.

use crate::report::{BarChart, BarGroup, Report, Table, percent};

use super::{CUTOFFS, MEASURES, Means, Method, Results};

/// What is told of a basket: all of it, the products bought before, those that are new.
type Part = (&'static str, fn(&Method) -> &Means);

const PARTS: [Part; 3] = [
    ("All products", |method| &method.all),
    ("Repeat: products bought before", |method| &method.repeat),
    ("Explore: products new to the customer", |method| &method.explore),
];
/// The cutoff at which the short table and the charts look: 10.
const USUAL: usize = 1;

impl Results {
    /// What was measured, in a sentence.
    pub fn summary(&self) -> String {
        let data = &self.data;
        format!(
            "The {} of {} customers, foretold from {} baskets of {} products. Products in fewer \
             than {} baskets were left out, then customers with fewer than {} baskets. Intervals \
             are 95 %, by bootstrap over customers.",
            if data.protocol.validation { "basket before the last" } else { "last basket" },
            data.customers,
            data.baskets,
            data.products,
            data.protocol.min_product_baskets,
            data.protocol.min_baskets,
        )
    }

    /// The figures at 10 for a terminal.
    pub fn to_text(&self) -> String {
        let cutoff = CUTOFFS[USUAL];
        let mut table = Table::new(["method", "recall", "ndcg", "phr", "repeat", "explore"]);
        table.header[1..4].iter_mut().for_each(|name| name.push_str(&format!("@{cutoff}")));
        table.header[4..].iter_mut().for_each(|name| name.push_str(&format!(" recall@{cutoff}")));
        for method in &self.methods {
            let figure = |means: &Means, measure| {
                let mean = means.get(USUAL, measure);
                format!("{:.4} ({:.4} to {:.4})", mean.value, mean.low, mean.high)
            };
            table.row([
                method.name.to_owned(),
                figure(&method.all, 0),
                figure(&method.all, 1),
                figure(&method.all, 2),
                figure(&method.repeat, 0),
                figure(&method.explore, 0),
            ]);
        }
        table.to_text()
    }

    /// A page with plots and tables.
    pub fn report(&self) -> Report {
        let mut report = Report::new("Next baskets", self.summary());
        for (heading, means) in PARTS {
            let note =
                format!("{} customers.", self.methods.first().map_or(0, |m| means(m).customers));
            for (measure, name) in MEASURES.iter().enumerate() {
                let groups = CUTOFFS.iter().enumerate().map(|(cutoff, shown)| BarGroup {
                    name: format!("{shown} shown"),
                    bars: self.charted().map(|m| means(m).get(cutoff, measure)).collect(),
                });
                let chart = BarChart {
                    title: format!("{heading}: {name}"),
                    y_name: (*name).to_owned(),
                    series: self.charted().map(|method| method.name.to_owned()).collect(),
                    groups: groups.collect(),
                };
                report.section(&format!("{heading}: {name}"), &note, chart);
            }
            let mut table = Table { header: vec!["method".into()], rows: Vec::new() };
            for cutoff in CUTOFFS {
                table.header.extend(MEASURES.map(|measure| format!("{measure}@{cutoff}")));
            }
            for method in &self.methods {
                let figures = (0..CUTOFFS.len())
                    .flat_map(|cutoff| (0..MEASURES.len()).map(move |measure| (cutoff, measure)))
                    .map(|(cutoff, measure)| percent(&means(method).get(cutoff, measure)));
                table.rows.push(std::iter::once(method.name.to_owned()).chain(figures).collect());
            }
            report.section(heading, &note, &table);
        }
        report
    }

    /// The methods that are drawn: as many as a chart tells apart, and the shipped one.
    fn charted(&self) -> impl Iterator<Item = &Method> {
        let most = self.methods.len().saturating_sub(4);
        self.methods[..1].iter().chain(&self.methods[(most + 1).min(self.methods.len())..])
    }
}
