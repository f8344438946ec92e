//! Where the broker is and how it is reached.

use std::path::PathBuf;

/// The MQTT 5 broker that events go to.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Settings {
    /// Name or address of the broker.
    #[config(default = "127.0.0.1", env = "INSTORED_MQTT_HOST")]
    pub host: String,

    /// Its port: 1883 by custom, 8883 with TLS.
    #[config(default = 1883, env = "INSTORED_MQTT_PORT")]
    pub port: u16,

    /// The account at the broker; none where it lets anybody in.
    #[config(env = "INSTORED_MQTT_USERNAME")]
    pub username: Option<String>,

    /// A file that holds that account's password, and nothing else.
    #[config(env = "INSTORED_MQTT_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,

    /// Whether to speak TLS. A broker on another machine should ask for it.
    #[config(default = false, env = "INSTORED_MQTT_TLS")]
    pub tls: bool,

    /// The certificate authority that vouches for the broker, as PEM; the system's, when not set.
    #[config(env = "INSTORED_MQTT_CA_FILE")]
    pub ca_file: Option<PathBuf>,

    /// The certificate that the box shows the broker, as PEM; needs `client_key`.
    #[config(env = "INSTORED_MQTT_CLIENT_CERT")]
    pub client_cert: Option<PathBuf>,

    /// The private key of `client_cert`, as PEM.
    #[config(env = "INSTORED_MQTT_CLIENT_KEY")]
    pub client_key: Option<PathBuf>,

    /// After how many seconds of silence the connection is tested, 5 to 3600. A dead one is
    /// noticed within twice that.
    #[config(default = 15, env = "INSTORED_MQTT_KEEP_ALIVE_SECONDS")]
    pub keep_alive_seconds: u16,

    /// Commands of each verb that the box takes in a second, 1 to 1000; five times as many at once.
    #[config(default = 20, env = "INSTORED_MQTT_COMMANDS_PER_SECOND")]
    pub commands_per_second: u32,

    /// Whether Home Assistant is told of the box. Switched off, it forgets the box again.
    #[config(default = true, env = "INSTORED_MQTT_HOME_ASSISTANT")]
    pub home_assistant: bool,

    /// The topic under which Home Assistant looks for devices.
    #[config(default = "homeassistant", env = "INSTORED_MQTT_HOME_ASSISTANT_PREFIX")]
    pub home_assistant_prefix: String,
}
