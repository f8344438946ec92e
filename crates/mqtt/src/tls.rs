//! TLS and credentials of the connection.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{MqttError, Settings};

/// Returns the user name and the password, or `None` if `username` is not set.
pub(super) fn credentials(settings: &Settings) -> Result<Option<(String, String)>, MqttError> {
    match (&settings.username, &settings.password_file) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(MqttError::InvalidSetting("password_file needs a username")),
        (Some(user), None) => Ok(Some((user.clone(), String::new()))),
        (Some(user), Some(path)) => {
            let password = fs::read_to_string(path).map_err(|source| {
                MqttError::UnreadableFile { key: "password_file", path: path.clone(), source }
            })?;
            Ok(Some((user.clone(), password.trim_end_matches(['\r', '\n']).to_owned())))
        }
    }
}

/// Returns the TLS transport, or `None` for plain TCP.
pub(super) fn transport(settings: &Settings) -> Result<Option<Transport>, MqttError> {
    let files = [&settings.ca_file, &settings.client_cert, &settings.client_key];
    if !settings.tls {
        if files.iter().any(|file| file.is_some()) {
            return Err(MqttError::InvalidSetting(
                "ca_file, client_cert and client_key need tls = true",
            ));
        }
        return Ok(None);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| MqttError::Tls(error.to_string()))?
        .with_root_certificates(root_certificates(settings.ca_file.as_deref())?);
    let config = match (&settings.client_cert, &settings.client_key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates("client_cert", certificate)?;
            let key = PrivateKeyDer::from_pem_slice(&read("client_key", key)?)
                .map_err(|error| MqttError::Tls(format!("client_key: {error}")))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| MqttError::Tls(format!("client_cert: {error}")))?
        }
        _ => {
            return Err(MqttError::InvalidSetting(
                "client_cert and client_key must be set together",
            ));
        }
    };
    Ok(Some(Transport::Tls(TlsConfiguration::Rustls(Arc::new(config)))))
}

fn root_certificates(ca_file: Option<&Path>) -> Result<RootCertStore, MqttError> {
    let mut roots = RootCertStore::empty();
    let authorities = match ca_file {
        Some(path) => certificates("ca_file", path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(authorities);
    if roots.is_empty() {
        let message = "no certificate authority found: set ca_file or install ca-certificates";
        return Err(MqttError::Tls(message.to_owned()));
    }
    Ok(roots)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, MqttError> {
    CertificateDer::pem_slice_iter(&read(key, path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| MqttError::Tls(format!("{key}: {error}")))
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, MqttError> {
    fs::read(path).map_err(|source| MqttError::UnreadableFile {
        key,
        path: path.to_owned(),
        source,
    })
}
