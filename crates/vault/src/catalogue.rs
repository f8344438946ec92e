//! Catalogue: the products that the shop sells.
//!
//! Products are not personal data, so they are neither signed nor encrypted. Each has a MAC that
//! detects changes, because customers rely on the listed allergens.

use instored_domain::{CatalogueChange, Product};

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

impl Vault {
    /// Stores products, and removes those with the SKUs in `removed_skus`, in one commit. A product
    /// replaces the stored product with the same SKU.
    ///
    /// # Errors
    /// If the vault cannot be written. Nothing is changed then.
    pub fn change_products(
        &self,
        products: &[Product],
        removed_skus: &[String],
        context: AuditContext,
    ) -> Result<CatalogueChange, VaultError> {
        self.write(context, |transaction| {
            let mut update = CatalogueChange::default();
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
            for sku in removed_skus {
                let is_removed = transaction.tx().remove(PRODUCTS, sku.as_bytes())?;
                update.removed += u64::from(is_removed);
            }
            let products = update.added + update.changed + update.removed;
            if products > 0 {
                transaction.audit(AuditAction::Products, products, None);
            }
            Ok(update)
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
