//! All configuration keys, with types and suggestions for unknown keys.

use confique::Config as _;
use confique::meta::{Expr, Field, FieldKind, Float, LeafKind, Meta};

use super::{Config, ConfigError, Layer};

/// Least similarity of a suggested key to an unknown one (Jaro-Winkler, 0 to 1).
const SUGGESTION_SIMILARITY_MIN: f64 = 0.7;

/// Configuration key.
pub(super) struct Key {
    /// Sections and name, such as `mqtt.port`.
    pub(super) path: String,
    /// Environment variable.
    pub(super) variable: &'static str,
    /// Default in TOML syntax, or `None` for an optional key.
    pub(super) default: Option<String>,
    /// Meaning, unit and range.
    pub(super) description: String,
}

/// Section of keys.
pub(super) struct Section {
    /// Name; empty for the top-level keys.
    pub(super) name: String,
    /// Text below the heading.
    pub(super) description: String,
    /// Keys of the section.
    pub(super) keys: Vec<Key>,
}

impl Key {
    /// Returns the key of a leaf field, or `None` for a nested section.
    fn from_field(field: &Field, prefix: &str) -> Option<Self> {
        let FieldKind::Leaf { env, kind } = field.kind else { return None };
        let default = match kind {
            LeafKind::Required { default } => default.map(toml_syntax),
            LeafKind::Optional => None,
        };
        Some(Self {
            path: format!("{prefix}{}", field.name),
            variable: env.unwrap_or_default(),
            default,
            description: join_lines(field.doc),
        })
    }

    /// Returns the allowed type in plain words. It is derived from the error for a value of the wrong
    /// type, because the metadata of an optional key has no type.
    pub(super) fn allowed_type(&self) -> String {
        // Every type except text rejects at least one of these values.
        ["?".into(), toml::Value::Integer(-1), toml::Value::Boolean(true)]
            .into_iter()
            .find_map(|value| Some(expected_type(&self.type_error(value)?)))
            .unwrap_or_else(|| "text".to_owned())
    }

    /// Returns the error for a value of this key, or `None` if the value is valid.
    fn type_error(&self, value: toml::Value) -> Option<String> {
        let table = self.path.rsplit('.').fold(value, |value, name| {
            toml::Value::Table([(name.to_owned(), value)].into_iter().collect())
        });
        table.try_into::<Layer>().err().map(|error| error.message().to_owned())
    }
}

/// Returns all sections in the order of the example file.
pub(super) fn sections() -> Vec<Section> {
    collect(&Config::META, "", &join_lines(Config::META.doc))
}

/// Returns the section of `meta`, followed by its nested sections.
fn collect(meta: &Meta, prefix: &str, description: &str) -> Vec<Section> {
    let own = Section {
        name: prefix.trim_end_matches('.').to_owned(),
        description: description.to_owned(),
        keys: meta.fields.iter().filter_map(|field| Key::from_field(field, prefix)).collect(),
    };
    let nested = meta.fields.iter().flat_map(|field| match field.kind {
        FieldKind::Nested { meta } => {
            collect(meta, &format!("{prefix}{}.", field.name), &join_lines(field.doc))
        }
        FieldKind::Leaf { .. } => Vec::new(),
    });
    std::iter::once(own).chain(nested).collect()
}

/// Returns the first unknown key of a file, and a suggestion, which may be empty.
pub(super) fn unknown_key(file: &toml::Table) -> Option<(String, String)> {
    let unknown = first_unknown(file, &Config::META, "")?;
    let paths = sections().into_iter().flat_map(|section| section.keys).map(|key| key.path);
    let nearest = paths
        .map(|path| (strsim::jaro_winkler(&path, &unknown), path))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let hint = nearest
        .filter(|(similarity, _)| *similarity > SUGGESTION_SIMILARITY_MIN)
        .map_or(String::new(), |(_, path)| format!("; did you mean `{path}`?"));
    Some((unknown, hint))
}

/// Returns the path of the first key that `meta` lacks.
fn first_unknown(table: &toml::Table, meta: &Meta, prefix: &str) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let field = meta.fields.iter().find(|field| field.name == name);
        match (field.map(|field| field.kind), value) {
            (Some(FieldKind::Nested { meta }), toml::Value::Table(inner)) => {
                first_unknown(inner, meta, &format!("{prefix}{name}."))
            }
            (Some(_), _) => None,
            (None, _) => Some(format!("{prefix}{name}")),
        }
    })
}

/// Converts the message of an invalid environment variable. The library names the field by its Rust
/// type; the variable in the message identifies the key.
pub(super) fn environment_error(message: &str) -> ConfigError {
    let keys = sections().into_iter().flat_map(|section| section.keys);
    let found = keys.into_iter().find_map(|key| {
        let (_, reason) = message.split_once(&format!("`{}`", key.variable))?;
        let reason = reason.trim_start_matches(": ");
        // Numbers: "invalid value 'abc' for type u16: " and the reason.
        let is_number = reason.starts_with("invalid value '");
        let reason = reason.split_once(": ").filter(|_| is_number).map_or(reason, |(_, tail)| tail);
        Some((key, reason.to_owned()))
    });
    let Some((key, reason)) = found else { return ConfigError::Value(message.to_owned()) };
    ConfigError::Environment {
        value: std::env::var_os(key.variable)
            .map_or(String::new(), |value| value.to_string_lossy().into_owned()),
        allowed: format!("{}. {}", key.allowed_type(), key.description),
        key: key.path,
        variable: key.variable,
        reason,
    }
}

/// Returns the expected type of a deserialisation error, in plain words.
fn expected_type(message: &str) -> String {
    if let Some((_, variants)) = message.split_once("expected one of ") {
        return format!("one of {}", variants.replace('`', "\""));
    }
    let expected = message.split_once("expected ").map_or(message, |(_, expected)| expected);
    match expected.trim() {
        "u8" => "whole number, 0 to 255",
        "u16" => "whole number, 0 to 65535",
        "u32" | "u64" | "usize" => "whole number",
        "f32" | "f64" => "number",
        "a boolean" => "true or false",
        "path string" => "path",
        _ if message.contains("socket address") => "address and port",
        _ => "text",
    }
    .to_owned()
}

/// Returns a default in TOML syntax.
fn toml_syntax(default: Expr) -> String {
    // A conversion to f64 would add digits that the source code does not contain.
    if let Expr::Float(Float::F32(value)) = default {
        return format!("{value:?}");
    }
    toml::Value::try_from(default).map_or(String::new(), |value| value.to_string())
}

/// Joins the lines of a doc comment.
fn join_lines(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned()
}
