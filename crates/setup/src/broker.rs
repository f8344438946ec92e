//! Configuration of the broker mosquitto.

use std::fmt::Write as _;

use instored_domain::BoxId;

use super::layout::Layout;

/// Addresses on which the broker listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BrokerListeners {
    /// Loopback address for programs on this machine.
    pub address: String,
    /// Port for programs on this machine.
    pub port: u16,
    /// Port with TLS for other machines.
    pub tls_port: Option<u16>,
}

/// Returns the configuration that the set-up adds to the broker.
pub fn broker_configuration(
    layout: &Layout,
    box_id: &BoxId,
    listeners: &BrokerListeners,
) -> String {
    let file = |name: &str| layout.broker_file(name).display().to_string();
    let BrokerListeners { address, port, tls_port } = listeners;
    let mut text = format!(
        "# mosquitto for the box `{box_id}`, as `instored setup` writes it: each client has an account with a\n\
         # password, and the topics that the access rules give to it.\n\
         allow_anonymous false\n\
         password_file {}\n\
         acl_file {}\n\
         \n\
         # A command has at most 64 KiB. Larger packets than this are rejected.\n\
         max_packet_size 262144\n\
         # A slow subscriber loses messages instead of using up the broker's memory.\n\
         max_queued_messages 1000\n\
         # No message about a person is retained, and each box publishes its retained messages again.\n\
         persistence false\n\
         \n\
         # Programs on this machine. The client id is the name of the account, so that no client can end the\n\
         # connection of another account.\n\
         listener {port} {address}\n\
         use_username_as_clientid true\n",
        file("passwords"),
        file("acl"),
    );
    if let Some(tls_port) = tls_port {
        let _ = write!(
            text,
            "\n# Other machines, with TLS. They verify the broker with the authority ca.pem.\n\
             listener {tls_port}\n\
             certfile {}\n\
             keyfile {}\n\
             use_username_as_clientid true\n",
            file("broker.pem"),
            file("broker.key"),
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_configuration_equals_generated_one() {
        let sample = include_str!("../../../config/mosquitto/instored.conf");
        let listeners =
            BrokerListeners { address: "127.0.0.1".into(), port: 1883, tls_port: Some(8883) };
        let generated =
            broker_configuration(&Layout::default(), &"entrance".parse().unwrap(), &listeners);
        assert_eq!(sample, generated, "run `make config`");
    }
}
