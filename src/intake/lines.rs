//! A file, line by line, without ever holding more of a line than an order can need.

use std::collections::VecDeque;
use std::io::{self, BufRead};

/// The longest line that is read, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A line, or several lines that a quoted CSV field joins.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// The number of the first.
    pub(super) number: u64,
    /// The text without its end; the first [`LONGEST`] bytes of a line that is longer.
    pub(super) text: Vec<u8>,
    /// What is wrong with it already.
    pub(super) fault: Option<&'static str>,
}

/// The lines of a file.
pub(super) struct Lines<R> {
    input: R,
    read: u64,
    /// Lines that were read ahead.
    ahead: VecDeque<Line>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, read: 0, ahead: VecDeque::new() }
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        match self.ahead.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.read_line(),
        }
    }

    /// The next CSV record: lines are joined while a quoted field goes on. Where a quote is never
    /// closed, its line alone is at fault, and the next one begins a record.
    pub(super) fn next_record(&mut self) -> io::Result<Option<Line>> {
        let Some(first) = self.next()? else { return Ok(None) };
        let mut quotes = Quotes::default();
        quotes.feed(&first.text);
        if first.fault.is_some() || !quotes.open() {
            return Ok(Some(first));
        }
        let mut length = first.text.len();
        let mut joined: VecDeque<Line> = VecDeque::new();
        while quotes.open() {
            let next = self.next()?;
            let ends = next.as_ref().is_none_or(|line| line.fault.is_some());
            if let Some(line) = next {
                length += 1 + line.text.len();
                quotes.feed(b"\n");
                quotes.feed(&line.text);
                joined.push_back(line);
            }
            if ends || length > LONGEST {
                joined.append(&mut self.ahead);
                self.ahead = joined;
                let fault = Some("opens a quote that is not closed");
                return Ok(Some(Line { fault, ..first }));
            }
        }
        let mut record = first;
        for line in joined {
            record.text.push(b'\n');
            record.text.extend_from_slice(&line.text);
        }
        Ok(Some(record))
    }

    fn read_line(&mut self) -> io::Result<Option<Line>> {
        let mut text = Vec::new();
        let mut fault = None;
        let mut seen = false;
        loop {
            let chunk = match self.input.fill_buf() {
                Ok(chunk) => chunk,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if chunk.is_empty() {
                break;
            }
            seen = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            let room = LONGEST - text.len();
            if part.len() > room {
                fault = Some("is longer than 64 KiB");
            }
            text.extend_from_slice(&part[..part.len().min(room)]);
            let used = end.map_or(chunk.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !seen {
            return Ok(None);
        }
        self.read += 1;
        if text.last() == Some(&b'\r') && fault.is_none() {
            text.pop();
        }
        if self.read == 1 && text.starts_with(BOM) {
            text.drain(..BOM.len());
        }
        Ok(Some(Line { number: self.read, text, fault }))
    }
}

/// Where in a CSV record we are, as far as quotes go: a field that begins with a quote goes on to
/// the next single one; elsewhere quotes mean nothing.
#[derive(Clone, Copy, PartialEq, Default)]
enum Quotes {
    #[default]
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside a quoted field: its end, or the first of two.
    MaybeEnd,
}

impl Quotes {
    fn feed(&mut self, text: &[u8]) {
        for byte in text {
            *self = match (*self, byte) {
                (Self::Quoted, b'"') => Self::MaybeEnd,
                (Self::FieldStart | Self::MaybeEnd, b'"') | (Self::Quoted, _) => Self::Quoted,
                (_, b',') => Self::FieldStart,
                _ => Self::Plain,
            };
        }
    }

    fn open(self) -> bool {
        self == Self::Quoted
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use super::*;

    fn records(text: &[u8]) -> Vec<(u64, String, bool)> {
        let mut lines = Lines::new(BufReader::with_capacity(3, text));
        let mut all = Vec::new();
        while let Some(line) = lines.next_record().unwrap() {
            let text = String::from_utf8(line.text).unwrap();
            all.push((line.number, text, line.fault.is_some()));
        }
        all
    }

    #[test]
    fn a_quoted_line_break_joins_lines_and_numbers_go_on() {
        let text = b"a,b\r\n\"x\r\ny \"\"z\"\"\",2\r\n\r\nlast";
        assert_eq!(
            records(text),
            [
                (1, "a,b".into(), false),
                (2, "\"x\ny \"\"z\"\"\",2".into(), false),
                (4, String::new(), false),
                (5, "last".into(), false)
            ]
        );
    }

    #[test]
    fn a_quote_that_stays_open_costs_its_own_line_only() {
        let mut text = b"a\n\"b,1\nc,2\nd,3".to_vec();
        let wanted = [
            (1, "a".to_string(), false),
            (2, "\"b,1".into(), true),
            (3, "c,2".into(), false),
            (4, "d,3".into(), false),
        ];
        assert_eq!(records(&text), wanted);
        for _ in 0..20_000 {
            text.extend_from_slice(b"\nline");
        }
        text.extend_from_slice(b"\n\"closed\"");
        let all = records(&text);
        assert_eq!(all[..4], wanted);
        assert_eq!(all.len(), 20_005);
        assert!(all[4..].iter().all(|(_, _, fault)| !fault));
    }

    #[test]
    fn inches_inside_a_field_are_no_quotes() {
        assert_eq!(records(b"pan 10\", 2\nnext").len(), 2);
    }

    #[test]
    fn a_long_line_is_bounded_and_skipped() {
        let input = io::repeat(b'x').take(32 << 20).chain(&b"\nnext\n"[..]);
        let mut lines = Lines::new(BufReader::new(input));
        let long = lines.next().unwrap().unwrap();
        assert_eq!((long.text.len(), long.fault.is_some()), (LONGEST, true));
        assert!(long.text.capacity() <= 2 * LONGEST);
        let next = lines.next().unwrap().unwrap();
        assert_eq!((next.number, next.text.as_slice()), (2, b"next".as_slice()));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn the_longest_line_is_taken_whole() {
        let mut text = vec![b'x'; LONGEST];
        text.push(b'\n');
        let line = Lines::new(text.as_slice()).next().unwrap().unwrap();
        assert_eq!((line.text.len(), line.fault), (LONGEST, None));
    }
}
