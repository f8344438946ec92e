//! Configuration of the MQTT connection.

use std::path::PathBuf;

/// Connection to the MQTT 5 broker.
#[derive(Debug, Clone, confique::Config, serde::Serialize)]
pub struct Settings {
    /// Host name or IP address of the broker.
    #[config(default = "127.0.0.1", env = "INSTORED_MQTT_HOST")]
    pub host: String,

    /// Port of the broker, by convention 1883, or 8883 with TLS.
    #[config(default = 1883, env = "INSTORED_MQTT_PORT")]
    pub port: u16,

    /// User name at the broker. `instored setup` sets it in the environment of the service.
    #[config(env = "INSTORED_MQTT_USERNAME")]
    pub username: Option<String>,

    /// File that contains the password of `username` and nothing else.
    #[config(env = "INSTORED_MQTT_PASSWORD_FILE")]
    pub password_file: Option<PathBuf>,

    /// True to use TLS. Recommended for a broker on another machine.
    #[config(default = false, env = "INSTORED_MQTT_TLS")]
    pub tls: bool,

    /// Certificate authority of the broker, PEM. Default: the authorities of the system.
    #[config(env = "INSTORED_MQTT_CA_FILE")]
    pub ca_file: Option<PathBuf>,

    /// Client certificate of the box, PEM. Needs `client_key`.
    #[config(env = "INSTORED_MQTT_CLIENT_CERT")]
    pub client_cert: Option<PathBuf>,

    /// Private key of `client_cert`, PEM.
    #[config(env = "INSTORED_MQTT_CLIENT_KEY")]
    pub client_key: Option<PathBuf>,

    /// Seconds without traffic after which the connection is tested, 5 to 3600. A dead connection
    /// is detected within 1.5 times this time. A missing acknowledgement ends the connection after this
    /// time, but after 10 seconds at the earliest and 30 seconds at the latest. The message is then
    /// sent again.
    #[config(default = 15, env = "INSTORED_MQTT_KEEP_ALIVE_SECONDS")]
    pub keep_alive_seconds: u16,

    /// Maximum commands per second of each verb, 1 to 1000. A burst of five times this number is
    /// accepted.
    #[config(default = 20, env = "INSTORED_MQTT_COMMANDS_PER_SECOND")]
    pub commands_per_second: u32,

    /// True to announce the box to Home Assistant. If false, the box is removed from Home Assistant.
    #[config(default = true, env = "INSTORED_MQTT_HOME_ASSISTANT")]
    pub home_assistant: bool,

    /// True to add a button to Home Assistant that offers an enrolment to the person at the entrance, like a
    /// first press of the button there.
    #[config(default = false, env = "INSTORED_MQTT_HOME_ASSISTANT_BUTTON")]
    pub home_assistant_button: bool,

    /// Topic prefix of Home Assistant's MQTT discovery.
    #[config(default = "homeassistant", env = "INSTORED_MQTT_HOME_ASSISTANT_PREFIX")]
    pub home_assistant_prefix: String,
}
