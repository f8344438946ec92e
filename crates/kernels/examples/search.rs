//! Looks for the two most alike vectors: prints their places, a line a query.
//!
//!     cargo run --release -p instored-kernels --example search -- DIMENSION VECTORS QUERIES
//!
//! Both files hold 32-bit floats, little-endian, one vector behind the other.

use std::error::Error;
use std::process::ExitCode;

use instored_kernels::{InstructionSet, QuantizedIndex};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dimension, vectors, queries] = &arguments[..] else {
        eprintln!("search DIMENSION VECTORS QUERIES");
        return Ok(ExitCode::from(2));
    };
    let mut table = QuantizedIndex::new(dimension.parse()?);
    for vector in floats(vectors)?.chunks_exact(table.dimension()) {
        table.push(vector);
    }
    let isa = InstructionSet::detect().unwrap_or(InstructionSet::portable());
    for query in floats(queries)?.chunks_exact(table.dimension()) {
        let mut places = table.top2(isa, query);
        places.sort_by(|a, b| table.dot(*b, query).total_cmp(&table.dot(*a, query)));
        let line: Vec<_> = places.iter().take(2).map(usize::to_string).collect();
        println!("{}", line.join(" "));
    }
    Ok(ExitCode::SUCCESS)
}

fn floats(path: &str) -> std::io::Result<Vec<f32>> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect())
}
