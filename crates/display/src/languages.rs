//! What the page says, in the languages there are: those that ship, and files of the shop's own.
//!
//! A file is named after its language (`it.json`) and maps the keys of `page/words/en.json` to
//! texts. What it leaves out is said as the shipped file of that language says it, or in English.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

type Words = BTreeMap<String, String>;

const ENGLISH: &str = include_str!("page/words/en.json");
const SHIPPED: [(&str, &str); 5] = [
    ("de", include_str!("page/words/de.json")),
    ("en", ENGLISH),
    ("es", include_str!("page/words/es.json")),
    ("fr", include_str!("page/words/fr.json")),
    ("zh", include_str!("page/words/zh.json")),
];
/// Words for what differs by number end like this, as CLDR names it.
const FORMS: [&str; 6] = ["_zero", "_one", "_two", "_few", "_many", "_other"];

/// A file that says nothing.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum LanguageError {
    #[error("[display] languages_dir: {path} cannot be read: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path} is named after no language: call it it.json, or pt-BR.json")]
    Name { path: PathBuf },
    #[error("{path} does not map keys to texts: {source}")]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("{path} has a text for `{key}`, which the page does not know")]
    Key { path: PathBuf, key: String },
}

/// The languages, by their BCP 47 tag.
#[derive(Clone, Debug)]
pub(super) struct Languages(BTreeMap<String, Words>);

/// A language to choose.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Choice<'a> {
    tag: &'a str,
    /// As those who speak it call it.
    name: &'a str,
}

impl Languages {
    /// Those that ship, and those of a folder.
    ///
    /// # Errors
    /// When the folder cannot be read, or a file in it cannot be meant.
    pub fn load(folder: Option<&Path>) -> Result<Self, LanguageError> {
        let english: Words = shipped(ENGLISH);
        let mut languages: BTreeMap<_, _> =
            SHIPPED.into_iter().map(|(tag, text)| (tag.to_owned(), shipped(text))).collect();
        for path in folder.map(files).transpose()?.unwrap_or_default() {
            let (tag, own) = read(&path, &english)?;
            let words = languages.entry(tag).or_insert_with(|| english.clone());
            words.extend(own);
        }
        Ok(Self(languages))
    }

    /// The languages there are.
    pub fn choices(&self) -> Vec<Choice<'_>> {
        let named = self
            .0
            .iter()
            .map(|(tag, words)| Choice { tag, name: words.get("name").unwrap_or(tag) });
        named.collect()
    }

    /// All that is said in a language.
    pub fn words(&self, tag: &str) -> Option<&Words> {
        self.0.get(tag)
    }
}

fn shipped(text: &str) -> Words {
    serde_json::from_str(text).expect("what ships was tested")
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, LanguageError> {
    let failed = |source| LanguageError::Read { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(path: &Path, english: &Words) -> Result<(String, Words), LanguageError> {
    let path = path.to_owned();
    let tag = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
    let subtag = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if tag.len() > 35 || !tag.split('-').all(subtag) {
        return Err(LanguageError::Name { path });
    }
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(LanguageError::Read { path, source }),
    };
    let words: Words = match serde_json::from_str(&text) {
        Ok(words) => words,
        Err(source) => return Err(LanguageError::Json { path, source }),
    };
    let known = |key: &str| {
        let stem = FORMS.iter().find_map(|form| key.strip_suffix(form)).unwrap_or(key);
        english.contains_key(key) || english.contains_key(stem)
    };
    match words.keys().find(|key| !known(key)) {
        Some(key) => Err(LanguageError::Key { path, key: key.clone() }),
        None => Ok((tag, words)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What is filled into a text.
    fn places(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(n, _)| n).collect()
    }

    #[test]
    fn every_language_that_ships_says_all_that_english_says_with_the_same_facts() {
        let languages = Languages::load(None).unwrap();
        let english = languages.words("en").unwrap();
        for Choice { tag, .. } in languages.choices() {
            let words = languages.words(tag).unwrap();
            assert!(words.keys().eq(english.keys()), "{tag}");
            for (key, text) in words {
                assert!(!text.trim().is_empty(), "{tag} {key}");
                assert_eq!(places(text), places(&english[key]), "{tag} {key}");
            }
        }
    }

    #[test]
    fn a_shop_adds_a_language_and_changes_words_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let italian = r#"{ "name": "Italiano", "done": "Fatto", "more_lines_one": "e un altro" }"#;
        fs::write(folder.path().join("it.json"), italian).unwrap();
        fs::write(folder.path().join("de.json"), r#"{ "welcome_back": "Servus" }"#).unwrap();
        fs::write(folder.path().join("notes.txt"), "not a language").unwrap();
        let languages = Languages::load(Some(folder.path())).unwrap();
        let said = |tag: &str, key: &str| languages.words(tag).unwrap()[key].clone();
        assert_eq!(said("it", "done"), "Fatto");
        assert_eq!(said("it", "total"), "Total");
        assert_eq!(said("de", "welcome_back"), "Servus");
        assert_eq!(said("de", "total"), "Summe");
        assert!(languages.choices().contains(&Choice { tag: "it", name: "Italiano" }));
    }

    #[test]
    fn a_file_that_cannot_be_meant_is_named_with_what_is_wrong() {
        for (name, text, says) in [
            ("it.json", r#"{ "welcom_back": "x" }"#, "`welcom_back`"),
            ("it.json", r#"["x"]"#, "does not map"),
            ("it_IT.json", "{}", "named after no language"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), text).unwrap();
            let error = Languages::load(Some(folder.path())).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains(name), "{error}");
        }
        let missing = Languages::load(Some(Path::new("/nowhere"))).unwrap_err().to_string();
        assert!(missing.contains("/nowhere"), "{missing}");
    }
}
