//! Finds the two vectors with the largest dot products for each query. Prints their positions, with
//! one line for each query.
//!
//!     cargo run --release -p instored-kernels --example search -- DIMENSION VECTORS QUERIES
//!
//! VECTORS and QUERIES are files. They contain 32-bit floats, little-endian, one vector after the
//! other.

use std::error::Error;
use std::process::ExitCode;

use instored_kernels::{InstructionSet, QuantizedIndex};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dimension, vectors, queries] = &arguments[..] else {
        eprintln!("usage: search DIMENSION VECTORS QUERIES");
        return Ok(ExitCode::from(2));
    };
    let mut index = QuantizedIndex::new(dimension.parse()?);
    for vector in floats(vectors)?.chunks_exact(index.dimension()) {
        index.push(vector);
    }
    let isa = InstructionSet::detect().unwrap_or(InstructionSet::portable());
    for query in floats(queries)?.chunks_exact(index.dimension()) {
        let mut positions = index.top2(isa, query);
        positions.sort_by(|a, b| index.dot(*b, query).total_cmp(&index.dot(*a, query)));
        let line: Vec<_> = positions.iter().take(2).map(usize::to_string).collect();
        println!("{}", line.join(" "));
    }
    Ok(ExitCode::SUCCESS)
}

fn floats(path: &str) -> std::io::Result<Vec<f32>> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect())
}
