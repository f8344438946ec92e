//! Translations of the page: shipped files and files of the shop.
//!
//! A file is named after its language (`it.json`) and maps the keys of `page/words/en.json` to texts. A
//! missing text is taken from the shipped file of the same language, or from English.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::server::PageFiles;

/// Texts of one language, by key.
pub(super) type Texts = BTreeMap<String, String>;

/// Folder of the shipped files in [`PageFiles`].
const SHIPPED_FOLDER: &str = "words/";
/// Fallback language for missing texts.
pub(super) const ENGLISH: &str = "en";
/// Maximum length of a language tag: RFC 5646, section 4.4.1.
const TAG_LENGTH_MAX: usize = 35;
/// Key suffixes of the CLDR plural categories.
const PLURAL_SUFFIXES: [&str; 6] = ["_zero", "_one", "_two", "_few", "_many", "_other"];

/// Error in a translation file of the shop.
#[derive(Debug, thiserror::Error)]
pub enum TranslationError {
    /// The folder or a file cannot be read.
    #[error(
        "[display] languages_dir: cannot read {path}: {source}; correct the path or its permissions"
    )]
    Unreadable {
        /// Path of the folder or file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The file name is not a language tag.
    #[error(
        "[display] languages_dir: {path} is not named after a language; use a name such as it.json or pt-BR.json"
    )]
    InvalidName {
        /// Path of the file.
        path: PathBuf,
    },
    /// The file is not a JSON object of texts.
    #[error(
        "[display] languages_dir: {path} is not a JSON object of texts: {source}; correct or remove it"
    )]
    InvalidJson {
        /// Path of the file.
        path: PathBuf,
        /// Error of the JSON parser.
        source: serde_json::Error,
    },
    /// The file has a key that the page does not use.
    #[error("[display] languages_dir: {path} has an unknown key `{key}`; remove or correct it")]
    UnknownKey {
        /// Path of the file.
        path: PathBuf,
        /// The unknown key.
        key: String,
    },
}

/// Texts of all languages, by BCP 47 tag.
#[derive(Clone, Debug)]
pub(super) struct Translations(BTreeMap<String, Texts>);

/// Language that a customer can select.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Language<'a> {
    tag: &'a str,
    /// Name of the language in the language itself.
    name: &'a str,
}

impl Translations {
    /// Loads the shipped files, then the shop's files in `folder`. Texts of the shop have
    /// precedence.
    pub fn load(folder: Option<&Path>) -> Result<Self, TranslationError> {
        let mut translations = Self(load_shipped());
        let english = translations.0[ENGLISH].clone();
        for path in folder.map(json_files).transpose()?.unwrap_or_default() {
            let tag = language_tag(&path)?;
            let text = fs::read_to_string(&path)
                .map_err(|source| TranslationError::Unreadable { path: path.clone(), source })?;
            translations.add(tag, parse_texts(&path, &text, &english)?, &english);
        }
        Ok(translations)
    }

    /// Adds texts of the shop. Missing texts of a new language are in English.
    pub(super) fn add(&mut self, tag: String, texts: Texts, english: &Texts) {
        self.0.entry(tag).or_insert_with(|| english.clone()).extend(texts);
    }

    /// Returns the available languages.
    pub fn languages(&self) -> Vec<Language<'_>> {
        self.0
            .iter()
            .map(|(tag, texts)| Language { tag, name: texts.get("name").unwrap_or(tag) })
            .collect()
    }

    /// Returns all texts of a language.
    pub fn texts(&self, tag: &str) -> Option<&Texts> {
        self.0.get(tag)
    }
}

fn load_shipped() -> BTreeMap<String, Texts> {
    PageFiles::iter()
        .filter_map(|path| {
            let tag = path.strip_prefix(SHIPPED_FOLDER)?.strip_suffix(".json")?.to_owned();
            let file = PageFiles::get(&path)?;
            let texts = serde_json::from_slice(&file.data);
            Some((tag, texts.expect("shipped translations are valid: a test loads all of them")))
        })
        .collect()
}

/// Returns the JSON files of a folder, in the order of their names.
fn json_files(folder: &Path) -> Result<Vec<PathBuf>, TranslationError> {
    let unreadable_error =
        |source| TranslationError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable_error)? {
        let path = entry.map_err(unreadable_error)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the language tag in the name of a translation file.
pub(super) fn language_tag(path: &Path) -> Result<String, TranslationError> {
    let tag = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let is_subtag = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if tag.len() > TAG_LENGTH_MAX || !tag.split('-').all(is_subtag) {
        return Err(TranslationError::InvalidName { path: path.to_owned() });
    }
    Ok(tag)
}

/// Parses the contents of a translation file.
pub(super) fn parse_texts(
    path: &Path,
    text: &str,
    english: &Texts,
) -> Result<Texts, TranslationError> {
    let texts: Texts = serde_json::from_str(text)
        .map_err(|source| TranslationError::InvalidJson { path: path.to_owned(), source })?;
    let is_known = |key: &str| {
        let stem = PLURAL_SUFFIXES.iter().find_map(|suffix| key.strip_suffix(suffix));
        english.contains_key(key) || stem.is_some_and(|stem| english.contains_key(stem))
    };
    match texts.keys().find(|key| !is_known(key)) {
        Some(key) => Err(TranslationError::UnknownKey { path: path.to_owned(), key: key.clone() }),
        None => Ok(texts),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns the names of the placeholders in a text.
    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}'))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn shipped_translations_have_keys_and_placeholders_of_english() {
        let translations = Translations::load(None).unwrap();
        let english = translations.texts(ENGLISH).unwrap();
        assert_eq!(translations.languages().len(), 5);
        for Language { tag, .. } in translations.languages() {
            let texts = translations.texts(tag).unwrap();
            assert!(texts.keys().eq(english.keys()), "{tag}");
            for (key, text) in texts {
                assert!(!text.trim().is_empty(), "{tag} {key}");
                assert_eq!(placeholders(text), placeholders(&english[key]), "{tag} {key}");
            }
        }
    }

    #[test]
    fn shop_file_adds_language_or_replaces_texts() {
        let folder = tempfile::tempdir().unwrap();
        let italian = r#"{ "name": "Italiano", "done": "Fatto", "more_lines_one": "e un altro" }"#;
        fs::write(folder.path().join("it.json"), italian).unwrap();
        fs::write(folder.path().join("de.json"), r#"{ "welcome_back": "Servus" }"#).unwrap();
        fs::write(folder.path().join("notes.txt"), "not a language").unwrap();
        let translations = Translations::load(Some(folder.path())).unwrap();
        let text = |tag: &str, key: &str| translations.texts(tag).unwrap()[key].clone();
        assert_eq!(text("it", "done"), "Fatto");
        assert_eq!(text("it", "total"), "Total");
        assert_eq!(text("de", "welcome_back"), "Servus");
        assert_eq!(text("de", "total"), "Summe");
        assert!(translations.languages().contains(&Language { tag: "it", name: "Italiano" }));
    }

    #[test]
    fn invalid_shop_file_is_reported_with_path_and_reason() {
        for (name, text, reason) in [
            ("it.json", r#"{ "welcom_back": "x" }"#, "`welcom_back`"),
            ("it.json", r#"["x"]"#, "not a JSON object"),
            ("it_IT.json", "{}", "not named after a language"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), text).unwrap();
            let error = Translations::load(Some(folder.path())).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains(name), "{error}");
        }
        let missing = Translations::load(Some(Path::new("/nowhere"))).unwrap_err().to_string();
        assert!(missing.contains("/nowhere"), "{missing}");
    }
}
