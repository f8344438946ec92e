//! A broker in the same process, for the demo and for shops without one of their own.
//!
//! It keeps nothing on disk, knows no accounts, and therefore listens on loopback only.

use std::net::SocketAddr;
use std::time::Duration;

use mqtt5::broker::config::{BrokerConfig, StorageBackend, StorageConfig};
use mqtt5::broker::{BrokerShutdownHandle, MqttBroker};
use tokio::task::JoinHandle;

use super::BusError;

/// A running broker. It stops when dropped; [`Broker::stop`] also waits until it has.
pub struct Broker {
    address: SocketAddr,
    shutdown: BrokerShutdownHandle,
    task: Option<JoinHandle<()>>,
}

impl Broker {
    /// Starts a broker on a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is not loopback, or its port is taken.
    pub async fn start(address: SocketAddr) -> Result<Self, BusError> {
        let listen = |reason: String| BusError::Listen { address, reason };
        if !address.ip().is_loopback() {
            return Err(listen("it knows no accounts, so use 127.0.0.1 or [::1]".to_owned()));
        }
        let config = BrokerConfig {
            bind_addresses: vec![address],
            max_clients: 64,
            max_packet_size: 1024 * 1024,
            max_retained_messages: 4096,
            sys_topics_enabled: false,
            // Events are for those who are there.
            session_expiry_interval: Duration::ZERO,
            storage_config: StorageConfig {
                backend: StorageBackend::Memory,
                enable_persistence: false,
                ..StorageConfig::default()
            },
            ..BrokerConfig::default()
        };
        let mut broker =
            MqttBroker::with_config(config).await.map_err(|error| listen(error.to_string()))?;
        let address = broker.local_addr().ok_or_else(|| listen("no port was opened".to_owned()))?;
        let shutdown = broker.shutdown_handle();
        let mut ready = broker.ready_receiver();
        let task = tokio::spawn(async move {
            if let Err(error) = broker.run().await {
                tracing::error!("the embedded MQTT broker on {address} stopped: {error}");
            }
        });
        // Fails only if the broker ended first, which its task has logged.
        let _ = ready.wait_for(|ready| *ready).await;
        Ok(Self { address, shutdown, task: Some(task) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Stops it, and waits until its port is free.
    pub async fn stop(mut self) {
        self.shutdown.shutdown();
        if let Some(task) = self.task.take() {
            // A broker that panicked is as stopped as it can be.
            let _ = task.await;
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.shutdown.shutdown();
    }
}
