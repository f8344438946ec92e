//! Certificate authority of a shop, and the certificate of its broker.

use std::net::IpAddr;

use jiff::civil::Date;
use jiff::{Span, ToSpan as _};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use zeroize::Zeroizing;

use super::error::SetupError;

/// Common name of the authority. It is constant, so that a later certificate of the broker names the same
/// issuer.
const AUTHORITY_NAME: &str = "instored authority";
/// Lifetimes in years. A shop has nobody who renews certificates every few months, and the keys never leave
/// the machine.
const AUTHORITY_YEARS: i16 = 30;
const BROKER_YEARS: i16 = 10;
/// Remaining lifetime below which a repeated set-up renews the broker's certificate, in years.
const RENEWAL_YEARS: i16 = 2;
/// Days by which the clocks of other machines may be behind.
const CLOCK_TOLERANCE_DAYS: i32 = 2;

/// Certificate and private key, both PEM.
pub(super) struct Identity {
    pub certificate: String,
    pub key: Zeroizing<String>,
}

/// Returns the date on which a certificate of the broker ends that is created today.
pub(super) fn broker_expiry(today: Date) -> Date {
    later(today, BROKER_YEARS.years())
}

/// Returns true if a certificate that ends on this date has to be renewed.
pub(super) fn is_due(expires: Date, today: Date) -> bool {
    expires < later(today, RENEWAL_YEARS.years())
}

/// Checks that each address is an IP address or a host name.
pub(super) fn check_addresses(addresses: &[String]) -> Result<(), SetupError> {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_valid = |address: &&String| {
        address.parse::<IpAddr>().is_ok() || address.len() < 254 && address.split('.').all(is_label)
    };
    match addresses.iter().find(|address| !is_valid(address)) {
        Some(address) => Err(SetupError::InvalidAddress(address.clone())),
        None => Ok(()),
    }
}

/// Creates an authority.
pub(super) fn create_authority(today: Date) -> Result<Identity, SetupError> {
    let key = KeyPair::generate()?;
    let mut parameters = authority_parameters()?;
    set_lifetime(&mut parameters, today, later(today, AUTHORITY_YEARS.years()));
    let certificate = parameters.self_signed(&key)?.pem();
    Ok(Identity { certificate, key: Zeroizing::new(key.serialize_pem()) })
}

/// Creates a certificate of the broker for these addresses, signed by the authority with this key.
pub(super) fn create_broker_certificate(
    authority_key: &str,
    addresses: &[String],
    today: Date,
) -> Result<Identity, SetupError> {
    let issuer = Issuer::new(authority_parameters()?, KeyPair::from_pem(authority_key)?);
    let mut parameters = CertificateParams::new(addresses)?;
    parameters.distinguished_name.push(DnType::CommonName, "mosquitto");
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    set_lifetime(&mut parameters, today, broker_expiry(today));
    let key = KeyPair::generate()?;
    let certificate = parameters.signed_by(&key, &issuer)?.pem();
    Ok(Identity { certificate, key: Zeroizing::new(key.serialize_pem()) })
}

fn authority_parameters() -> Result<CertificateParams, SetupError> {
    let mut parameters = CertificateParams::new(Vec::new())?;
    parameters.distinguished_name.push(DnType::CommonName, AUTHORITY_NAME);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(parameters)
}

fn set_lifetime(parameters: &mut CertificateParams, today: Date, expires: Date) {
    let start = today.checked_sub(CLOCK_TOLERANCE_DAYS.days()).unwrap_or(today);
    let time = |date: Date| {
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    parameters.not_before = time(start);
    parameters.not_after = time(expires);
}

fn later(date: Date, span: Span) -> Date {
    date.checked_add(span).unwrap_or(Date::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn certificate_is_due_two_years_before_its_end() {
        let today = date(2026, 11, 28);
        assert!(!is_due(broker_expiry(today), today));
        assert!(!is_due(broker_expiry(today), date(2034, 11, 28)));
        assert!(is_due(broker_expiry(today), date(2034, 11, 29)));
    }

    #[test]
    fn addresses_are_ip_addresses_or_host_names() {
        let check = |address: &str| check_addresses(&[address.to_owned()]).is_ok();
        for valid in ["192.168.1.10", "fd00::1", "broker.local", "box-1"] {
            assert!(check(valid), "{valid}");
        }
        for invalid in ["", "a b", "192.168.1.10:8883", "a..b", "https://x", "ü"] {
            assert!(!check(invalid), "{invalid}");
        }
    }
}
