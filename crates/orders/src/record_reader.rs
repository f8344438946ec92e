//! Lines and CSV records of a file. Memory is bounded: the reader truncates long lines.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

/// Maximum length of a record, in bytes.
pub(super) const MAX_RECORD_BYTES: usize = 64 * 1024;

pub(super) const TOO_LONG: &str =
    "is longer than 64 KiB; check for a missing line end or closing quote";
pub(super) const OPEN_QUOTE: &str =
    "has no closing quote; add it, and write each quote within a quoted field twice";

/// Byte order mark of UTF-8.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A line, or a CSV record of several lines.
#[derive(Debug, PartialEq)]
pub(super) struct RawRecord {
    /// Number of the first line, from 1.
    pub(super) number: u64,
    /// Content without the line end, truncated to [`MAX_RECORD_BYTES`].
    pub(super) bytes: Vec<u8>,
    /// The reason why the record is invalid, if it is.
    pub(super) error: Option<&'static str>,
}

impl RawRecord {
    /// Returns the record as text.
    ///
    /// # Errors
    /// If the record is invalid or is not UTF-8.
    pub(super) fn text(&self) -> Result<&str, String> {
        match self.error {
            Some(error) => Err(error.to_owned()),
            None => utf8(&self.bytes),
        }
    }

    fn is_blank(&self) -> bool {
        self.error.is_none() && self.bytes.trim_ascii().is_empty()
    }
}

/// Decodes UTF-8.
///
/// # Errors
/// If the bytes are not UTF-8. The message tells the author of the file what to do.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "is not UTF-8; save the file as UTF-8".to_owned())
}

/// Reader of lines and CSV records.
pub(super) struct RecordReader<R> {
    input: R,
    /// Number of lines read.
    line_count: u64,
    /// Lines that were read ahead.
    pending: VecDeque<RawRecord>,
    /// Character between two CSV fields.
    delimiter: u8,
}

impl<R: BufRead> RecordReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, line_count: 0, pending: VecDeque::new(), delimiter: b',' }
    }

    /// Sets the character between two CSV fields. The default is a comma.
    pub(super) fn set_delimiter(&mut self, delimiter: u8) {
        self.delimiter = delimiter;
    }

    /// Reads the next line; returns `None` at the end of the file.
    pub(super) fn next_line(&mut self) -> io::Result<Option<RawRecord>> {
        match self.pending.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.read_line(),
        }
    }

    /// Reads the next line that is not blank; returns `None` at the end of the file.
    pub(super) fn next_filled_line(&mut self) -> io::Result<Option<RawRecord>> {
        loop {
            match self.next_line()? {
                Some(line) if line.is_blank() => {}
                line => return Ok(line),
            }
        }
    }

    /// Reads the next CSV record that is not blank; returns `None` at the end of the file.
    ///
    /// A quoted field may contain line ends. If the closing quote is missing, only the first line
    /// is invalid, and the next line starts a new record.
    pub(super) fn next_record(&mut self) -> io::Result<Option<RawRecord>> {
        let Some(mut record) = self.next_filled_line()? else { return Ok(None) };
        let mut quotes = QuoteState::default();
        quotes.advance(&record.bytes, self.delimiter);
        if record.error.is_some() || !quotes.is_open() {
            return Ok(Some(record));
        }
        let mut length = record.bytes.len();
        let mut continuation: VecDeque<RawRecord> = VecDeque::new();
        while quotes.is_open() {
            let next = self.next_line()?;
            let is_unclosed = next.as_ref().is_none_or(|line| line.error.is_some());
            if let Some(line) = next {
                length += 1 + line.bytes.len();
                quotes.advance(b"\n", self.delimiter);
                quotes.advance(&line.bytes, self.delimiter);
                continuation.push_back(line);
            }
            if is_unclosed || length > MAX_RECORD_BYTES {
                continuation.append(&mut self.pending);
                self.pending = continuation;
                record.error = Some(OPEN_QUOTE);
                return Ok(Some(record));
            }
        }
        for line in continuation {
            record.bytes.push(b'\n');
            record.bytes.extend_from_slice(&line.bytes);
        }
        Ok(Some(record))
    }

    fn read_line(&mut self) -> io::Result<Option<RawRecord>> {
        let mut bytes = Vec::new();
        // A line end has at most two bytes.
        let limit = MAX_RECORD_BYTES as u64 + 2;
        if self.input.by_ref().take(limit).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        self.line_count += 1;
        let has_ended = bytes.pop_if(|byte| *byte == b'\n').is_some();
        bytes.pop_if(|byte| *byte == b'\r' && has_ended);
        let error = (bytes.len() > MAX_RECORD_BYTES).then_some(TOO_LONG);
        if error.is_some() {
            bytes.truncate(MAX_RECORD_BYTES);
            if !has_ended {
                self.input.skip_until(b'\n')?;
            }
        }
        if self.line_count == 1 && bytes.starts_with(BOM) {
            bytes.drain(..BOM.len());
        }
        Ok(Some(RawRecord { number: self.line_count, bytes, error }))
    }
}

/// State of the search for quotes in a CSV record (RFC 4180). A field that begins with a quote ends
/// at the next quote that is not doubled. Quotes in other fields are content.
#[derive(Clone, Copy, PartialEq, Default)]
enum QuoteState {
    #[default]
    FieldStart,
    Unquoted,
    Quoted,
    /// After a quote in a quoted field. The quote ends the field, unless another quote follows.
    AfterQuote,
}

impl QuoteState {
    fn advance(&mut self, text: &[u8], delimiter: u8) {
        for byte in text {
            *self = match (*self, byte) {
                (Self::Quoted, b'"') => Self::AfterQuote,
                (Self::FieldStart | Self::AfterQuote, b'"') | (Self::Quoted, _) => Self::Quoted,
                (_, byte) if *byte == delimiter => Self::FieldStart,
                _ => Self::Unquoted,
            };
        }
    }

    fn is_open(self) -> bool {
        self == Self::Quoted
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    fn records(text: &[u8]) -> Vec<(u64, String, bool)> {
        let mut reader = RecordReader::new(BufReader::with_capacity(3, text));
        let mut all = Vec::new();
        while let Some(line) = reader.next_record().unwrap() {
            let text = String::from_utf8(line.bytes).unwrap();
            all.push((line.number, text, line.error.is_some()));
        }
        all
    }

    #[test]
    fn quoted_line_break_joins_lines() {
        let text = b"a,b\r\n\"x\r\ny \"\"z\"\"\",2\r\n\r\nlast";
        assert_eq!(
            records(text),
            [
                (1, "a,b".into(), false),
                (2, "\"x\ny \"\"z\"\"\",2".into(), false),
                (5, "last".into(), false)
            ]
        );
    }

    #[test]
    fn unclosed_quote_invalidates_one_line() {
        let mut text = b"a\n\"b,1\nc,2\nd,3".to_vec();
        let expected = [
            (1, "a".to_string(), false),
            (2, "\"b,1".into(), true),
            (3, "c,2".into(), false),
            (4, "d,3".into(), false),
        ];
        assert_eq!(records(&text), expected);
        for _ in 0..20_000 {
            text.extend_from_slice(b"\nline");
        }
        text.extend_from_slice(b"\n\"closed\"");
        let all = records(&text);
        assert_eq!(all[..4], expected);
        assert_eq!(all.len(), 20_005);
        assert!(all[4..].iter().all(|(_, _, is_invalid)| !is_invalid));
    }

    #[test]
    fn quote_inside_a_field_is_content() {
        assert_eq!(records(b"pan 10\", 2\nnext").len(), 2);
    }

    #[test]
    fn long_line_is_truncated() {
        let input = io::repeat(b'x').take(32 << 20).chain(&b"\nnext\n"[..]);
        let mut reader = RecordReader::new(BufReader::new(input));
        let long = reader.next_line().unwrap().unwrap();
        assert_eq!((long.bytes.len(), long.error.is_some()), (MAX_RECORD_BYTES, true));
        assert!(long.bytes.capacity() <= 2 * MAX_RECORD_BYTES);
        let next = reader.next_line().unwrap().unwrap();
        assert_eq!((next.number, next.bytes.as_slice()), (2, b"next".as_slice()));
        assert_eq!(reader.next_line().unwrap(), None);
    }

    #[test]
    fn line_of_maximum_length_is_valid() {
        let mut text = vec![b'x'; MAX_RECORD_BYTES];
        text.push(b'\n');
        let line = RecordReader::new(text.as_slice()).next_line().unwrap().unwrap();
        assert_eq!((line.bytes.len(), line.error), (MAX_RECORD_BYTES, None));
    }
}
