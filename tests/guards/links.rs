//! Check that the files behind links and paths in the documents exist, in the repository and in the
//! package.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::markdown::{Document, documents};
use crate::sources::root;

/// The package's folder for documents.
const PACKAGED: &str = "usr/share/doc/instored/";

/// Folders whose paths in code spans are checked.
const FOLDERS: [&str; 10] = [
    "benches/", "config/", "crates/", "cross/", "docs/", "fuzz/", "models/", "src/", "systemd/",
    "tests/",
];

/// Resolves `link` against the folder of `document`, without touching the file system.
fn resolve(document: &str, link: &str) -> PathBuf {
    let joined = Path::new(document).parent().unwrap().join(link);
    let mut resolved = PathBuf::new();
    for part in joined.components() {
        match part {
            Component::ParentDir => {
                resolved.pop();
            }
            part => resolved.push(part),
        }
    }
    resolved
}

/// Returns the relative links of a document: line, path (empty for the document itself), anchor.
fn relative_links(document: &Document) -> Vec<(usize, String, Option<String>)> {
    let links = document.links().into_iter().filter(|(_, target)| !target.contains("://"));
    let parts = links.map(|(line, target)| match target.split_once('#') {
        Some((path, anchor)) => (line, path.to_owned(), Some(anchor.to_owned())),
        None => (line, target, None),
    });
    parts.collect()
}

/// Returns the links of `documents` whose target does not exist.
fn broken_links(documents: &[Document]) -> Vec<String> {
    let root = root();
    let mut broken = Vec::new();
    for document in documents {
        for (line, path, anchor) in relative_links(document) {
            let place = format!("{}:{line}", document.path);
            let target = match path.as_str() {
                "" => PathBuf::from(&document.path),
                path => resolve(&document.path, path),
            };
            if !root.join(&target).exists() {
                broken.push(format!("{place}: {} does not exist", target.display()));
            } else if let Some(anchor) = anchor {
                let linked = documents.iter().find(|linked| Path::new(&linked.path) == target);
                if !linked.is_some_and(|linked| linked.anchors().contains(&anchor)) {
                    broken.push(format!("{place}: {} has no heading #{anchor}", target.display()));
                }
            }
        }
    }
    broken
}

/// Returns the packaged documents: path in the repository, path in the package.
fn packaged_documents() -> BTreeMap<PathBuf, PathBuf> {
    packaged_files().into_iter().filter(|(_, target)| target.starts_with(PACKAGED)).collect()
}

/// Returns the packaged files: path in the repository, path in the package.
fn packaged_files() -> BTreeMap<PathBuf, PathBuf> {
    let root = root();
    let manifest: toml::Table =
        toml::from_str(&fs::read_to_string(root.join("Cargo.toml")).unwrap()).unwrap();
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    let mut files = BTreeMap::new();
    for asset in assets {
        let (source, target) = (asset[0].as_str().unwrap(), asset[1].as_str().unwrap());
        if source.starts_with("target/") {
            continue;
        }
        let (folder, name) = source.rsplit_once('/').unwrap_or(("", source));
        let Some((prefix, suffix)) = name.split_once('*') else {
            let target =
                if target.ends_with('/') { format!("{target}{name}") } else { target.into() };
            files.insert(source.into(), target.into());
            continue;
        };
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.starts_with(prefix) && name.ends_with(suffix) {
                files.insert(Path::new(folder).join(&name), Path::new(target).join(&name));
            }
        }
    }
    files
}

/// Returns the configuration files that packaged documents name and that the package does not contain.
fn unpackaged_configuration(documents: &[Document]) -> Vec<String> {
    let files = packaged_files();
    let packaged = documents.iter().filter(|d| files.contains_key(Path::new(&d.path)));
    let named = packaged.flat_map(|document| {
        let links = relative_links(document).into_iter();
        let links = links.map(|(line, path, _)| (line, resolve(&document.path, &path)));
        let spans = document.code_spans().into_iter().map(|(line, span)| (line, span.into()));
        links.chain(spans).map(|(line, path)| (document.path.as_str(), line, path))
    });
    named
        .filter(|(_, _, path)| path.starts_with("config"))
        .filter(|(_, _, path)| !files.keys().any(|file| file.starts_with(path)))
        .map(|(document, line, path)| format!("{document}:{line}: {}", path.display()))
        .collect()
}

/// Returns the links between packaged documents whose target is not in the package.
fn broken_packaged_links(documents: &[Document]) -> Vec<String> {
    let files = packaged_documents();
    let mut broken = Vec::new();
    for document in documents {
        let Some(installed) = files.get(Path::new(&document.path)) else { continue };
        for (line, path, _) in
            relative_links(document).into_iter().filter(|link| !link.1.is_empty())
        {
            let target = resolve(installed.to_str().unwrap(), &path);
            if !files.values().any(|file| file.starts_with(&target)) {
                let place = format!("{}:{line}", document.path);
                broken.push(format!("{place}: the package has no {}", target.display()));
            }
        }
    }
    broken
}

/// Returns the repository paths in code spans that do not exist.
fn missing_paths(documents: &[Document]) -> Vec<String> {
    let root = root();
    let mut missing = Vec::new();
    for document in documents {
        for (line, span) in document.code_spans() {
            let is_path = FOLDERS.iter().any(|folder| span.starts_with(folder))
                && !span.contains(|c: char| c.is_whitespace() || "*<>…{".contains(c));
            if is_path && !root.join(&span).exists() {
                missing.push(format!("{}:{line}: `{span}` does not exist", document.path));
            }
        }
    }
    missing
}

/// Returns a document with this text, for tests of the checks.
fn planted_document(text: &str) -> Vec<Document> {
    vec![Document { path: "docs/security.md".into(), text: text.into() }]
}

#[test]
fn targets_of_links_exist() {
    let broken = broken_links(&documents());
    assert!(broken.is_empty(), "{} broken links:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn targets_of_packaged_links_are_packaged() {
    let broken = broken_packaged_links(&documents());
    assert!(broken.is_empty(), "{} broken links:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn named_configuration_files_are_packaged() {
    let missing = unpackaged_configuration(&documents());
    assert!(missing.is_empty(), "{} files:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn paths_in_code_spans_exist() {
    let missing = missing_paths(&documents());
    assert!(missing.is_empty(), "{} paths:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn planted_links_are_reported() {
    let text = "# Here\n[a](nowhere.md) [b](#there) [c](../Makefile) [d](#here) `src/nowhere.rs`";
    let broken = broken_links(&planted_document(text));
    let expected = [
        "docs/security.md:2: docs/nowhere.md does not exist",
        "docs/security.md:2: docs/security.md has no heading #there",
    ];
    assert_eq!(broken, expected);
    let expected = [
        "docs/security.md:2: the package has no usr/share/doc/instored/docs/nowhere.md",
        "docs/security.md:2: the package has no usr/share/doc/instored/Makefile",
    ];
    assert_eq!(broken_packaged_links(&planted_document(text)), expected);
    let expected = ["docs/security.md:2: `src/nowhere.rs` does not exist"];
    assert_eq!(missing_paths(&planted_document(text)), expected);
    let text = "`config/instored.toml` `config/mosquitto/` [a](../config/b.conf) `config/c`";
    let expected = ["docs/security.md:1: config/b.conf", "docs/security.md:1: config/c"];
    assert_eq!(unpackaged_configuration(&planted_document(text)), expected);
}
