//! Configuration of the whole program.
//!
//! Defaults, descriptions, the example file, the reference and the names of the environment
//! variables come from the `Settings` structs. Each crate describes its own section.
//!
//! | Module | Content |
//! |---|---|
//! | `keys` | list of all keys, with types and suggestions for unknown keys |
//! | `reference` | Markdown reference of all keys |
//!
//! Invariants:
//! 1. Every value has a default, or is optional.
//! 2. The environment variable of a key is the key in capitals with the prefix `INSTORED_`.
//! 3. `config/instored.toml` and `docs/configuration.md` are generated; tests compare them.

mod keys;
pub mod reference;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use confique::{Config as _, Layer as _};
use instored_domain::BoxId;
use instored_vault::KeyLocations;

/// Configuration of instored. Every value has a default. An environment variable overrides this
/// file. `instored config show` prints the values in force.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Config {
    /// Name of this box, a segment of every MQTT topic: 1 to 32 characters of a-z, 0-9, - and _.
    #[config(default = "entrance", env = "INSTORED_BOX_NAME")]
    pub box_name: BoxId,

    /// Folder of the vault and the keys of the box.
    #[config(default = "/var/lib/instored", env = "INSTORED_STATE_DIR")]
    pub state_dir: PathBuf,

    /// Folder of the socket that connects the command line to the running daemon.
    #[config(default = "/run/instored", env = "INSTORED_RUNTIME_DIR")]
    pub runtime_dir: PathBuf,

    /// Content of greetings, consent and storage periods. Changes of this section apply after
    /// `systemctl reload`; changes of all other sections apply after a restart.
    #[config(nested)]
    pub shop: instored_controller::Settings,

    /// Consent of a person who wants to be recognised.
    #[config(nested)]
    pub enrolment: instored_consent::Settings,

    /// Camera at the entrance.
    #[config(nested)]
    pub camera: instored_camera::Settings,

    /// Face models and face quality.
    #[config(nested)]
    pub vision: instored_vision::Settings,

    /// Recognition and enrolment of customers.
    #[config(nested)]
    pub recognition: instored_recognition::Settings,

    /// Button and status LED.
    #[config(nested)]
    pub panel: instored_panel::Settings,

    /// Connection to the MQTT broker.
    #[config(nested)]
    pub mqtt: instored_mqtt::Settings,

    /// Web page of the customer display.
    #[config(nested)]
    pub display: instored_display::Settings,

    /// Metrics for Prometheus.
    #[config(nested)]
    pub metrics: Metrics,
}

/// Metrics for Prometheus. They contain no personal data.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Metrics {
    /// Loopback address and port of the HTTP endpoint `/metrics`, such as 127.0.0.1:9632. Without
    /// this key, no metrics are served.
    #[config(env = "INSTORED_METRICS_LISTEN")]
    pub listen: Option<SocketAddr>,
}

/// Invalid configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {source}")]
    Read {
        /// Configuration file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The file is not valid TOML, or has a value of the wrong type or range.
    #[error("{path}: {reason}")]
    Syntax {
        /// Configuration file.
        path: PathBuf,
        /// Line and reason.
        reason: String,
    },
    /// The file has an unknown key.
    #[error("{path}: unknown key `{key}`{hint}")]
    UnknownKey {
        /// Configuration file.
        path: PathBuf,
        /// Unknown key.
        key: String,
        /// Suggestion; may be empty.
        hint: String,
    },
    /// An environment variable has an invalid value.
    #[error("{key}: cannot use {variable}={value}: {reason}; allowed: {allowed}")]
    Environment {
        /// Key that the variable sets.
        key: String,
        /// Environment variable.
        variable: &'static str,
        /// Value of the variable.
        value: String,
        /// Reason why the value is invalid.
        reason: String,
        /// Type, range and meaning of the key.
        allowed: String,
    },
    /// A value is out of range, or conflicts with another value.
    #[error("{0}")]
    Value(String),
}

impl Config {
    /// Loads the configuration. Environment variables override the file, and the file overrides the
    /// defaults.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or has an unknown key, or if a value has the wrong
    /// type or range.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let environment =
            Layer::from_env().map_err(|error| keys::environment_error(&with_causes(&error)))?;
        let mut builder = Self::builder().preloaded(environment);
        if let Some(path) = path {
            builder = builder.preloaded(file_layer(path)?);
        }
        let config = builder.load().map_err(|error| ConfigError::Value(with_causes(&error)))?;
        config.check()?;
        Ok(config)
    }

    /// Returns the example file: every key with its default, commented out.
    pub fn example() -> String {
        confique::toml::template::<Self>(confique::toml::FormatOptions::default())
    }

    /// Returns the values in force as TOML.
    ///
    /// # Errors
    /// Returns an error if a value has no TOML form, such as a path that is not UTF-8.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(|error| ConfigError::Value(error.to_string()))
    }

    /// Returns the names of the top-level keys and sections that differ from `other`, except `[shop]`.
    pub fn sections_changed_besides_shop(&self, other: &Self) -> Vec<String> {
        let sections = |config: &Self| toml::Table::try_from(config).unwrap_or_default();
        let (new, old) = (sections(self), sections(other));
        let names: BTreeSet<_> = new.keys().chain(old.keys()).collect();
        names
            .into_iter()
            .filter(|name| *name != "shop" && new.get(*name) != old.get(*name))
            .cloned()
            .collect()
    }

    /// Returns the path of the vault file.
    pub fn vault_path(&self) -> PathBuf {
        self.state_dir.join("vault.redb")
    }

    /// Returns the folders of the box's keys: the state folder and the systemd credentials.
    pub fn key_folders(&self) -> KeyLocations {
        KeyLocations {
            state: self.state_dir.clone(),
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }

    /// Returns the path of the daemon's admin socket.
    pub fn socket_path(&self) -> PathBuf {
        self.runtime_dir.join("control.sock")
    }

    /// Checks the rules that the attributes of the fields cannot express.
    fn check(&self) -> Result<(), ConfigError> {
        let recognition_error =
            self.recognition.validation_error().map(|error| format!("[recognition] {error}"));
        let shop_error = (self.shop.greeting_seconds == 0)
            .then(|| "[shop] greeting_seconds must be above 0".to_owned());
        let metrics_error =
            self.metrics.listen.filter(|listen| !listen.ip().is_loopback()).map(|listen| {
                format!(
                    "[metrics] listen = {listen} is not a loopback address: use 127.0.0.1 or [::1]"
                )
            });
        let error = recognition_error.or(shop_error).or(metrics_error);
        error.map_or(Ok(()), |error| Err(ConfigError::Value(error)))
    }
}

/// Values of one source. Any of them may be missing.
type Layer = <Config as confique::Config>::Layer;

/// Reads the configuration file.
fn file_layer(path: &Path) -> Result<Layer, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let syntax_error = |error: toml::de::Error| ConfigError::Syntax {
        path: path.to_owned(),
        reason: error.to_string().trim_end().to_owned(),
    };
    let table: toml::Table = toml::from_str(&text).map_err(syntax_error)?;
    if let Some((key, hint)) = keys::unknown_key(&table) {
        return Err(ConfigError::UnknownKey { path: path.to_owned(), key, hint });
    }
    toml::from_str(&text).map_err(syntax_error)
}

/// Joins the messages of an error and its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

#[cfg(test)]
mod tests;
