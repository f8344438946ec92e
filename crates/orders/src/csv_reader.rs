//! CSV tables: a header that names the columns, and records whose fields are found by column.

use std::collections::HashMap;
use std::io::{self, BufRead};
use std::str::FromStr;

use csv_core::{Reader, ReaderBuilder, Terminator};
use instored_domain::excerpt;

use super::ImportError;
use super::record_reader::{RecordReader, utf8};

/// Maximum length of a field, in bytes. All valid fields are shorter.
const MAX_FIELD_BYTES: usize = 1024;

/// Index of a column in each record, or `None` if the file does not have the column.
#[derive(Clone, Copy)]
pub(super) struct Column(Option<usize>);

/// The columns of a header that have not been taken yet, by name.
pub(super) struct Header(HashMap<String, usize>);

/// Delimiter of files that spreadsheet programs write where the decimal separator is a comma.
const SEMICOLON: u8 = b';';

/// Reader of a CSV file.
pub(super) struct CsvReader<R> {
    reader: RecordReader<R>,
    splitter: Splitter,
    /// Number of columns of the header.
    column_count: usize,
}

/// A record of a CSV file.
pub(super) struct Record<'a> {
    /// Number of the record's first line.
    pub(super) line: u64,
    /// The reason why the whole record is invalid, if it is.
    error: Option<String>,
    fields: Fields<'a>,
    /// True if a decimal number may have a comma.
    has_decimal_comma: bool,
    /// Number of complete fields. The last field of a truncated record is not complete.
    complete_count: usize,
}

impl<R: BufRead> CsvReader<R> {
    /// Reads the header. `take` removes the known columns from it. An error message lists `names`,
    /// the names of the columns.
    ///
    /// # Errors
    /// If the header cannot be read, names a column twice, has an unknown column or lacks a
    /// required one.
    pub(super) fn new<C>(
        input: R,
        names: &'static str,
        take: impl FnOnce(&mut Header) -> Result<C, String>,
    ) -> Result<(Self, C), ImportError> {
        let header_error = |error| ImportError::Header { error, columns: names };
        let mut reader = RecordReader::new(input);
        let line = reader.next_record()?.filter(|line| line.error.is_none());
        let line = line.ok_or_else(|| header_error("cannot be read".to_owned()))?;
        // No column has a delimiter in its name.
        let is_semicolon = line.bytes.contains(&SEMICOLON) && !line.bytes.contains(&b',');
        let delimiter = if is_semicolon { SEMICOLON } else { b',' };
        reader.set_delimiter(delimiter);
        let mut splitter = Splitter::new(delimiter);
        let fields = splitter.split(&line.bytes);
        let column_count = fields.ends.len();
        let mut header = Header::new(&fields).map_err(header_error)?;
        let columns = take(&mut header).map_err(header_error)?;
        match header.0.keys().min() {
            Some(name) => Err(header_error(format!("has an unknown column `{}`", excerpt(name)))),
            None => Ok((Self { reader, splitter, column_count }, columns)),
        }
    }

    /// Reads the next record; returns `None` at the end of the file.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(super) fn next_record(&mut self) -> io::Result<Option<Record<'_>>> {
        let Some(line) = self.reader.next_record()? else { return Ok(None) };
        let has_decimal_comma = self.splitter.delimiter == SEMICOLON;
        let fields = self.splitter.split(&line.bytes);
        let (count, expected) = (fields.ends.len(), self.column_count);
        let error = line.error.map(str::to_owned).or_else(|| {
            (count != expected)
                .then(|| format!("has {count} columns, but the header has {expected}"))
        });
        let complete_count = count.saturating_sub(line.error.is_some().into());
        Ok(Some(Record { line: line.number, error, fields, has_decimal_comma, complete_count }))
    }
}

impl Header {
    fn new(fields: &Fields<'_>) -> Result<Self, String> {
        let mut columns = HashMap::new();
        for index in 0..fields.ends.len() {
            let name = String::from_utf8_lossy(fields.get(index)).to_ascii_lowercase();
            if columns.insert(name.clone(), index).is_some() {
                return Err(format!("names `{}` twice", excerpt(&name)));
            }
        }
        Ok(Self(columns))
    }

    /// Removes and returns a required column.
    ///
    /// # Errors
    /// If the header lacks the column.
    pub(super) fn required(&mut self, name: &str) -> Result<Column, String> {
        match self.optional(name) {
            Column(None) => Err(format!("lacks `{name}`")),
            column => Ok(column),
        }
    }

    /// Removes and returns an optional column.
    pub(super) fn optional(&mut self, name: &str) -> Column {
        Column(self.0.remove(name))
    }
}

impl Record<'_> {
    /// Rejects a record that is invalid as a whole.
    ///
    /// # Errors
    /// If the whole record is invalid. The error is the reason.
    pub(super) fn check(&self) -> Result<(), String> {
        self.error.clone().map_or(Ok(()), Err)
    }

    /// Returns a field without surrounding spaces. The field is empty if the file lacks the column.
    ///
    /// # Errors
    /// If the field is not UTF-8 or longer than [`MAX_FIELD_BYTES`].
    pub(super) fn text(&self, column: Column) -> Result<&str, String> {
        let Some(index) = column.0.filter(|index| *index < self.complete_count) else {
            return Ok("");
        };
        match self.fields.get(index) {
            field if field.len() > MAX_FIELD_BYTES => {
                Err(format!("has a field longer than {MAX_FIELD_BYTES} bytes"))
            }
            field => utf8(field),
        }
    }

    /// Returns a field without surrounding spaces, or `None` if it is empty.
    ///
    /// # Errors
    /// Same as [`text`](Self::text).
    pub(super) fn optional_text(&self, column: Column) -> Result<Option<String>, String> {
        let text = self.text(column)?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// Parses a field. An error message names the `expected` kind of value.
    ///
    /// # Errors
    /// If the field is invalid.
    pub(super) fn parse<T: FromStr>(&self, column: Column, expected: &str) -> Result<T, String> {
        let text = self.text(column)?;
        text.parse().map_err(|_| format!("`{}` is not a {expected}", excerpt(text)))
    }

    /// Parses a decimal number. In a file with semicolons it may have a decimal comma. An error message
    /// names the `expected` kind of value.
    ///
    /// # Errors
    /// If the field is invalid.
    pub(super) fn parse_decimal<T: FromStr>(
        &self,
        column: Column,
        expected: &str,
    ) -> Result<T, String> {
        let text = self.text(column)?;
        let number = if self.has_decimal_comma { text.replace(',', ".") } else { text.to_owned() };
        number.parse().map_err(|_| format!("`{}` is not a {expected}", excerpt(text)))
    }

    /// Parses a field, or returns `None` if it is empty.
    ///
    /// # Errors
    /// If the field is neither empty nor valid.
    pub(super) fn parse_optional<T: FromStr>(
        &self,
        column: Column,
        expected: &str,
    ) -> Result<Option<T>, String> {
        if self.text(column)?.is_empty() {
            Ok(None)
        } else {
            self.parse(column, expected).map(Some)
        }
    }

    /// Parses a boolean field, or returns `default` if it is empty.
    ///
    /// # Errors
    /// If the field is neither empty nor a boolean.
    pub(super) fn parse_boolean(&self, column: Column, default: bool) -> Result<bool, String> {
        match self.text(column)?.to_ascii_lowercase().as_str() {
            "" => Ok(default),
            "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            text => Err(format!("`{}` is neither `true` nor `false`", excerpt(text))),
        }
    }
}

/// Splitter of records into fields. It reuses its memory.
struct Splitter {
    delimiter: u8,
    reader: Reader,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// The fields of a record: their concatenated bytes, and the end of each field in these bytes.
struct Fields<'a> {
    bytes: &'a [u8],
    ends: &'a [usize],
}

impl Splitter {
    fn new(delimiter: u8) -> Self {
        // The record reader has removed the line ends. Remaining carriage returns are content.
        let mut builder = ReaderBuilder::new();
        let reader = builder.delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        Self { delimiter, reader, bytes: Vec::new(), ends: Vec::new() }
    }

    fn split(&mut self, record: &[u8]) -> Fields<'_> {
        self.reader.reset();
        // The fields together are not longer than the record, and there are at most `delimiters` + 1
        // fields. The reader needs one more element in `ends`.
        let delimiters = record.iter().filter(|byte| **byte == self.delimiter).count();
        self.bytes.resize(record.len(), 0);
        self.ends.resize(delimiters + 2, 0);
        let (_, _, _, count) = self.reader.read_record(record, &mut self.bytes, &mut self.ends);
        // An empty input ends the last field.
        let (_, _, _, last) = self.reader.read_record(&[], &mut [], &mut self.ends[count..]);
        Fields { bytes: &self.bytes, ends: &self.ends[..count + last] }
    }
}

impl Fields<'_> {
    fn get(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |previous| self.ends[previous]);
        self.bytes[start..self.ends[index]].trim_ascii()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads all records of a CSV text with the `csv` crate.
    fn reference(text: &str) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .terminator(csv::Terminator::Any(b'\n'))
            .from_reader(text.as_bytes());
        reader.records().map(|r| r.unwrap().iter().map(str::to_owned).collect()).collect()
    }

    proptest! {
        #[test]
        fn random_text_has_same_records_as_in_csv_crate(text in "[\",\na]{0,40}") {
            let mut reader = RecordReader::new(text.as_bytes());
            let mut splitter = Splitter::new(b',');
            let mut records = Vec::new();
            while let Some(record) = reader.next_record().unwrap() {
                // The csv crate reads everything after an unclosed quote as one field.
                prop_assume!(record.error.is_none());
                let fields = splitter.split(&record.bytes);
                let texts = (0..fields.ends.len()).map(|i| utf8(fields.get(i)).unwrap().to_owned());
                records.push(texts.collect::<Vec<_>>());
            }
            let mut reference = reference(&text);
            for field in reference.iter_mut().flatten() {
                *field = field.trim_matches('\n').to_owned();
            }
            prop_assert_eq!(records, reference);
        }
    }
}
