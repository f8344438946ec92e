//! How the box proves itself to the broker, and the broker to the box.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rumqttc::{TlsConfiguration, Transport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::{BusError, Settings};

/// The account and its password, where the broker wants one.
pub(super) fn credentials(settings: &Settings) -> Result<Option<(String, String)>, BusError> {
    match (&settings.username, &settings.password_file) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(BusError::Setting("password_file needs a username")),
        (Some(user), None) => Ok(Some((user.clone(), String::new()))),
        (Some(user), Some(path)) => {
            let password = fs::read_to_string(path).map_err(|source| BusError::File {
                key: "password_file",
                path: path.clone(),
                source,
            })?;
            Ok(Some((user.clone(), password.trim_end_matches(['\r', '\n']).to_owned())))
        }
    }
}

/// The transport, where it is not plain TCP.
pub(super) fn transport(settings: &Settings) -> Result<Option<Transport>, BusError> {
    let files = [&settings.ca_file, &settings.client_cert, &settings.client_key];
    if !settings.tls {
        if files.iter().any(|file| file.is_some()) {
            return Err(BusError::Setting("certificates are set, but tls is not: set tls = true"));
        }
        return Ok(None);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| BusError::Tls(error.to_string()))?
        .with_root_certificates(roots(settings.ca_file.as_deref())?);
    let config = match (&settings.client_cert, &settings.client_key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates("client_cert", certificate)?;
            let key = PrivateKeyDer::from_pem_slice(&read("client_key", key)?)
                .map_err(|error| BusError::Tls(format!("client_key: {error}")))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| BusError::Tls(format!("client_cert: {error}")))?
        }
        _ => return Err(BusError::Setting("client_cert and client_key need each other")),
    };
    Ok(Some(Transport::Tls(TlsConfiguration::Rustls(Arc::new(config)))))
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, BusError> {
    let mut roots = RootCertStore::empty();
    let found = match ca_file {
        Some(path) => certificates("ca_file", path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(found);
    if roots.is_empty() {
        let hint = "no certificate authority is known: set ca_file, or install ca-certificates";
        return Err(BusError::Tls(hint.to_owned()));
    }
    Ok(roots)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, BusError> {
    CertificateDer::pem_slice_iter(&read(key, path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| BusError::Tls(format!("{key}: {error}")))
}

fn read(key: &'static str, path: &Path) -> Result<Vec<u8>, BusError> {
    fs::read(path).map_err(|source| BusError::File { key, path: path.to_owned(), source })
}
