//! The Markdown files of the repository and their parts.

use std::fs;
use std::path::PathBuf;

use crate::sources::root;

/// A Markdown file.
pub struct Document {
    /// Path relative to the root.
    pub path: String,
    /// Whole text.
    pub text: String,
}

/// Returns every Markdown file outside of `target` and hidden folders.
pub fn documents() -> Vec<Document> {
    let root = root();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    let mut documents = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(".md") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                documents.push(Document { path, text });
            }
        }
    }
    assert!(documents.len() > 10, "only {} documents found", documents.len());
    documents.sort_by(|a, b| a.path.cmp(&b.path));
    documents
}

impl Document {
    /// Returns the lines outside of fenced and indented code, with their numbers.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let mut is_fenced = false;
        let mut lines = Vec::new();
        for (at, line) in self.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                is_fenced = !is_fenced;
            } else if !is_fenced && !line.starts_with("    ") {
                lines.push((at + 1, line));
            }
        }
        lines
    }

    /// Returns the targets of the links and images, with their line numbers.
    pub fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (number, line) in self.prose() {
            // Even parts of a line split at backticks are outside of code spans.
            let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
            for part in outside.split("](").skip(1) {
                if let Some((target, _)) = part.split_once(')') {
                    links.push((number, target.to_owned()));
                }
            }
        }
        links
    }

    /// Returns the code spans of the prose, with their line numbers.
    pub fn code_spans(&self) -> Vec<(usize, String)> {
        let spans = |(number, line): (usize, &str)| {
            code_spans(line).into_iter().map(move |span| (number, span)).collect::<Vec<_>>()
        };
        self.prose().into_iter().flat_map(spans).collect()
    }

    /// Returns the anchors that GitHub gives to the headings.
    pub fn anchors(&self) -> Vec<String> {
        let heading = |(_, line): (usize, &str)| {
            let text = line.trim_start_matches('#');
            (text.len() < line.len() && text.starts_with(' ')).then(|| anchor(text))
        };
        self.prose().into_iter().filter_map(heading).collect()
    }
}

/// Returns the code spans of a line.
pub fn code_spans(line: &str) -> Vec<String> {
    line.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns GitHub's anchor of a heading: lower case, no punctuation, hyphens for spaces.
fn anchor(heading: &str) -> String {
    let heading = heading.trim().to_lowercase();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn markdown_parts_are_found() {
    let text =
        "# One `two`, three!\n[a](b.md#c) `[d](e)` ![f](g.png)\n```\n[h](i)\n```\n    [j](k)\n";
    let document = Document { path: String::new(), text: text.to_owned() };
    let links: Vec<_> = document.links().into_iter().map(|(_, target)| target).collect();
    assert_eq!(links, ["b.md#c", "g.png"]);
    assert_eq!(document.code_spans(), [(1, "two".to_owned()), (2, "[d](e)".to_owned())]);
    assert_eq!(document.anchors(), ["one-two-three"]);
}
