//! What keeps a box from its broker, in a sentence, and how long to wait before the next try.

use std::fmt;
use std::io::ErrorKind;
use std::time::Duration;

use rumqttc::v5::mqttbytes;
use rumqttc::v5::mqttbytes::v5::{ConnectReturnCode, DisconnectReasonCode};
use rumqttc::v5::{ConnectionError, StateError};

/// A kind of outage. Two of the same kind are one thing to a reader of the log.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Trouble {
    /// Nothing listens there.
    Refused,
    /// The name means no address.
    UnknownHost,
    /// No answer in time.
    Silent,
    /// Account, password or client certificate.
    NotAuthorised,
    /// Another client took this one's name.
    TakenOver,
    /// The connection ended.
    Closed,
    /// No TLS with this broker.
    Tls(String),
    /// The broker would not have us.
    Rejected(String),
    /// Everything else.
    Other(String),
}

impl From<ConnectionError> for Trouble {
    fn from(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Timeout(_) => Self::Silent,
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
            ConnectionError::MqttState(error) => match error {
                StateError::Io(error)
                | StateError::Deserialization(mqttbytes::Error::Io(error)) => Self::from(error),
                StateError::AwaitPingResp => Self::Silent,
                StateError::ServerDisconnect {
                    reason_code: DisconnectReasonCode::SessionTakenOver,
                    ..
                } => Self::TakenOver,
                StateError::ServerDisconnect { reason_code, .. } => match reason_code {
                    DisconnectReasonCode::NormalDisconnection
                    | DisconnectReasonCode::ServerShuttingDown => Self::Closed,
                    DisconnectReasonCode::NotAuthorized => Self::NotAuthorised,
                    reason => Self::Rejected(format!("{reason:?}")),
                },
                StateError::ConnectionAborted => Self::Closed,
                error => Self::Other(error.to_string()),
            },
            ConnectionError::RequestsDone => Self::Closed,
            ConnectionError::NotConnAck(_) => {
                Self::Other("its first packet was not the MQTT 5 CONNACK".to_owned())
            }
        }
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>()) {
            return Self::Tls(tls.to_string());
        }
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut => Self::Silent,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Self::Closed,
            // The resolver's failures have no kind of their own.
            _ if error.to_string().contains("lookup address") => Self::UnknownHost,
            _ => Self::Other(error.to_string()),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("nothing listens there; start the broker or mend `host` and `port`"),
            Self::UnknownHost => f.write_str("its name cannot be resolved; check `host` and the network"),
            Self::Silent => f.write_str("it does not answer; check the network, and that it speaks MQTT 5"),
            Self::NotAuthorised => f.write_str(
                "it does not let this account in; check `username`, `password_file` and the broker's accounts",
            ),
            Self::TakenOver => f.write_str(
                "another client connected under this box's name; give each box a name of its own",
            ),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Tls(error) => write!(f, "TLS failed ({error}); check `ca_file`, `client_cert`, `host` and `port`"),
            Self::Rejected(reason) => write!(f, "it rejects the connection ({reason})"),
            Self::Other(error) => f.write_str(error),
        }
    }
}

/// Longer waits from try to try, 0.5 s to 30 s, each shortened by up to half by chance, so that
/// the boxes of a shop do not all knock at the same moment.
#[derive(Debug, Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(30);

    /// The next wait; `chance` is any random number.
    pub fn next(&mut self, chance: u32) -> Duration {
        let whole = (Self::FIRST * (1 << self.0.min(6))).min(Self::LONGEST);
        self.0 = self.0.saturating_add(1);
        whole.mul_f64(1.0 - 0.5 * f64::from(chance) / f64::from(u32::MAX))
    }

    /// Begins anew: the connection has held for a while.
    pub fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute_and_vary_by_half() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.next(0).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(backoff.next(u32::MAX).as_millis(), 15_000);
        backoff.reset();
        assert_eq!(backoff.next(0), Backoff::FIRST);
    }

    #[test]
    fn a_wrong_password_is_told_from_a_broker_that_is_down() {
        let refused = std::io::Error::from(ErrorKind::ConnectionRefused);
        assert_eq!(Trouble::from(ConnectionError::Io(refused)), Trouble::Refused);
        let denied = ConnectionError::ConnectionRefused(ConnectReturnCode::NotAuthorized);
        assert_eq!(Trouble::from(denied), Trouble::NotAuthorised);
    }
}
