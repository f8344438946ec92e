//! The catalogue: what the shop sells. Nothing in it is anybody's, so it is neither signed nor
//! sealed; a MAC stops others from changing a product, whose allergens somebody may rely on.

use instored_domain::Product;
use serde::{Deserialize, Serialize};

use super::Vault;
use super::audit::{Act, Done};
use super::error::VaultError;
use super::fault::RecordFault;
use super::loaded::{Loaded, Refused};
use super::record::cbor;
use super::schema::{PRODUCTS, Rows};
use super::secret::Secret;

const CHECKED: u8 = 3;
const MAC_LENGTH: usize = 16;

/// What became of products that were put into the catalogue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ProductsPut {
    /// New ones.
    pub added: u64,
    /// Known ones that are different now.
    pub changed: u64,
    /// Known ones that are as they were.
    pub unchanged: u64,
}

impl Vault {
    /// Puts products into the catalogue, in the place of those of the same sku, in one commit.
    ///
    /// # Errors
    /// When the vault cannot be written; then none is put.
    pub fn put_products(&self, products: &[Product], act: Act) -> Result<ProductsPut, VaultError> {
        self.change(act, |change| {
            let mut put = ProductsPut::default();
            for product in products {
                let key = product.sku.as_bytes();
                let row = check_in(&change.reader.ring.catalogue, product)?;
                match change.tx().row(PRODUCTS, key)? {
                    Some(known) if known == row => {
                        put.unchanged += 1;
                        continue;
                    }
                    Some(_) => put.changed += 1,
                    None => put.added += 1,
                }
                change.tx().put(PRODUCTS, key, &row)?;
            }
            if put.added + put.changed > 0 {
                change.note(Done::Products, put.added + put.changed, None);
            }
            Ok(put)
        })
    }

    /// Takes products out of the catalogue, and says how many were in it.
    ///
    /// # Errors
    /// When the vault cannot be written; then none is taken out.
    pub fn remove_products(&self, skus: &[String], act: Act) -> Result<u64, VaultError> {
        self.change(act, |change| {
            let mut removed = 0;
            for sku in skus {
                removed += u64::from(change.tx().remove(PRODUCTS, sku.as_bytes())?);
            }
            if removed > 0 {
                change.note(Done::Products, removed, None);
            }
            Ok(removed)
        })
    }

    /// The catalogue, by sku.
    ///
    /// # Errors
    /// When the vault cannot be read; a product that was changed is refused by itself.
    pub fn products(&self) -> Result<Loaded<Product>, VaultError> {
        self.read(|reader| {
            let mut loaded = Loaded::default();
            reader.rows.rows(PRODUCTS, &[], None, &mut |key, row| {
                loaded.push(check_out(&reader.ring.catalogue, key, row));
                Ok(())
            })?;
            Ok(loaded)
        })
    }
}

/// The row of a product.
pub(super) fn check_in(secret: &Secret, product: &Product) -> Result<Vec<u8>, VaultError> {
    let body = cbor(product)?;
    let mac = secret.mac(&[product.sku.as_bytes(), &body]);
    Ok([[CHECKED].as_slice(), &mac[..MAC_LENGTH], &body].concat())
}

/// The product in a row.
pub(super) fn check_out(secret: &Secret, key: &[u8], row: &[u8]) -> Result<Product, Refused> {
    let read = || {
        let rest = match row.split_first() {
            Some((&CHECKED, rest)) => rest,
            Some((&other, _)) => return Err(RecordFault::Format(other)),
            None => return Err(RecordFault::Malformed),
        };
        let (mac, body) = rest.split_at_checked(MAC_LENGTH).ok_or(RecordFault::Malformed)?;
        // Who could time this comparison is in the program already.
        if mac != &secret.mac(&[key, body])[..MAC_LENGTH] {
            return Err(RecordFault::Mac);
        }
        ciborium::from_reader(body).map_err(|_| RecordFault::Malformed)
    };
    read().map_err(|fault| Refused::product(&String::from_utf8_lossy(key), &fault))
}
