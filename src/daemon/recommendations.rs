//! What customers may want, kept in step with what the vault takes in, and learned in the background.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use instored_domain::{Customer, CustomerId, Order, Recommendation};
use instored_recommend::{Catalogue, Ranker, Recommender};
use instored_vault::{Vault, VaultError};
use jiff::Zoned;

/// The recommender of the shop's own orders. One thread at a time learns beside it.
pub(super) struct Recommendations {
    recommender: Recommender,
    catalogue: Catalogue,
    learning: Option<JoinHandle<Ranker>>,
    /// How many orders there were when learning began last, and when that was.
    learned: Option<(u64, Instant)>,
    /// Somebody whose purchases were learned from was forgotten.
    stale: bool,
}

/// What is learned hardly changes until there is so much more to learn from.
const WORTH_LEARNING: f64 = 1.05;
/// At least so long between two times, unless somebody was forgotten.
const LEARNING_PAUSE: Duration = Duration::from_secs(3600);

impl Recommendations {
    /// Knows what is in the vault.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn of(vault: &Vault) -> Result<Self, VaultError> {
        let mut recommender = Recommender::default();
        let refused = vault.for_each_order_history(|_, orders| {
            for order in orders {
                recommender.add_order(order);
            }
        })?;
        for refused in refused {
            tracing::error!("{refused}");
        }
        let mut advisor = Self {
            recommender,
            catalogue: Catalogue::default(),
            learning: None,
            learned: None,
            stale: false,
        };
        advisor.read_catalogue(vault)?;
        Ok(advisor)
    }

    /// At most `limit` products for a customer who has come in.
    pub fn advise(&self, customer: &Customer, now: &Zoned, limit: usize) -> Vec<Recommendation> {
        let Customer { id, preferences, .. } = customer;
        self.recommender.recommend(*id, now, limit, preferences, &self.catalogue)
    }

    /// What a product is called that is in the catalogue, or was ever bought.
    pub fn product_name(&self, sku: &str) -> Option<&str> {
        self.recommender.product_name(sku, &self.catalogue)
    }

    /// An order was stored.
    pub fn take(&mut self, order: &Order) {
        self.recommender.add_order(order);
    }

    /// A customer is forgotten.
    pub fn forget(&mut self, customer: CustomerId) {
        self.recommender.remove_customer(customer);
        self.stale = true;
    }

    /// A customer's orders are others than before.
    ///
    /// # Errors
    /// When the vault cannot be read.
    pub fn read_customer(&mut self, vault: &Vault, id: CustomerId) -> Result<(), VaultError> {
        let orders = vault.orders(id, usize::MAX)?;
        self.recommender.remove_customer(id);
        orders.records.iter().for_each(|order| self.take(order));
        Ok(())
    }

    /// The catalogue has changed.
    ///
    /// # Errors
    /// When the vault cannot be read; then it stays as it was.
    pub fn read_catalogue(&mut self, vault: &Vault) -> Result<(), VaultError> {
        let products = vault.products()?;
        for refused in products.rejected {
            tracing::error!("{refused}");
        }
        self.catalogue = Catalogue::default();
        for product in products.records {
            self.catalogue.insert(product);
        }
        Ok(())
    }

    /// Takes over what was learned, and begins to learn anew when it is worth it. To be called now
    /// and then.
    pub fn tend(&mut self) {
        if let Some(done) = self.learning.take_if(|learning| learning.is_finished()) {
            match done.join() {
                // What was learned before somebody was forgotten may still show them.
                Ok(ranker) if !self.stale => self.recommender.set_ranker(ranker),
                Ok(_) => {}
                Err(_) => tracing::error!("learning what customers want broke down"),
            }
        }
        if self.learning.is_none() && self.is_due() {
            self.stale = false;
            self.learned = Some((self.recommender.order_count(), Instant::now()));
            let copy = self.recommender.clone();
            let thread = std::thread::Builder::new().name("learning".into());
            self.learning = thread
                .spawn(move || copy.train())
                .inspect_err(|e| tracing::error!("cannot start a thread: {e}"))
                .ok();
        }
    }

    fn is_due(&self) -> bool {
        let orders = self.recommender.order_count();
        match self.learned {
            None => orders > 0,
            Some(_) if self.stale => true,
            Some((then, when)) => {
                orders as f64 > then as f64 * WORTH_LEARNING && when.elapsed() >= LEARNING_PAUSE
            }
        }
    }
}
