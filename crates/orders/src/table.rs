//! CSV: a header that names the columns, and records whose fields go by those names.

use std::collections::HashMap;
use std::io::{self, BufRead};
use std::str::FromStr;

use csv_core::{Reader, ReaderBuilder, Terminator};
use instored_domain::excerpt;

use super::ImportError;
use super::lines::{Lines, utf8};

/// The longest field that is taken, in bytes; no name is longer.
const LONGEST_FIELD: usize = 1024;

/// Where a column stands in each record, if the file has it.
#[derive(Clone, Copy)]
pub(super) struct Column(Option<usize>);

/// The columns that the header names and nobody has taken yet.
pub(super) struct Header(HashMap<String, usize>);

/// A CSV file, record by record.
pub(super) struct Table<R> {
    lines: Lines<R>,
    splitter: Splitter,
    /// How many columns the header has.
    width: usize,
}

/// One record.
pub(super) struct Record<'a> {
    /// Its first line.
    pub(super) line: u64,
    /// What is wrong with it as a whole.
    fault: Option<String>,
    fields: Fields<'a>,
    /// How many of the fields are whole: the last one of a line that broke off is not.
    whole: usize,
}

impl<R: BufRead> Table<R> {
    /// Reads the header, from which `choose` takes the columns it knows; `names` are those, for
    /// people.
    ///
    /// # Errors
    /// When the header cannot be read, has a column twice or one that `choose` leaves.
    pub(super) fn new<C>(
        input: R,
        names: &'static str,
        choose: impl FnOnce(&mut Header) -> Result<C, String>,
    ) -> Result<(Self, C), ImportError> {
        let wrong = |fault| ImportError::Header { fault, columns: names };
        let mut lines = Lines::new(input);
        let mut splitter = Splitter::default();
        let line = lines.next_record()?.filter(|line| line.fault.is_none());
        let line = line.ok_or_else(|| wrong("cannot be read".to_owned()))?;
        let fields = splitter.split(&line.bytes);
        let width = fields.ends.len();
        let mut header = Header::new(&fields).map_err(wrong)?;
        let columns = choose(&mut header).map_err(wrong)?;
        match header.0.keys().min() {
            Some(name) => Err(wrong(format!("has an unknown column `{}`", excerpt(name)))),
            None => Ok((Self { lines, splitter, width }, columns)),
        }
    }

    /// The next record; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        let Some(line) = self.lines.next_record()? else { return Ok(None) };
        let fields = self.splitter.split(&line.bytes);
        let (count, width) = (fields.ends.len(), self.width);
        let fault = line.fault.map(str::to_owned).or_else(|| {
            (count != width).then(|| format!("has {count} columns, the header {width}"))
        });
        let whole = count.saturating_sub(line.fault.is_some().into());
        Ok(Some(Record { line: line.number, fault, fields, whole }))
    }
}

impl Header {
    fn new(fields: &Fields<'_>) -> Result<Self, String> {
        let mut places = HashMap::new();
        for place in 0..fields.ends.len() {
            let name = String::from_utf8_lossy(fields.get(place)).to_ascii_lowercase();
            if places.insert(name.clone(), place).is_some() {
                return Err(format!("names `{}` twice", excerpt(&name)));
            }
        }
        Ok(Self(places))
    }

    /// A column that has to be there.
    ///
    /// # Errors
    /// When it is not.
    pub(super) fn required(&mut self, name: &str) -> Result<Column, String> {
        match self.optional(name) {
            Column(None) => Err(format!("lacks `{name}`")),
            column => Ok(column),
        }
    }

    /// A column that may be there.
    pub(super) fn optional(&mut self, name: &str) -> Column {
        Column(self.0.remove(name))
    }
}

impl Record<'_> {
    /// That the record is one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn sound(&self) -> Result<(), String> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// A field without the spaces around it; empty where the record has no such column.
    ///
    /// # Errors
    /// When it is not UTF-8, or too long for anything that is kept.
    pub(super) fn text(&self, column: Column) -> Result<&str, String> {
        let Some(place) = column.0.filter(|place| *place < self.whole) else { return Ok("") };
        match self.fields.get(place) {
            field if field.len() > LONGEST_FIELD => {
                Err(format!("has a field longer than {LONGEST_FIELD} bytes"))
            }
            field => utf8(field),
        }
    }

    /// A field that is a `what`.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn parsed<T: FromStr>(&self, column: Column, what: &str) -> Result<T, String> {
        let text = self.text(column)?;
        text.parse().map_err(|_| format!("`{}` is no {what}", excerpt(text)))
    }

    /// A field that may be empty.
    ///
    /// # Errors
    /// When it is there, and not a `what`.
    pub(super) fn optional<T: FromStr>(
        &self,
        column: Column,
        what: &str,
    ) -> Result<Option<T>, String> {
        if self.text(column)?.is_empty() { Ok(None) } else { self.parsed(column, what).map(Some) }
    }

    /// A field that says yes or no; `otherwise` where it says nothing.
    ///
    /// # Errors
    /// When it says something else.
    pub(super) fn yes_or_no(&self, column: Column, otherwise: bool) -> Result<bool, String> {
        match self.text(column)?.to_ascii_lowercase().as_str() {
            "" => Ok(otherwise),
            "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            other => Err(format!("`{}` is neither `true` nor `false`", excerpt(other))),
        }
    }
}

/// Splits records into fields, with the same memory for all of them.
struct Splitter {
    reader: Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// The fields of a record, one behind the other, and where each ends.
struct Fields<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl Default for Splitter {
    fn default() -> Self {
        // Lines are split already, and a carriage return that is left within one is part of it.
        let reader = ReaderBuilder::new().terminator(Terminator::Any(b'\n')).build();
        Self { reader, bytes: Vec::new(), ends: Vec::new() }
    }
}

impl Splitter {
    fn split(&mut self, record: &[u8]) -> Fields<'_> {
        self.reader.reset();
        // Fields are never longer than the record, and there is one more than commas; the reader
        // wants a place to spare.
        let commas = record.iter().filter(|byte| **byte == b',').count();
        self.bytes.resize(record.len(), 0);
        self.ends.resize(commas + 2, 0);
        let (_, _, _, ended) = self.reader.read_record(record, &mut self.bytes, &mut self.ends);
        // No more input: the last field ends too.
        let (_, _, _, last) = self.reader.read_record(&[], &mut [], &mut self.ends[ended..]);
        Fields { bytes: &self.bytes, ends: &self.ends[..ended + last] }
    }
}

impl Fields<'_> {
    fn get(&self, place: usize) -> &[u8] {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes[start..self.ends[place]].trim_ascii()
    }
}
