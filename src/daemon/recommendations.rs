//! Recommendations from the shop's own orders, with background training of the ranking model.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use instored_domain::{Customer, CustomerId, Order, Product, Recommendation};
use instored_recommend::{Catalogue, Ranker, Recommender};
use instored_vault::{Vault, VaultError};
use jiff::Zoned;

/// Minimum growth factor of the number of orders for another training. With fewer new orders, the
/// model would hardly change.
const TRAINING_GROWTH_MIN: f64 = 1.05;
/// Minimum time between two trainings, unless a customer was deleted.
const TRAINING_INTERVAL: Duration = Duration::from_secs(3600);

/// Recommender and catalogue, kept consistent with the vault.
pub(super) struct Recommendations {
    recommender: Recommender,
    catalogue: Catalogue,
    /// Training in progress. At most one runs at a time.
    training: Option<JoinHandle<Ranker>>,
    /// Number of orders at the start of the last training, and the time of this start.
    last_training: Option<(u64, Instant)>,
    /// True if a customer was deleted after the last training started: the trained model may still
    /// contain the purchases of this customer.
    is_stale: bool,
}

impl Recommendations {
    /// Loads orders and catalogue from the vault.
    ///
    /// # Errors
    /// Returns an error if the vault cannot be read.
    pub fn load(vault: &Vault) -> Result<Self, VaultError> {
        let mut recommender = Recommender::default();
        let rejected = vault.for_each_order_history(|_, orders| {
            for order in orders {
                recommender.add_order(order);
            }
        })?;
        for rejected in rejected {
            tracing::error!("{rejected}");
        }
        let products = vault.products()?;
        for rejected in products.rejected {
            tracing::error!("{rejected}");
        }
        Ok(Self {
            recommender,
            catalogue: products.records.into_iter().collect(),
            training: None,
            last_training: None,
            is_stale: false,
        })
    }

    /// Returns at most `limit` products for a customer, best first.
    pub fn recommend(&self, customer: &Customer, now: &Zoned, limit: usize) -> Vec<Recommendation> {
        let Customer { id, preferences, .. } = customer;
        self.recommender.recommend(*id, now, limit, preferences, &self.catalogue)
    }

    /// Returns the name of a product that is in the catalogue or was ever bought.
    pub fn product_name(&self, sku: &str) -> Option<&str> {
        self.recommender.product_name(sku, &self.catalogue)
    }

    /// Adds a stored order.
    pub fn add_order(&mut self, order: &Order) {
        self.recommender.add_order(order);
    }

    /// Removes a deleted customer and discards the model that was trained on their orders.
    pub fn remove_customer(&mut self, customer: CustomerId) {
        self.recommender.remove_customer(customer);
        self.is_stale = true;
    }

    /// Reloads a customer's orders after an order was voided.
    ///
    /// # Errors
    /// Returns an error if the vault cannot be read.
    pub fn reload_customer(&mut self, vault: &Vault, id: CustomerId) -> Result<(), VaultError> {
        let orders = vault.orders(id, usize::MAX)?;
        self.recommender.remove_customer(id);
        orders.records.iter().for_each(|order| self.add_order(order));
        Ok(())
    }

    /// Applies a change of the catalogue that the vault has stored.
    pub fn change_catalogue(&mut self, products: &[Product], removed_skus: &[String]) {
        products.iter().cloned().for_each(|product| self.catalogue.insert(product));
        removed_skus.iter().for_each(|sku| self.catalogue.remove(sku));
    }

    /// Installs a trained model and starts the next training if it is due.
    pub fn update_model(&mut self) {
        if let Some(thread) = self.training.take_if(|thread| thread.is_finished()) {
            match thread.join() {
                Ok(ranker) if !self.is_stale => self.recommender.set_ranker(ranker),
                Ok(_) => {}
                Err(_) => tracing::error!("training of the recommendation model panicked"),
            }
        }
        if self.training.is_none() && self.is_training_due() {
            self.start_training();
        }
    }

    fn start_training(&mut self) {
        self.is_stale = false;
        self.last_training = Some((self.recommender.order_count(), Instant::now()));
        let recommender = self.recommender.clone();
        self.training = std::thread::Builder::new()
            .name("training".into())
            .spawn(move || recommender.train())
            .inspect_err(|error| tracing::error!("cannot start the training thread: {error}"))
            .ok();
    }

    fn is_training_due(&self) -> bool {
        let orders = self.recommender.order_count();
        match self.last_training {
            None => orders > 0,
            Some(_) if self.is_stale => true,
            Some((trained_orders, started)) => {
                orders as f64 > trained_orders as f64 * TRAINING_GROWTH_MIN
                    && started.elapsed() >= TRAINING_INTERVAL
            }
        }
    }
}
