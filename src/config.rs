//! The one configuration: defaults, doc text, the example file and the names of the environment
//! variables all come from these structs; each room describes its own part.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use confique::meta::{FieldKind, Meta};
use confique::{Config as _, Layer as _};
use instored_domain::{BoxId, Currency};
use instored_vault::KeyLocations;

/// Configuration of instored. Every value has a default; what is set in the environment wins over
/// this file. `instored config show` prints what is in force.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Config {
    /// Name of this box: a segment of every MQTT topic, 1 to 32 of a-z, 0-9, - and _.
    #[config(default = "entrance", env = "INSTORED_BOX_NAME")]
    pub box_name: BoxId,

    /// Folder of the vault and the box's keys.
    #[config(default = "/var/lib/instored", env = "INSTORED_STATE_DIR")]
    pub state_dir: PathBuf,

    /// Folder of the socket by which the command line reaches the running daemon.
    #[config(default = "/run/instored", env = "INSTORED_RUNTIME_DIR")]
    pub runtime_dir: PathBuf,

    /// What the shop shows and asks.
    #[config(nested)]
    pub shop: Shop,

    /// Where pictures come from.
    #[config(nested)]
    pub camera: instored_camera::Settings,

    /// Models and what a usable face is.
    #[config(nested)]
    pub vision: instored_vision::Settings,

    /// When a face is a customer's, and how customers enrol.
    #[config(nested)]
    pub recognition: instored_recognition::Settings,

    /// Button and light.
    #[config(nested)]
    pub panel: instored_panel::Settings,

    /// The MQTT broker.
    #[config(nested)]
    pub mqtt: instored_mqtt::Settings,

    /// The page that people look at.
    #[config(nested)]
    pub display: instored_display::Settings,

    /// Figures for Prometheus.
    #[config(nested)]
    pub metrics: Metrics,
}

/// Figures for Prometheus; none of them is about a person.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Metrics {
    /// Loopback address and port of `/metrics`, such as 127.0.0.1:9632; not served when not set.
    #[config(env = "INSTORED_METRICS_LISTEN")]
    pub listen: Option<SocketAddr>,
}

/// What the shop shows and asks.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Shop {
    /// Version of the consent text that hangs beside the button; kept with each consent.
    #[config(default = "1", env = "INSTORED_SHOP_CONSENT_TEXT_VERSION")]
    pub consent_text_version: String,

    /// Language of that text, a BCP 47 tag.
    #[config(default = "en", env = "INSTORED_SHOP_LANGUAGE")]
    pub language: String,

    /// Past orders in a greeting.
    #[config(default = 3, env = "INSTORED_SHOP_ORDERS_SHOWN")]
    pub orders_shown: usize,

    /// Recommendations in a greeting.
    #[config(default = 5, env = "INSTORED_SHOP_RECOMMENDATIONS_SHOWN")]
    pub recommendations_shown: usize,

    /// Seconds after which a display forgets a greeting, should it not hear that the customer left.
    #[config(default = 300, env = "INSTORED_SHOP_GREETING_SECONDS")]
    pub greeting_seconds: u32,

    /// Currency of the shop's tills, an ISO 4217 code. Set: orders in any other are refused.
    #[config(env = "INSTORED_SHOP_CURRENCY")]
    pub currency: Option<Currency>,

    /// Minutes for which a customer who was said to be at a till counts as being there.
    #[config(default = 10, env = "INSTORED_SHOP_AT_TILL_MINUTES")]
    pub at_till_minutes: u32,

    /// Hours for which a customer's list is kept after they last changed it.
    #[config(default = 4, env = "INSTORED_SHOP_LIST_HOURS")]
    pub list_hours: u32,

    /// Months after the last visit when a customer is forgotten; 0: never by itself.
    #[config(default = 12, env = "INSTORED_SHOP_RETENTION_MONTHS")]
    pub retention_months: u32,

    /// Days for which the claim code shown after an enrolment links orders to the customer.
    #[config(default = 30, env = "INSTORED_SHOP_CLAIM_DAYS")]
    pub claim_days: u32,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum ConfigError {
    #[error("cannot read the configuration {path}: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {reason}")]
    Syntax { path: PathBuf, reason: String },
    #[error("{path}: unknown key `{key}`{hint}")]
    UnknownKey { path: PathBuf, key: String, hint: String },
    #[error("{0}")]
    Value(String),
}

impl Config {
    /// Reads the file, if one is named, under what the environment sets.
    ///
    /// # Errors
    /// When the file cannot be read, has an unknown key, or a value is of the wrong kind or range.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let mut builder = Self::builder().env();
        if let Some(path) = path {
            builder = builder.preloaded(file_layer(path)?);
        }
        let config = builder.load().map_err(|e| ConfigError::Value(causes(&e)))?;
        config.check()?;
        Ok(config)
    }

    /// The example file, every key commented out with its default.
    pub fn example() -> String {
        confique::toml::template::<Self>(confique::toml::FormatOptions::default())
    }

    /// The values in force, as TOML.
    ///
    /// # Errors
    /// When a value cannot be written as TOML, such as a path that is not UTF-8.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|e| ConfigError::Value(e.to_string()))
    }

    /// The parts, `[shop]` apart, in which this configuration is another than `other`.
    pub fn changed_but_for_shop(&self, other: &Self) -> Vec<String> {
        let parts = |config: &Self| toml::Table::try_from(config).unwrap_or_default();
        let (ours, theirs) = (parts(self), parts(other));
        let names: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
        names
            .into_iter()
            .filter(|name| *name != "shop" && ours.get(*name) != theirs.get(*name))
            .cloned()
            .collect()
    }

    /// The vault's file.
    pub fn vault_path(&self) -> PathBuf {
        self.state_dir.join("vault.redb")
    }

    /// Where the box's keys lie: in the state folder, or with systemd's credentials.
    pub fn key_folders(&self) -> KeyLocations {
        KeyLocations {
            state: self.state_dir.clone(),
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }

    /// The control socket.
    pub fn socket_path(&self) -> PathBuf {
        self.runtime_dir.join("control.sock")
    }

    fn check(&self) -> Result<(), ConfigError> {
        let fault =
            self.recognition.validation_error().map(|fault| format!("[recognition] {fault}"));
        let shop = (self.shop.greeting_seconds == 0)
            .then(|| "[shop] greeting_seconds must be above 0".to_owned());
        let metrics =
            self.metrics.listen.filter(|listen| !listen.ip().is_loopback()).map(|listen| {
                format!("[metrics] listen = {listen} is not loopback: use 127.0.0.1 or [::1]")
            });
        fault.or(shop).or(metrics).map_or(Ok(()), |fault| Err(ConfigError::Value(fault)))
    }
}

type Layer = <Config as confique::Config>::Layer;

fn file_layer(path: &Path) -> Result<Layer, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let syntax = |e: toml::de::Error| ConfigError::Syntax {
        path: path.to_owned(),
        reason: e.to_string().trim_end().to_owned(),
    };
    let table: toml::Table = toml::from_str(&text).map_err(syntax)?;
    if let Some((key, hint)) = unknown_key(&table, &Config::META, "") {
        return Err(ConfigError::UnknownKey { path: path.to_owned(), key, hint });
    }
    if text.trim().is_empty() {
        return Ok(Layer::empty());
    }
    toml::from_str(&text).map_err(syntax)
}

/// The first key that the structs do not know, and a hint at what may have been meant.
fn unknown_key(table: &toml::Table, meta: &Meta, prefix: &str) -> Option<(String, String)> {
    let fields: BTreeMap<&str, &FieldKind> =
        meta.fields.iter().map(|f| (f.name, &f.kind)).collect();
    table.iter().find_map(|(key, value)| match (fields.get(key.as_str()), value) {
        (Some(FieldKind::Nested { meta }), toml::Value::Table(inner)) => {
            unknown_key(inner, meta, &format!("{prefix}{key}."))
        }
        (Some(_), _) => None,
        (None, _) => {
            let nearest = paths(&Config::META, "")
                .into_iter()
                .map(|path| (strsim::jaro_winkler(&path, &format!("{prefix}{key}")), path))
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let hint = nearest
                .filter(|(likeness, _)| *likeness > 0.7)
                .map_or(String::new(), |(_, path)| format!("; did you mean `{path}`?"));
            Some((format!("{prefix}{key}"), hint))
        }
    })
}

fn paths(meta: &Meta, prefix: &str) -> Vec<String> {
    meta.fields
        .iter()
        .flat_map(|field| match field.kind {
            FieldKind::Leaf { .. } => vec![format!("{prefix}{}", field.name)],
            FieldKind::Nested { meta } => paths(meta, &format!("{prefix}{}.", field.name)),
        })
        .collect()
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path()))
    }

    #[test]
    fn the_example_is_the_default() {
        let example = load(&Config::example()).unwrap().to_toml().unwrap();
        assert_eq!(example, load("").unwrap().to_toml().unwrap());
    }

    #[test]
    fn the_shipped_example_file_is_the_one_the_structs_make() {
        let shipped = include_str!("../config/instored.toml");
        assert_eq!(shipped, Config::example(), "run `make config`");
    }

    #[test]
    fn what_was_changed_is_named_part_by_part() {
        let before = load("").unwrap();
        let text = "box_name = \"till\"\n[shop]\norders_shown = 1\n[camera]\nfps = 5\n";
        assert_eq!(load(text).unwrap().changed_but_for_shop(&before), ["box_name", "camera"]);
        assert!(before.changed_but_for_shop(&before).is_empty());
    }

    #[test]
    fn an_unknown_key_names_the_nearest_right_one() {
        let error = load("[camera]\ndevize = \"/dev/video2\"").unwrap_err().to_string();
        assert!(error.contains("unknown key `camera.devize`"), "{error}");
        assert!(error.contains("did you mean `camera.device`?"), "{error}");
        let error = load("zzzzqqq = 1").unwrap_err().to_string();
        assert!(error.contains("unknown key `zzzzqqq`") && !error.contains("did you"), "{error}");
    }

    #[test]
    fn a_wrong_value_is_named_with_its_place() {
        let error = load("[camera]\nfps = \"fast\"").unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("fps"), "{error}");
        let error = load("[recognition]\nthreshold = 45.0").unwrap_err().to_string();
        assert!(error.contains("threshold must be from 0 to 1"), "{error}");
        let error = load("box_name = \"Shop 1\"").unwrap_err().to_string();
        assert!(error.contains("cannot name a box"), "{error}");
    }

    #[test]
    fn every_key_has_an_environment_variable_named_after_it() {
        fn check(meta: &Meta, prefix: &str) {
            for field in meta.fields {
                let name = format!("{prefix}_{}", field.name.to_uppercase());
                match field.kind {
                    FieldKind::Leaf { env, .. } => assert_eq!(env, Some(name.as_str())),
                    FieldKind::Nested { meta } => check(meta, &name),
                }
            }
        }
        check(&Config::META, "INSTORED");
    }
}
