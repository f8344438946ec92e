//! A file, line by line, without ever holding more of a line than an order can need.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

/// The longest line that is read, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

pub(super) const TOO_LONG: &str =
    "is longer than 64 KiB; is a line's end or a closing quote missing?";
pub(super) const OPEN_QUOTE: &str =
    "opens a quote that is not closed; close it, and write a quote within a quoted field twice";

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// A line, or several lines that a quoted CSV field joins.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// The number of the first.
    pub(super) number: u64,
    /// The bytes without the line's end; the first [`LONGEST`] of a line that is longer.
    pub(super) bytes: Vec<u8>,
    /// What is wrong with it already.
    pub(super) fault: Option<&'static str>,
}

impl Line {
    /// The line as text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn text(&self) -> Result<&str, String> {
        match self.fault {
            Some(fault) => Err(fault.to_owned()),
            None => utf8(&self.bytes),
        }
    }
}

/// Bytes of a file as text.
///
/// # Errors
/// What is wrong with them, for the one whose file it is.
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "is not UTF-8; save the file as UTF-8".to_owned())
}

/// What `next` gives, up to its end or its first error.
pub(super) fn until_error<T, E>(
    mut next: impl FnMut() -> Result<Option<T>, E>,
) -> impl Iterator<Item = Result<T, E>> {
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed {
            return None;
        }
        let item = next().transpose();
        failed = matches!(item, Some(Err(_)));
        item
    })
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

    /// The next line that is not blank; `None` at the end.
    pub(super) fn next_filled(&mut self) -> io::Result<Option<Line>> {
        loop {
            match self.next()? {
                Some(line) if line.bytes.trim_ascii().is_empty() && line.fault.is_none() => {}
                line => return Ok(line),
            }
        }
    }

    /// The next CSV record that is not blank: lines are joined while a quoted field goes on. Where a quote is never
    /// closed, its line alone is at fault, and the next one begins a record.
    pub(super) fn next_record(&mut self) -> io::Result<Option<Line>> {
        let Some(first) = self.next_filled()? else { return Ok(None) };
        let mut quotes = Quotes::default();
        quotes.feed(&first.bytes);
        if first.fault.is_some() || !quotes.open() {
            return Ok(Some(first));
        }
        let mut length = first.bytes.len();
        let mut joined: VecDeque<Line> = VecDeque::new();
        while quotes.open() {
            let next = self.next()?;
            let ends = next.as_ref().is_none_or(|line| line.fault.is_some());
            if let Some(line) = next {
                length += 1 + line.bytes.len();
                quotes.feed(b"\n");
                quotes.feed(&line.bytes);
                joined.push_back(line);
            }
            if ends || length > LONGEST {
                joined.append(&mut self.ahead);
                self.ahead = joined;
                let fault = Some(OPEN_QUOTE);
                return Ok(Some(Line { fault, ..first }));
            }
        }
        let mut record = first;
        for line in joined {
            record.bytes.push(b'\n');
            record.bytes.extend_from_slice(&line.bytes);
        }
        Ok(Some(record))
    }

    fn read_line(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        // Room for the longest line and its end.
        let room = LONGEST as u64 + 2;
        if self.input.by_ref().take(room).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        self.read += 1;
        let ended = bytes.pop_if(|byte| *byte == b'\n').is_some();
        bytes.pop_if(|byte| *byte == b'\r' && ended);
        let fault = (bytes.len() > LONGEST).then_some(TOO_LONG);
        if fault.is_some() {
            bytes.truncate(LONGEST);
            if !ended {
                self.input.skip_until(b'\n')?;
            }
        }
        if self.read == 1 && bytes.starts_with(BOM) {
            bytes.drain(..BOM.len());
        }
        Ok(Some(Line { number: self.read, bytes, fault }))
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
            let text = String::from_utf8(line.bytes).unwrap();
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
        assert_eq!((long.bytes.len(), long.fault.is_some()), (LONGEST, true));
        assert!(long.bytes.capacity() <= 2 * LONGEST);
        let next = lines.next().unwrap().unwrap();
        assert_eq!((next.number, next.bytes.as_slice()), (2, b"next".as_slice()));
        assert_eq!(lines.next().unwrap(), None);
    }

    #[test]
    fn the_longest_line_is_taken_whole() {
        let mut text = vec![b'x'; LONGEST];
        text.push(b'\n');
        let line = Lines::new(text.as_slice()).next().unwrap().unwrap();
        assert_eq!((line.bytes.len(), line.fault), (LONGEST, None));
    }
}
