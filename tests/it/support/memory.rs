//! Search in the memory of a running program.

use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt;

use memchr::memmem::Finder;

/// Size of the part of the memory that is read at once, in bytes.
const CHUNK_BYTES: usize = 1 << 22;

/// Value to search for.
pub struct Needle {
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Needle {
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

/// Returns the names of the needles that the writable memory of a process contains, with the number of places,
/// or `None` if this user may not read the memory of a program that protects it.
pub fn find_in_memory(process: u32, needles: &[Needle]) -> Option<Vec<String>> {
    let memory = File::open(format!("/proc/{process}/mem")).ok()?;
    let maps = read_to_string(format!("/proc/{process}/maps")).ok()?;
    let finders: Vec<_> = needles.iter().map(|needle| Finder::new(&needle.bytes)).collect();
    let longest = needles.iter().map(|needle| needle.bytes.len()).max()?;
    let mut places = vec![0; needles.len()];
    let mut chunk = vec![0; CHUNK_BYTES];
    for line in maps.lines() {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let [mut at, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap_or(0));
        while rest.starts_with("rw") && at < end {
            let length =
                usize::try_from(end - at).map_or(CHUNK_BYTES, |rest| rest.min(CHUNK_BYTES));
            if memory.read_exact_at(&mut chunk[..length], at).is_err() {
                break;
            }
            for (finder, places) in finders.iter().zip(&mut places) {
                *places += finder.find_iter(&chunk[..length]).count();
            }
            // Parts overlap, so that a value is found across their border.
            let overlap = if length == CHUNK_BYTES { longest } else { 0 };
            at += (length - overlap) as u64;
        }
    }
    let found = needles.iter().zip(places).filter(|(_, places)| *places > 0);
    Some(found.map(|(needle, places)| format!("{} ({places})", needle.name)).collect())
}
