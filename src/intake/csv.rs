//! CSV: a product a line, grouped into orders by the order's id.

use std::collections::HashMap;
use std::io::BufRead;
use std::str::FromStr;

use ::csv::{ByteRecord, ReaderBuilder, Trim};
use jiff::{Timestamp, Zoned};

use crate::domain::{
    Currency, CustomerId, Order, OrderError, OrderId, OrderLine, Quantity, parse_order_time,
};

use super::lines::Lines;
use super::{Imported, IntakeError, Rejected};

/// The columns, for people.
pub(super) const COLUMNS: &str =
    "customer, order, placed, currency, sku, name, quantity, unit_price and, if known, till";

/// How much of a wrong field a reason quotes, in characters.
const QUOTED: usize = 40;

pub(super) fn read(input: impl BufRead, now: Timestamp) -> Result<Imported, IntakeError> {
    let mut lines = Lines::new(input);
    let columns = match lines.next_record()? {
        Some(line) if line.fault.is_none() => Columns::of_header(&fields(&line.text))?,
        _ => return Err(IntakeError::Header("cannot be read".into())),
    };
    let mut baskets = Baskets::default();
    while let Some(line) = lines.next_record()? {
        if line.text.trim_ascii().is_empty() {
            continue;
        }
        let record = fields(&line.text);
        // The last field of a line that broke off is not whole, and must not pass for an order id.
        let whole = record.len() - usize::from(line.fault.is_some());
        let row = match line.fault {
            Some(fault) => Err(fault.to_owned()),
            None => columns.row(&record),
        };
        baskets.add(columns.order_id(&record, whole), line.number, row);
    }
    Ok(baskets.finish(now))
}

/// The fields of one record, without the spaces around them.
fn fields(text: &[u8]) -> ByteRecord {
    let mut record = ByteRecord::new();
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(text);
    match reader.read_byte_record(&mut record) {
        Ok(_) => record,
        // Reading from memory, with any number of fields, does not fail.
        Err(_) => ByteRecord::new(),
    }
}

/// Where the columns stand.
struct Columns {
    customer: usize,
    order: usize,
    placed: usize,
    currency: usize,
    sku: usize,
    name: usize,
    quantity: usize,
    unit_price: usize,
    till: Option<usize>,
    count: usize,
}

/// What a line says: of its order, and of its product.
struct Row {
    head: Head,
    product: OrderLine,
}

/// What every line of an order has to say alike.
#[derive(PartialEq)]
struct Head {
    customer: CustomerId,
    placed: Zoned,
    currency: Currency,
    till: Option<String>,
}

impl Columns {
    fn of_header(header: &ByteRecord) -> Result<Self, IntakeError> {
        let mut places = HashMap::new();
        for (place, name) in header.iter().enumerate() {
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            if places.insert(name.clone(), place).is_some() {
                return Err(IntakeError::Header(format!("names `{}` twice", quoted(&name))));
            }
        }
        let mut take = |name: &str| {
            places.remove(name).ok_or_else(|| IntakeError::Header(format!("lacks `{name}`")))
        };
        let columns = Self {
            customer: take("customer")?,
            order: take("order")?,
            placed: take("placed")?,
            currency: take("currency")?,
            sku: take("sku")?,
            name: take("name")?,
            quantity: take("quantity")?,
            unit_price: take("unit_price")?,
            till: take("till").ok(),
            count: header.len(),
        };
        match places.keys().min() {
            None => Ok(columns),
            Some(name) => {
                Err(IntakeError::Header(format!("has an unknown column `{}`", quoted(name))))
            }
        }
    }

    /// The order's id, if it stands in the first `whole` fields.
    fn order_id(&self, record: &ByteRecord, whole: usize) -> Option<OrderId> {
        let id = record.get(self.order).filter(|_| self.order < whole)?;
        let id = std::str::from_utf8(id).ok()?;
        (!id.is_empty()).then(|| OrderId(id.to_owned()))
    }

    fn row(&self, record: &ByteRecord) -> Result<Row, String> {
        if record.len() != self.count {
            return Err(format!("has {} columns, the header {}", record.len(), self.count));
        }
        let text = |place: usize| {
            std::str::from_utf8(record.get(place).unwrap_or_default())
                .map_err(|_| "is not UTF-8".to_owned())
        };
        if text(self.order)?.is_empty() {
            return Err("names no order".into());
        }
        let till = self.till.map(text).transpose()?.filter(|till| !till.is_empty());
        Ok(Row {
            head: Head {
                customer: parsed(text(self.customer)?, "customer id")?,
                placed: parse_order_time(text(self.placed)?).map_err(|e| e.to_string())?,
                currency: text(self.currency)?.parse().map_err(|e: OrderError| e.to_string())?,
                till: till.map(str::to_owned),
            },
            product: OrderLine {
                sku: text(self.sku)?.to_owned(),
                name: text(self.name)?.to_owned(),
                quantity: parsed::<Quantity>(text(self.quantity)?, "quantity")?,
                unit_price: parsed(text(self.unit_price)?, "price in whole minor units")?,
            },
        })
    }
}

fn parsed<T: FromStr>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{}` is no {what}", quoted(text)))
}

fn quoted(text: &str) -> String {
    text.chars().take(QUOTED).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The lines read so far, by order.
#[derive(Default)]
struct Baskets {
    places: HashMap<OrderId, usize>,
    all: Vec<Basket>,
    rejected: Vec<Rejected>,
}

struct Basket {
    id: OrderId,
    head: Option<Head>,
    products: Vec<OrderLine>,
    /// The lines that were good by themselves.
    lines: Vec<u64>,
    /// The first that was not.
    wrong: Option<u64>,
}

impl Baskets {
    fn add(&mut self, order: Option<OrderId>, line: u64, row: Result<Row, String>) {
        let basket = order.map(|id| {
            let place = *self.places.entry(id.clone()).or_insert(self.all.len());
            if place == self.all.len() {
                self.all.push(Basket::new(id));
            }
            &mut self.all[place]
        });
        let reason = match (row, basket) {
            (Ok(row), Some(basket)) => match basket.take(row, line) {
                Ok(()) => return,
                Err(reason) => reason,
            },
            (Err(reason), Some(basket)) => {
                basket.wrong.get_or_insert(line);
                reason
            }
            (Err(reason), None) => reason,
            (Ok(_), None) => "names no order".into(),
        };
        self.rejected.push(Rejected { line, reason });
    }

    fn finish(self, now: Timestamp) -> Imported {
        let mut imported = Imported { orders: Vec::new(), rejected: self.rejected };
        for basket in self.all {
            let lines = basket.lines.clone();
            let id = basket.id.clone();
            match basket.finish(now) {
                Ok(order) => imported.orders.push((order, lines)),
                Err(reason) => imported.rejected.extend(lines.iter().map(|line| {
                    let reason = format!("belongs to order `{}`: {reason}", quoted(&id.0));
                    Rejected { line: *line, reason }
                })),
            }
        }
        imported.rejected.sort_by_key(|rejected| rejected.line);
        imported
    }
}

impl Basket {
    fn new(id: OrderId) -> Self {
        Self { id, head: None, products: Vec::new(), lines: Vec::new(), wrong: None }
    }

    fn take(&mut self, row: Row, line: u64) -> Result<(), String> {
        if let (Some(head), Some(first)) = (&self.head, self.lines.first())
            && *head != row.head
        {
            self.wrong.get_or_insert(line);
            return Err(format!(
                "differs from line {first} of the same order in customer, time, currency or till"
            ));
        }
        self.head.get_or_insert(row.head);
        self.products.push(row.product);
        self.lines.push(line);
        Ok(())
    }

    fn finish(self, now: Timestamp) -> Result<Order, String> {
        if let Some(wrong) = self.wrong {
            return Err(format!("its line {wrong} is wrong"));
        }
        let Some(head) = self.head else { return Err("it has no lines".into()) };
        let Head { customer, placed, currency, till } = head;
        let mut order =
            Order { id: self.id, customer, placed, currency, lines: self.products, total: 0, till };
        // The check measures every line before it adds them up; to add up lines that were not
        // measured could overflow.
        if let Err(OrderError::Total { lines, .. }) = order.check(now) {
            order.total = lines;
        }
        order.check(now).map_err(|e| e.to_string())?;
        Ok(order)
    }
}
