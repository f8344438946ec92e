//! Paths of all files of the set-up.

use std::path::{Path, PathBuf};

/// Paths of the files, below a prefix. The prefix is empty on a real system.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    prefix: Option<PathBuf>,
}

impl Layout {
    /// Creates the layout below this folder, or the layout of this machine.
    pub fn new(prefix: Option<PathBuf>) -> Self {
        Self { prefix }
    }

    /// Returns true if the files are those of this machine.
    pub fn is_system(&self) -> bool {
        self.prefix.is_none()
    }

    fn path(&self, absolute: &str) -> PathBuf {
        match &self.prefix {
            Some(prefix) => prefix.join(absolute.trim_start_matches('/')),
            None => Path::new(absolute).to_owned(),
        }
    }

    /// Returns the main configuration of the broker, which the set-up only reads.
    pub fn broker_main_configuration(&self) -> PathBuf {
        self.path("/etc/mosquitto/mosquitto.conf")
    }

    /// Returns the folder of the broker's additional configuration.
    pub fn broker_configuration_folder(&self) -> PathBuf {
        self.path("/etc/mosquitto/conf.d")
    }

    /// Returns the configuration that the set-up adds to the broker.
    pub fn broker_configuration(&self) -> PathBuf {
        self.path("/etc/mosquitto/conf.d/instored.conf")
    }

    /// Returns a file that only the broker reads.
    pub fn broker_file(&self, name: &str) -> PathBuf {
        self.path("/etc/mosquitto/instored").join(name)
    }

    /// Returns the certificate authority of the broker, which remote clients need.
    pub fn authority(&self) -> PathBuf {
        self.broker_file("ca.pem")
    }

    /// Returns the private key of the authority.
    pub fn authority_key(&self) -> PathBuf {
        self.path("/etc/instored/authority.key")
    }

    /// Returns the file with the password of an account.
    pub fn password(&self, account: &str) -> PathBuf {
        self.path("/etc/instored/accounts").join(account)
    }

    /// Returns the file with the token of the page.
    pub fn page_token(&self) -> PathBuf {
        self.path("/etc/instored/page-token")
    }

    /// Returns the list of the files that the set-up wrote.
    pub fn record(&self) -> PathBuf {
        self.path("/etc/instored/setup.toml")
    }

    /// Returns the drop-in file of a unit.
    pub fn drop_in(&self, unit: &str) -> PathBuf {
        self.path("/etc/systemd/system").join(format!("{unit}.service.d/setup.conf"))
    }
}
