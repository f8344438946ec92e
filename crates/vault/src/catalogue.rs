//! Catalogue: the products that the shop sells.
//!
//! Products are not personal data, so they are neither signed nor encrypted. Each has a MAC that
//! detects changes, because customers rely on the listed allergens.

use instored_domain::Product;
use serde::{Deserialize, Serialize};

use crate::audit::{AuditAction, AuditContext};
use crate::error::VaultError;
use crate::record::cbor;
use crate::record_error::RecordError;
use crate::schema::{PRODUCTS, Rows};
use crate::symmetric_key::SymmetricKey;
use crate::vault::Vault;
use crate::verified::{Rejected, Verified};

/// First byte of a product's row.
const FORMAT: u8 = 3;
const MAC_LENGTH: usize = 16;

/// Outcome of putting products into the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CatalogueUpdate {
    /// Number of new products.
    pub added: u64,
    /// Number of products that replaced a different version.
    pub changed: u64,
    /// Number of products that were already stored in the same version.
    pub unchanged: u64,
}

impl Vault {
    /// Stores products in one commit. A product replaces the stored product with the same SKU.
    ///
    /// # Errors
    /// If the vault cannot be written. Nothing is changed then.
    pub fn put_products(
        &self,
        products: &[Product],
        context: AuditContext,
    ) -> Result<CatalogueUpdate, VaultError> {
        self.write(context, |transaction| {
            let mut update = CatalogueUpdate::default();
            for product in products {
                let key = product.sku.as_bytes();
                let row = encode(&transaction.reader.derived_keys.catalogue, product)?;
                match transaction.tx().row(PRODUCTS, key)? {
                    Some(known) if known == row => {
                        update.unchanged += 1;
                        continue;
                    }
                    Some(_) => update.changed += 1,
                    None => update.added += 1,
                }
                transaction.tx().put(PRODUCTS, key, &row)?;
            }
            if update.added + update.changed > 0 {
                let products = update.added + update.changed;
                transaction.audit(AuditAction::Products, products, None);
            }
            Ok(update)
        })
    }

    /// Removes the products with these SKUs and returns the number of removed products.
    ///
    /// # Errors
    /// If the vault cannot be written. Nothing is removed then.
    pub fn remove_products(
        &self,
        skus: &[String],
        context: AuditContext,
    ) -> Result<u64, VaultError> {
        self.write(context, |transaction| {
            let mut removed = 0;
            for sku in skus {
                removed += u64::from(transaction.tx().remove(PRODUCTS, sku.as_bytes())?);
            }
            if removed > 0 {
                transaction.audit(AuditAction::Products, removed, None);
            }
            Ok(removed)
        })
    }

    /// Returns the catalogue, sorted by SKU.
    ///
    /// # Errors
    /// If the vault cannot be read. A product with an invalid MAC is listed in
    /// [`Verified::rejected`].
    pub fn products(&self) -> Result<Verified<Product>, VaultError> {
        self.read(|reader| {
            let mut products = Verified::default();
            reader.rows.rows(PRODUCTS, &[], None, &mut |key, row| {
                products.push(decode(&reader.derived_keys.catalogue, key, row));
                Ok(())
            })?;
            Ok(products)
        })
    }
}

/// Encodes a product as a row with a MAC.
pub(crate) fn encode(mac_key: &SymmetricKey, product: &Product) -> Result<Vec<u8>, VaultError> {
    let body = cbor(product)?;
    let mac = mac_key.mac(&[product.sku.as_bytes(), &body]);
    Ok([[FORMAT].as_slice(), &mac[..MAC_LENGTH], &body].concat())
}

/// Verifies and decodes the row of a product.
pub(crate) fn decode(mac_key: &SymmetricKey, key: &[u8], row: &[u8]) -> Result<Product, Rejected> {
    let read = || {
        let rest = match row.split_first() {
            Some((&FORMAT, rest)) => rest,
            Some((&other, _)) => return Err(RecordError::UnsupportedFormat(other)),
            None => return Err(RecordError::Malformed),
        };
        let (mac, body) = rest.split_at_checked(MAC_LENGTH).ok_or(RecordError::Malformed)?;
        // This comparison need not take constant time, because other processes cannot measure it.
        if mac != &mac_key.mac(&[key, body])[..MAC_LENGTH] {
            return Err(RecordError::InvalidMac);
        }
        ciborium::from_reader(body).map_err(|_| RecordError::Malformed)
    };
    read().map_err(|error| Rejected::product(&String::from_utf8_lossy(key), &error))
}
