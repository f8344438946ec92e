//! The Rust sources of the workspace.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the repository's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Returns each Rust source of the workspace: its path relative to the root, and its text.
pub fn rust_sources() -> Vec<(String, String)> {
    let root = root();
    let mut folders: Vec<_> =
        ["src", "crates", "tests", "fuzz", "benches"].map(|name| root.join(name)).into();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                sources.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 200, "only {} sources found", sources.len());
    sources.sort();
    sources
}
