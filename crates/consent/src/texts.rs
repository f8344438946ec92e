//! Consent texts: shipped ones and the shop's own, with their placeholders.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use instored_domain::ConsentText;
use serde::Deserialize;

use crate::settings::Settings;

/// Language of the text if neither the requested one nor the shop's one exists.
const FALLBACK_LANGUAGE: &str = "en";
/// Maximum length of a language tag: RFC 5646, section 4.4.1.
const TAG_LENGTH_MAX: usize = 35;
/// Maximum size of a text file, in bytes. A text has to fit into an MQTT message and on a display.
const TEXT_BYTES_MAX: u64 = 16 * 1024;

/// Shipped texts, `texts/<language>.toml`.
#[derive(rust_embed::Embed)]
#[folder = "texts"]
struct ShippedTexts;

/// Error of the shop's texts.
#[derive(Debug, thiserror::Error)]
pub enum ConsentTextError {
    /// The folder or a file cannot be read.
    #[error(
        "[enrolment] texts_dir: cannot read {path}: {source}; correct the path or its permissions"
    )]
    Unreadable {
        /// Path of the folder or file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// The file name is not a language tag.
    #[error(
        "[enrolment] texts_dir: {path} is not named after a language; use a name such as de.txt or pt-BR.txt"
    )]
    InvalidName {
        /// Path of the file.
        path: PathBuf,
    },
    /// The file has no text, or too much.
    #[error("[enrolment] texts_dir: {path} must contain 1 byte to 16 KiB of text")]
    InvalidSize {
        /// Path of the file.
        path: PathBuf,
    },
    /// The text has a placeholder that does not exist.
    #[error(
        "[enrolment] texts_dir: {path} contains the unknown placeholder {{{name}}}; use {{controller}}, {{contact}}, {{age}}, {{customers}} or {{orders}}"
    )]
    UnknownPlaceholder {
        /// Path of the file.
        path: PathBuf,
        /// Name of the placeholder.
        name: String,
    },
}

/// Template of a text, and the phrases for its placeholders.
#[derive(Clone, Debug, Deserialize)]
struct Template {
    /// Controller if the settings name none.
    controller: String,
    /// Contact if the settings name none.
    contact: String,
    /// Sentences about the storage period of customers: limited, with `{months}`, and unlimited.
    customer_months: String,
    customer_unlimited: String,
    /// Sentences about the storage period of orders: limited, with `{months}`, and unlimited.
    order_months: String,
    order_unlimited: String,
    text: String,
}

/// Storage periods in months; 0 is unlimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoragePeriods {
    /// Months after the last visit until a customer is deleted.
    pub customer_months: u32,
    /// Months until an order is deleted.
    pub order_months: u32,
}

/// Consent texts of all languages.
#[derive(Clone, Debug)]
pub struct ConsentTexts {
    templates: BTreeMap<String, Template>,
    controller: Option<String>,
    contact: Option<String>,
    minimum_age: u8,
}

impl ConsentTexts {
    /// Loads the shipped texts, then the shop's texts.
    ///
    /// # Errors
    /// If a file of the shop cannot be read or is not valid.
    pub fn load(settings: &Settings) -> Result<Self, ConsentTextError> {
        let mut templates = shipped_templates();
        for path in settings.texts_dir.as_deref().map(text_files).transpose()?.unwrap_or_default() {
            let language = language_tag(&path)?;
            let text = read_text(&path)?;
            let phrases =
                best_match(&templates, &language).unwrap_or(&templates[FALLBACK_LANGUAGE]).clone();
            templates.insert(language, Template { text, ..phrases });
        }
        Ok(Self {
            templates,
            controller: settings.controller.clone(),
            contact: settings.contact.clone(),
            minimum_age: settings.minimum_age,
        })
    }

    /// Returns the languages of the texts.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.templates.keys().map(String::as_str)
    }

    /// Returns the text in the first of the languages that exists, with or without its region, or in
    /// English. The language of the result is the one of the text.
    pub fn text(&self, languages: &[&str], periods: StoragePeriods) -> ConsentText {
        let found = languages.iter().find_map(|language| {
            let tag = best_tag(&self.templates, language)?;
            Some((tag, &self.templates[tag]))
        });
        let (language, template) =
            found.unwrap_or((FALLBACK_LANGUAGE, &self.templates[FALLBACK_LANGUAGE]));
        ConsentText { language: language.to_owned(), text: self.fill(template, periods) }
    }

    fn fill(&self, template: &Template, periods: StoragePeriods) -> String {
        let period = |months: u32, limited: &str, unlimited: &str| match months {
            0 => unlimited.to_owned(),
            months => limited.replace("{months}", &months.to_string()),
        };
        let StoragePeriods { customer_months, order_months } = periods;
        let t = template;
        replace_placeholders(&t.text, |name| match name {
            "controller" => Some(self.controller.clone().unwrap_or_else(|| t.controller.clone())),
            "contact" => Some(self.contact.clone().unwrap_or_else(|| t.contact.clone())),
            "age" => Some(self.minimum_age.to_string()),
            "customers" => Some(period(customer_months, &t.customer_months, &t.customer_unlimited)),
            "orders" => Some(period(order_months, &t.order_months, &t.order_unlimited)),
            _ => None,
        })
        .unwrap_or_else(|name| {
            unreachable!("the placeholder {name} was checked when the text was loaded")
        })
        .trim()
        .to_owned()
    }
}

/// Replaces `{name}` by the value of the name. Returns the first name without a value as an error.
fn replace_placeholders(
    text: &str,
    value: impl Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let Some(length) = rest[start..].find('}') else { break };
        let name = &rest[start + 1..start + length];
        result += &rest[..start];
        result += &value(name).ok_or_else(|| name.to_owned())?;
        rest = &rest[start + length + 1..];
    }
    Ok(result + rest)
}

/// Returns the tag of the text for a language: the same tag, or the same language with another region
/// or without one.
fn best_tag<'a>(templates: &'a BTreeMap<String, Template>, language: &str) -> Option<&'a str> {
    let base = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let mut tags = templates.keys().map(String::as_str);
    tags.clone()
        .find(|tag| tag.eq_ignore_ascii_case(language))
        .or_else(|| tags.clone().find(|tag| *tag == base(language)))
        .or_else(|| tags.find(|tag| base(tag) == base(language)))
}

fn best_match<'a>(
    templates: &'a BTreeMap<String, Template>,
    language: &str,
) -> Option<&'a Template> {
    best_tag(templates, language).map(|tag| &templates[tag])
}

fn shipped_templates() -> BTreeMap<String, Template> {
    ShippedTexts::iter()
        .filter_map(|name| {
            let language = name.strip_suffix(".toml")?.to_owned();
            let file = ShippedTexts::get(&name)?;
            let template = toml::from_slice(&file.data);
            Some((language, template.expect("shipped texts are valid: a test loads all of them")))
        })
        .collect()
}

/// Returns the text files of a folder, in the order of their names.
fn text_files(folder: &Path) -> Result<Vec<PathBuf>, ConsentTextError> {
    let unreadable = |source| ConsentTextError::Unreadable { path: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn language_tag(path: &Path) -> Result<String, ConsentTextError> {
    let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let is_tag = name.len() <= TAG_LENGTH_MAX
        && name.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    if !is_tag {
        return Err(ConsentTextError::InvalidName { path: path.to_owned() });
    }
    Ok(name.to_owned())
}

fn read_text(path: &Path) -> Result<String, ConsentTextError> {
    let unreadable = |source| ConsentTextError::Unreadable { path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if !(1..=TEXT_BYTES_MAX).contains(&size) {
        return Err(ConsentTextError::InvalidSize { path: path.to_owned() });
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let is_known = |name: &str| {
        ["controller", "contact", "age", "customers", "orders"].contains(&name).then(String::new)
    };
    match replace_placeholders(&text, is_known) {
        Ok(filled) if filled.trim().is_empty() => {
            Err(ConsentTextError::InvalidSize { path: path.to_owned() })
        }
        Ok(_) => Ok(text),
        Err(name) => Err(ConsentTextError::UnknownPlaceholder { path: path.to_owned(), name }),
    }
}

#[cfg(test)]
mod tests {
    use confique::Config as _;

    use super::*;

    const PERIODS: StoragePeriods = StoragePeriods { customer_months: 12, order_months: 24 };

    fn settings() -> Settings {
        Settings::builder().load().unwrap()
    }

    fn shop_texts(files: &[(&str, &str)]) -> Result<ConsentTexts, ConsentTextError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        ConsentTexts::load(&Settings { texts_dir: Some(folder.path().to_owned()), ..settings() })
    }

    #[test]
    fn shipped_texts_name_everything_that_the_law_requires() {
        let settings = Settings {
            controller: Some("Shop 7, Main Street 1".into()),
            contact: Some("privacy@example.org".into()),
            minimum_age: 14,
            ..settings()
        };
        let texts = ConsentTexts::load(&settings).unwrap();
        assert_eq!(texts.languages().collect::<Vec<_>>(), ["de", "en", "es", "fr", "zh"]);
        for language in ["de", "en", "es", "fr", "zh"] {
            let ConsentText { text, .. } = texts.text(&[language], PERIODS);
            // Controller, contact, age limit, and the storage periods of customers and orders.
            for expected in ["Shop 7, Main Street 1", "privacy@example.org", "14", "12", "24"] {
                assert!(text.contains(expected), "{language}: {expected}");
            }
            assert!(!text.contains(['{', '}']), "{language}");
            // Title, controller, purpose, data, profiling, storage, choice without a face, rights.
            assert_eq!(text.split("\n\n").count(), 8, "{language}");
        }
    }

    #[test]
    fn text_without_settings_and_limits_is_complete() {
        let texts = ConsentTexts::load(&settings()).unwrap();
        let unlimited = StoragePeriods { customer_months: 0, order_months: 0 };
        for language in ["de", "en", "es", "fr", "zh"] {
            let limited = texts.text(&[language], PERIODS);
            let text = texts.text(&[language], unlimited);
            assert!(!text.text.contains(['{', '}']), "{language}");
            assert_ne!(limited.hash(), text.hash(), "{language}");
        }
    }

    #[test]
    fn language_is_matched_without_region_and_falls_back() {
        let texts = shop_texts(&[("pt-BR.txt", "Olá {contact}")]).unwrap();
        for (languages, expected) in [
            (&["de-AT", "en"][..], "de"),
            (&["DE"], "de"),
            (&["it", "fr-CA"], "fr"),
            (&["it"], "en"),
            (&["pt"], "pt-BR"),
            (&["pt-PT"], "pt-BR"),
            (&[], "en"),
        ] {
            assert_eq!(texts.text(languages, PERIODS).language, expected, "{languages:?}");
        }
    }

    #[test]
    fn text_of_the_shop_replaces_the_shipped_one() {
        let texts =
            shop_texts(&[("de.txt", " Hallo {contact}. {orders}\n"), ("x.md", "{")]).unwrap();
        let ConsentText { language, text } = texts.text(&["de"], PERIODS);
        assert_eq!(language, "de");
        assert_eq!(
            text,
            "Hallo das Personal dieses Geschäfts. Jeder Einkauf wird nach 24 Monaten gelöscht."
        );
        assert!(texts.text(&["fr"], PERIODS).text.contains("consentement"));
    }

    #[test]
    fn invalid_texts_of_the_shop_are_rejected_with_path() {
        let long = "a".repeat(16 * 1024 + 1);
        for (name, text, expected) in [
            ("german text.txt", "a", "is not named after a language"),
            ("de.txt", "", "must contain 1 byte to 16 KiB"),
            ("de.txt", " \n", "must contain 1 byte to 16 KiB"),
            ("de.txt", &long, "must contain 1 byte to 16 KiB"),
            ("de.txt", "Hello {name}", "unknown placeholder {name}; use {controller}"),
        ] {
            let error = shop_texts(&[(name, text)]).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains(name), "{error}");
        }
    }
}
