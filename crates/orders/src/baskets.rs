//! The orders of a CSV file: its lines grouped by the order's id, while they pass.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io::BufRead;

use instored_domain::{LineItem, MAX_ORDER_LINES, Order, OrderError, OrderId};

use super::lines::until_error;
use super::order_table::{self, Head, Row};
use super::{Entry, ImportError, MAX_LINE_DISTANCE, OrderRules, RejectedLine};

pub(super) fn read(
    input: impl BufRead,
    rules: OrderRules,
) -> Result<impl Iterator<Item = Result<Entry<Order>, ImportError>>, ImportError> {
    let (mut table, columns) = order_table::open(input)?;
    let mut baskets = Baskets::new(rules);
    Ok(until_error(move || {
        loop {
            if let Some(entry) = baskets.ready.pop_front() {
                return Ok(Some(entry));
            }
            match table.next()? {
                Some(record) => {
                    let row = columns.row(&record);
                    baskets.add(columns.order_id(&record), record.line, row)?;
                }
                None if baskets.open.is_empty() => return Ok(None),
                None => baskets.close_before(u64::MAX),
            }
        }
    }))
}

/// The orders whose lines are passing.
struct Baskets {
    rules: OrderRules,
    open: HashMap<OrderId, Basket>,
    /// The open ones by their last line.
    by_last: BTreeMap<u64, OrderId>,
    /// The hashes of the closed ones.
    closed: HashSet<u64>,
    hasher: RandomState,
    ready: VecDeque<Entry<Order>>,
}

/// An order of which some lines were read.
#[derive(Default)]
struct Basket {
    head: Option<Head>,
    products: Vec<LineItem>,
    /// The lines that were good by themselves.
    lines: Vec<u64>,
    /// The first that was not; then nothing else is kept.
    wrong: Option<u64>,
    last: u64,
}

impl Baskets {
    fn new(rules: OrderRules) -> Self {
        Self {
            rules,
            open: HashMap::new(),
            by_last: BTreeMap::new(),
            closed: HashSet::new(),
            hasher: RandomState::new(),
            ready: VecDeque::new(),
        }
    }

    fn add(
        &mut self,
        order: Result<OrderId, String>,
        line: u64,
        row: Result<Row, String>,
    ) -> Result<(), ImportError> {
        self.close_before(line.saturating_sub(MAX_LINE_DISTANCE));
        let id = match order {
            Ok(id) => id,
            Err(reason) => {
                self.reject(line, row.err().unwrap_or(reason));
                return Ok(());
            }
        };
        if !self.open.contains_key(&id) && self.closed.contains(&self.hasher.hash_one(&id)) {
            return Err(ImportError::Scattered { line, order: id });
        }
        let basket = self.open.entry(id.clone()).or_default();
        self.by_last.remove(&basket.last);
        self.by_last.insert(line, id.clone());
        basket.last = line;
        let taken = row.and_then(|row| match basket.wrong {
            Some(wrong) => Err(belongs(&id, &spoilt(wrong))),
            None => basket.take(row, line),
        });
        if let Err(reason) = taken {
            let wrong = *basket.wrong.get_or_insert(line);
            let Basket { lines, .. } = std::mem::replace(basket, Basket::spoilt(wrong, line));
            self.reject_all(&id, &lines, &spoilt(wrong));
            self.reject(line, reason);
        }
        Ok(())
    }

    /// Closes the orders that have no line from `first` on.
    fn close_before(&mut self, first: u64) {
        while let Some(last) = self.by_last.first_entry().filter(|last| *last.key() < first) {
            let id = last.remove();
            self.closed.insert(self.hasher.hash_one(&id));
            let Some(basket) = self.open.remove(&id) else { continue };
            let lines = basket.lines.clone();
            match basket.finish(id.clone(), self.rules) {
                None => {}
                Some(Ok(order)) => self.ready.push_back(Entry::Accepted(order, lines)),
                Some(Err(fault)) => self.reject_all(&id, &lines, &fault.to_string()),
            }
        }
    }

    fn reject(&mut self, line: u64, reason: String) {
        self.ready.push_back(Entry::Rejected(RejectedLine { line, reason }));
    }

    fn reject_all(&mut self, id: &OrderId, lines: &[u64], reason: &str) {
        for line in lines {
            self.reject(*line, belongs(id, reason));
        }
    }
}

impl Basket {
    /// An order that is left out for its line `wrong`.
    fn spoilt(wrong: u64, last: u64) -> Self {
        Self { wrong: Some(wrong), last, ..Self::default() }
    }

    fn take(&mut self, row: Row, line: u64) -> Result<(), String> {
        if let (Some(head), Some(first)) = (&self.head, self.lines.first())
            && *head != row.head
        {
            return Err(format!(
                "differs from line {first} of the same order in customer, time, currency, total, \
                 till or replaced order; an id names one order alone"
            ));
        }
        if self.products.len() == MAX_ORDER_LINES {
            return Err(OrderError::TooManyLines.to_string());
        }
        self.head.get_or_insert(row.head);
        self.products.extend(row.product);
        self.lines.push(line);
        Ok(())
    }

    /// The order; `None` when a line was wrong, or none was read.
    fn finish(self, id: OrderId, rules: OrderRules) -> Option<Result<Order, OrderError>> {
        let Head { customer, placed, currency, total, till, replaces } = self.head?;
        let lines = self.products;
        let mut order = Order { id, customer, placed, currency, lines, total: 0, till, replaces };
        order.total = total.unwrap_or_else(|| order.sum_of_lines());
        Some(order.check(rules.now, rules.currency).map(|()| order))
    }
}

fn belongs(id: &OrderId, reason: &str) -> String {
    format!("belongs to order `{id}`: {reason}")
}

fn spoilt(wrong: u64) -> String {
    format!("line {wrong} is wrong, and a basket with a hole would be a false history")
}
