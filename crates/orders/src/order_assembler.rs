//! Grouping of the records of a CSV file into orders, while the file is being read.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io::BufRead;

use instored_domain::{LineItem, MAX_ORDER_LINES, Order, OrderError, OrderId};

use super::order_csv::{self, OrderHead, ParsedRecord};
use super::{Entry, ImportError, MAX_LINE_DISTANCE, NextEntry, OrderRules, RejectedLine};

/// Reads the header and returns a function that reads the next order or rejected line.
///
/// # Errors
/// If the header is invalid.
pub(super) fn read(
    input: impl BufRead,
    rules: OrderRules,
) -> Result<impl FnMut() -> NextEntry<Order>, ImportError> {
    let (mut reader, columns) = order_csv::open(input)?;
    let mut assembler = OrderAssembler::new(rules);
    Ok(move || {
        loop {
            if let Some(entry) = assembler.ready.pop_front() {
                return Ok(Some(entry));
            }
            match reader.next_record()? {
                Some(record) => {
                    let parsed = columns.parse(&record);
                    assembler.add(columns.order_id(&record), record.line, parsed)?;
                }
                None if assembler.open.is_empty() => return Ok(None),
                None => assembler.close_before(u64::MAX),
            }
        }
    })
}

/// Assembler of orders from lines. An order is open while more of its lines may follow; it is
/// closed [`MAX_LINE_DISTANCE`] lines after its last line.
struct OrderAssembler {
    rules: OrderRules,
    open: HashMap<OrderId, PartialOrder>,
    /// Ids of the open orders by the number of their last line.
    by_last_line: BTreeMap<u64, OrderId>,
    /// Hashes of the ids of the closed orders.
    closed: HashSet<u64>,
    hasher: RandomState,
    /// Entries that the reader has not returned yet.
    ready: VecDeque<Entry<Order>>,
}

/// An open order, with the lines read so far.
#[derive(Default)]
struct PartialOrder {
    head: Option<OrderHead>,
    items: Vec<LineItem>,
    /// Numbers of the valid lines.
    lines: Vec<u64>,
    /// Number of the first invalid line. If there is one, the order is rejected, and this struct
    /// contains no other data than line numbers.
    invalid_line: Option<u64>,
    last_line: u64,
}

impl OrderAssembler {
    fn new(rules: OrderRules) -> Self {
        Self {
            rules,
            open: HashMap::new(),
            by_last_line: BTreeMap::new(),
            closed: HashSet::new(),
            hasher: RandomState::new(),
            ready: VecDeque::new(),
        }
    }

    /// Adds a record to its order. An invalid record rejects the whole order.
    fn add(
        &mut self,
        order: Result<OrderId, String>,
        line: u64,
        record: Result<ParsedRecord, String>,
    ) -> Result<(), ImportError> {
        self.close_before(line.saturating_sub(MAX_LINE_DISTANCE));
        let id = match order {
            Ok(id) => id,
            Err(reason) => {
                self.reject(line, record.err().unwrap_or(reason));
                return Ok(());
            }
        };
        if !self.open.contains_key(&id) && self.closed.contains(&self.hasher.hash_one(&id)) {
            return Err(ImportError::Scattered { line, order: id });
        }
        let order = self.open.entry(id.clone()).or_default();
        self.by_last_line.remove(&order.last_line);
        self.by_last_line.insert(line, id.clone());
        order.last_line = line;
        let added = record.and_then(|record| match order.invalid_line {
            Some(invalid) => Err(order_reason(&id, &incomplete_order_reason(invalid))),
            None => order.add(record, line),
        });
        if let Err(reason) = added {
            // The whole order is rejected. Its data is dropped, so that memory stays bounded.
            let invalid = *order.invalid_line.get_or_insert(line);
            let rejected = PartialOrder::rejected(invalid, line);
            let PartialOrder { lines, .. } = std::mem::replace(order, rejected);
            self.reject_all(&id, &lines, &incomplete_order_reason(invalid));
            self.reject(line, reason);
        }
        Ok(())
    }

    /// Closes the orders whose last line is before `line`.
    fn close_before(&mut self, line: u64) {
        while let Some(last) = self.by_last_line.first_entry().filter(|last| *last.key() < line) {
            let id = last.remove();
            self.closed.insert(self.hasher.hash_one(&id));
            let Some(order) = self.open.remove(&id) else { continue };
            let lines = order.lines.clone();
            match order.into_order(id.clone(), self.rules) {
                None => {}
                Some(Ok(order)) => self.ready.push_back(Entry::Accepted(order, lines)),
                Some(Err(error)) => self.reject_all(&id, &lines, &error.to_string()),
            }
        }
    }

    fn reject(&mut self, line: u64, reason: String) {
        self.ready.push_back(Entry::Rejected(RejectedLine { line, reason }));
    }

    fn reject_all(&mut self, id: &OrderId, lines: &[u64], reason: &str) {
        for line in lines {
            self.reject(*line, order_reason(id, reason));
        }
    }
}

impl PartialOrder {
    /// Creates an order that is rejected because of an invalid line.
    fn rejected(invalid_line: u64, last_line: u64) -> Self {
        Self { invalid_line: Some(invalid_line), last_line, ..Self::default() }
    }

    fn add(&mut self, record: ParsedRecord, line: u64) -> Result<(), String> {
        if let (Some(head), Some(first)) = (&self.head, self.lines.first())
            && *head != record.head
        {
            return Err(format!(
                "differs from line {first} of the same order in customer, time, currency, total, \
                 till or replaced order; give each order an id of its own"
            ));
        }
        if self.items.len() == MAX_ORDER_LINES {
            return Err(OrderError::TooManyLines.to_string());
        }
        self.head.get_or_insert(record.head);
        self.items.extend(record.item);
        self.lines.push(line);
        Ok(())
    }

    /// Builds and validates the complete order. Returns `None` if an invalid line has already
    /// rejected the order.
    fn into_order(self, id: OrderId, rules: OrderRules) -> Option<Result<Order, OrderError>> {
        let OrderHead { customer, placed, currency, total, till, replaces } = self.head?;
        let lines = self.items;
        let mut order = Order { id, customer, placed, currency, lines, total: 0, till, replaces };
        order.total = total.unwrap_or_else(|| order.sum_of_lines());
        Some(order.check(rules.now, rules.currency).map(|()| order))
    }
}

/// Returns the reason for the rejection of a line whose order is rejected because of `reason`.
fn order_reason(id: &OrderId, reason: &str) -> String {
    format!("belongs to order `{id}`: {reason}")
}

/// Returns the reason for the rejection of an order with an invalid line.
fn incomplete_order_reason(invalid_line: u64) -> String {
    format!("line {invalid_line} is invalid, and an incomplete basket would falsify the history")
}
