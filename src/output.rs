//! Standard output and standard error of all commands.
//!
//! `println!` panics if the reader of a pipe has ended, as in `instored customers list | head`.
//! These functions discard the text instead, so that the command ends with its usual exit code. A
//! command that runs until it is stopped waits for [`closed`] and then ends.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use anyhow::Context;
use serde::Serialize;
use tokio::sync::Notify;

/// Notification that standard output is closed.
static CLOSED: Notify = Notify::const_new();

/// Prints text to standard output.
///
/// # Errors
/// Returns an error if standard output cannot be written, for example on a full disk. A closed pipe
/// is no error.
pub fn print(text: impl Display) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            CLOSED.notify_one();
            Ok(())
        }
        result => result.context("cannot write to standard output"),
    }
}

/// Waits until a print fails because the reader of standard output has ended.
pub async fn closed() {
    CLOSED.notified().await;
}

/// Prints text and a line break to standard output.
///
/// # Errors
/// Same as [`print()`].
pub fn print_line(text: impl Display) -> anyhow::Result<()> {
    print(format_args!("{text}\n"))
}

/// Prints a value as one line of JSON to standard output.
///
/// # Errors
/// Same as [`print()`]. Also returns an error if the value has no JSON form.
pub fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print_line(serde_json::to_string(value)?)
}

/// Prints text and a line break to standard error. Errors are ignored, because they cannot be
/// reported anywhere.
pub fn print_error(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Returns the message of an error with those of its causes. A cause is left out if the message before
/// it contains it already, as messages with the error of the operating system do.
pub fn error_text(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open /dev/video0: {source}; check the cable")]
    struct DeviceError {
        source: io::Error,
    }

    #[test]
    fn cause_is_printed_once() {
        let source = io::Error::from(ErrorKind::AddrInUse);
        let error = anyhow::Error::from(DeviceError { source }).context("the camera failed");
        let printed = error_text(&error);
        assert_eq!(printed.matches("address in use").count(), 1, "{printed}");
        assert!(printed.starts_with("the camera failed: cannot open /dev/video0: "), "{printed}");
    }
}
