//! Markdown reference of all keys, committed as `docs/configuration.md`.

use super::keys::{Section, sections};

/// Text above the tables.
const INTRODUCTION: &str = "\
# Configuration

The configuration file is `/etc/instored/instored.toml`; `--config FILE` or `INSTORED_CONFIG` selects
another file. Every key has a default or is optional, so that an empty file is valid. An environment
variable overrides the file. An unknown key or an invalid value is an error with exit code 2.

| Task | Command |
|---|---|
| Print the values in force | `instored config show` |
| Print a commented file with all defaults | `instored config example` |
| Print this page | `instored config reference` |
| Apply changes of `[shop]` | `systemctl reload instored` |
| Apply all other changes | `systemctl restart instored` |

This page is generated from the source code by `make config`.
";

/// Returns the reference.
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in sections() {
        write_section(&mut page, &section);
    }
    page
}

/// Appends a section with its table.
fn write_section(page: &mut String, section: &Section) {
    let heading = if section.name.is_empty() {
        "Top-level keys".to_owned()
    } else {
        format!("`[{}]`", section.name)
    };
    page.push_str(&format!("\n## {heading}\n\n"));
    if !section.name.is_empty() {
        page.push_str(&format!("{}\n\n", section.description));
    }
    page.push_str("| Key | Type | Default | Meaning, unit and range | Environment variable |\n");
    page.push_str("|---|---|---|---|---|\n");
    for key in &section.keys {
        let default = key.default.as_ref().map_or("none".to_owned(), |value| format!("`{value}`"));
        let row = [
            format!("`{}`", key.path),
            key.allowed_type(),
            default,
            key.description.clone(),
            format!("`{}`", key.variable),
        ];
        let cells = row.map(|cell| cell.replace('|', "\\|"));
        page.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}
