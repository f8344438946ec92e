//! Errors in the setup of a connection, and causes of an outage.

use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use rumqttc::v5::mqttbytes;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, StateError};

/// Error in the setup of a connection. An unreachable broker is not an `MqttError`: the connection
/// retries and logs the cause.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    /// A setting has an invalid value.
    #[error("[mqtt] {0}")]
    InvalidSetting(&'static str),
    /// A file named by a setting cannot be read.
    #[error("[mqtt] {key}: cannot read {}: {source}", path.display())]
    UnreadableFile {
        /// Name of the setting.
        key: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The file of a [`super::TrustStore`] cannot be read or written.
    #[error("[display] trust_file: cannot use {}: {source}", path.display())]
    TrustFile {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The certificates or keys are unusable.
    #[error("[mqtt] cannot set up TLS: {0}")]
    Tls(String),
    /// The broker of the demo or of a test does not start.
    #[error("cannot start mosquitto (`apt install mosquitto` installs it): {0}")]
    BrokerStart(String),
}

/// Cause of a lost or failed connection. The log reports each cause once per outage.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum OutageCause {
    /// No server listens on the port.
    PortClosed,
    /// The host name cannot be resolved.
    UnknownHost,
    /// The broker does not respond in time.
    NoResponse,
    /// The broker does not acknowledge a message or a subscription within this time.
    NoAcknowledgement(Duration),
    /// The broker rejects the account, the password or the client certificate.
    NotAuthorised,
    /// Another client connected with this client id.
    SessionTakenOver(String),
    /// The broker closed several successive sessions; another client probably has this client id.
    RepeatedlyClosed(String),
    /// The connection was closed.
    Closed,
    /// The TLS handshake failed.
    Tls(String),
    /// The broker rejects the connection for another reason.
    Rejected(String),
    /// Any other error.
    Other(String),
}

impl From<ConnectionError> for OutageCause {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Timeout(_) => Self::NoResponse,
            ConnectionError::Io(error) | ConnectionError::Tls(rumqttc::TlsError::Io(error)) => {
                Self::from(error)
            }
            ConnectionError::Tls(error) => Self::Tls(error.to_string()),
            ConnectionError::ConnectionRefused(code) => match code {
                ConnectReturnCode::BadUserNamePassword
                | ConnectReturnCode::NotAuthorized
                | ConnectReturnCode::BadAuthenticationMethod
                | ConnectReturnCode::Banned => Self::NotAuthorised,
                code => Self::Rejected(format!("{code:?}")),
            },
            ConnectionError::MqttState(error) => Self::from(error),
            ConnectionError::RequestsDone => Self::Closed,
            ConnectionError::NotConnAck(_) => {
                Self::Other("the first packet of the broker was not an MQTT 5 CONNACK".to_owned())
            }
        }
    }
}

impl From<StateError> for OutageCause {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Io(error) | StateError::Deserialization(mqttbytes::Error::Io(error)) => {
                Self::from(error)
            }
            StateError::AwaitPingResp => Self::NoResponse,
            StateError::ConnectionAborted => Self::Closed,
            StateError::ServerDisconnect { reason_code, .. } => match reason_code {
                DisconnectReasonCode::SessionTakenOver => Self::SessionTakenOver(String::new()),
                DisconnectReasonCode::NormalDisconnection
                | DisconnectReasonCode::ServerShuttingDown => Self::Closed,
                DisconnectReasonCode::NotAuthorized => Self::NotAuthorised,
                reason => Self::Rejected(format!("{reason:?}")),
            },
            error => Self::Other(error.to_string()),
        }
    }
}

impl From<std::io::Error> for OutageCause {
    fn from(error: std::io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::Tls(tls.to_string());
        }
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::PortClosed,
            ErrorKind::TimedOut => Self::NoResponse,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Self::Closed,
            // No `ErrorKind` exists for a failed name resolution; only the text identifies it.
            _ if error.to_string().contains("lookup address") => Self::UnknownHost,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Display for OutageCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PortClosed => {
                f.write_str("nothing listens there; start the broker or correct `host` and `port`")
            }
            Self::UnknownHost => {
                f.write_str("the name cannot be resolved; check `host` and the network")
            }
            Self::NoResponse => f.write_str(
                "the broker does not respond; check the network, and that the broker supports MQTT 5",
            ),
            Self::NoAcknowledgement(timeout) => write!(
                f,
                "the broker did not acknowledge a message or a subscription within {timeout:?}; \
                 unacknowledged messages are sent again. If this happens often, check the network \
                 and the broker's log"
            ),
            Self::NotAuthorised => f.write_str(
                "the broker rejects this account; check `username`, `password_file` and the \
                 broker's accounts",
            ),
            Self::SessionTakenOver(client_id) => write!(
                f,
                "another client connected with the client id {client_id}; give each box its own \
                 `box_name`"
            ),
            Self::RepeatedlyClosed(client_id) => write!(
                f,
                "the broker closes the connection again and again; another client probably has \
                 the client id {client_id}; give each box its own `box_name`"
            ),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Tls(error) => {
                write!(f, "TLS failed ({error}); check `ca_file`, `client_cert`, `host` and `port`")
            }
            Self::Rejected(reason) => write!(f, "the broker rejects the connection ({reason})"),
            Self::Other(error) => f.write_str(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_password_and_closed_port_have_different_causes() {
        let closed_port = std::io::Error::from(ErrorKind::ConnectionRefused);
        assert_eq!(OutageCause::from(ConnectionError::Io(closed_port)), OutageCause::PortClosed);
        let wrong_password = ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized);
        assert_eq!(OutageCause::from(wrong_password), OutageCause::NotAuthorised);
    }
}
