//! Execution of an operation.

use std::time::Duration;

use anyhow::Result;
use instored_controller::{Event, OperatorRequest, StoreRequest};
use instored_domain::{AgreementCode, BuyerRef, ClaimCode, Command, HistoryView, Page};
use instored_panel::ButtonEvent;
use jiff::SignedDuration;

use super::World;
use super::commands::{new_product, till};
use crate::camera::PEOPLE;
use crate::operation::Operation;
use crate::process;

/// Time in which a press agrees to an offer.
const OFFER_TIME: Duration = Duration::from_secs(15);

impl World {
    /// Executes an operation.
    pub(super) fn execute(&mut self, operation: &Operation) -> Result<()> {
        match *operation {
            Operation::Run { steps } => self.run(steps)?,
            Operation::RunVault { count } => self.run_vault(count)?,
            Operation::RunNetwork { count } => self.run_network(count)?,
            Operation::RunCamera => self.camera.run(),
            Operation::Enter { person } => self.camera.enter(person),
            Operation::Leave { person } => self.camera.leave(person),
            Operation::PressAlone { person } => {
                (0..PEOPLE).filter(|n| *n != person % PEOPLE).for_each(|n| self.camera.leave(n));
                self.camera.enter(person);
                self.press()?;
                self.press()?;
                self.camera.run();
                self.camera.capture(false);
            }
            Operation::Press => {
                self.press()?;
            }
            Operation::Hold => {
                // A hold permits only the deletion that it causes.
                let requests = &self.process.requests;
                self.vault.permits.held.retain(|held| {
                    requests.iter().any(|request| {
                        matches!(request, StoreRequest::Forget { customer, .. } if customer == held)
                    })
                });
                // If several customers are in view, the customer at the button is unknown.
                if let [customer] = *self.reported_present {
                    self.vault.permits.held.insert(customer);
                }
                self.handle(Event::Button(ButtonEvent::HoldStarted))?;
                self.handle(Event::Button(ButtonEvent::HoldCompleted))?;
            }
            Operation::AbortHold { is_released } => {
                self.handle(Event::Button(ButtonEvent::HoldStarted))?;
                self.handle(Event::Button(ButtonEvent::HoldAborted))?;
                if is_released {
                    self.press()?;
                }
            }
            Operation::Capture { times_out } => self.camera.capture(times_out),
            Operation::SuspectAttack => self.camera.suspect_attack(),
            Operation::Enrol => {
                self.send(Command::Enrol { language: None });
            }
            Operation::Agree { code } => {
                let code = match self.offered_codes.len() {
                    0 => AgreementCode(uuid::Uuid::nil()),
                    count => self.offered_codes[code % count],
                };
                self.send(Command::Agree { code });
            }
            Operation::Present { republishes_greetings } => {
                self.send(Command::Present { republishes_greetings });
            }
            Operation::Forget { customer, has_code } => {
                let customer = self.vault.choose(customer);
                let waiting = self.process.commands.len();
                let code = self.vault.accounts.get(&customer).map(|account| account.claim);
                let code = code.filter(|_| has_code).unwrap_or(ClaimCode::from_random([1; 8]));
                self.send(Command::Forget { customer, code });
                if has_code && self.process.commands.len() > waiting {
                    self.vault.permits.requested.insert(customer);
                }
            }
            Operation::NotMe { customer } => {
                let customer = self.vault.choose(customer);
                self.send(Command::NotMe { customer });
            }
            Operation::Rename { customer } => {
                let (customer, name) = (self.vault.choose(customer), "Ada".parse().ok());
                self.send(Command::Rename { customer, name });
            }
            Operation::Preferences { customer, can_show_history } => {
                let customer = self.vault.choose(customer);
                self.send(Command::Preferences {
                    customer,
                    can_recommend: None,
                    can_show_history,
                    allergens: None,
                });
            }
            Operation::History { customer } => {
                let customer = self.vault.choose(customer);
                let page = Page { page: 1, limit: 20 };
                self.send(Command::History { customer, view: HistoryView::Time, page });
            }
            Operation::AtTill { customer, by_claim_code } => {
                let till = till(customer);
                let buyer = self.buyer(customer, by_claim_code);
                self.send(Command::AtTill { buyer, till });
            }
            Operation::Order { customer, buyer } => self.send_order(customer, buyer),
            Operation::RepeatOrder { order } => self.repeat_order(order),
            Operation::List { customer } => {
                let buyer = BuyerRef::Customer(self.vault.choose(customer));
                let (add, remove) = (vec!["1".to_owned()], vec!["2".to_owned()]);
                self.send(Command::List { buyer, add, remove });
            }
            Operation::Catalogue { product } => {
                let (products, remove) = (vec![new_product(product)], vec!["9".to_owned()]);
                self.send(Command::Catalogue { products, remove });
            }
            Operation::OperatorForget { customer } => {
                let customer = self.vault.choose(customer);
                self.vault.permits.requested.insert(customer);
                self.request(OperatorRequest::Forget(customer))?;
            }
            Operation::OperatorOrders { customer } => {
                let customer = self.vault.choose(customer);
                let order = self.new_order().with_customer(customer);
                self.request(OperatorRequest::AddOrders(vec![order]))?;
            }
            Operation::OperatorVoid { customer } => self.void_order(customer)?,
            Operation::ConfirmDue => self.request(OperatorRequest::ConfirmDue)?,
            Operation::RotateKey => {
                self.key += 1;
                self.process.publisher.rotate_key(process::signer(self.key));
            }
            Operation::ReloadSettings => {
                self.handle(Event::SettingsChanged(self.settings.clone()))?
            }
            Operation::Wait { duration } => self.wait(duration)?,
            Operation::Cut { next_arrives } => self.cut(next_arrives)?,
            Operation::StopBroker => {
                self.cut(false)?;
                self.broker.is_running = false;
            }
            Operation::StartBroker { keeps_retained } => self.start_broker(keeps_retained),
            Operation::Reject { is_retried } => {
                if std::mem::take(&mut self.process.is_in_flight) {
                    self.faults.has_rejected |= !is_retried;
                    // A rejected departure leaves a greeting on the display until it expires.
                    self.broker.received.last_visits.clear();
                    self.process.connection.reject(is_retried);
                }
            }
            Operation::FillDisk => self.vault.is_full = true,
            Operation::FreeDisk => self.vault.is_full = false,
            Operation::FailRead => self.vault.fails_next_read = true,
            Operation::Kill { executed } => self.kill(executed)?,
            Operation::LoseCamera => self.camera.set_streaming(false),
            Operation::RestoreCamera => self.camera.set_streaming(true),
            Operation::WrongClock { hours } => {
                self.faults.has_wrong_clock = true;
                self.clock_offset = SignedDuration::from_hours(hours);
            }
            Operation::CorrectClock => self.clock_offset = SignedDuration::ZERO,
        }
        Ok(())
    }

    /// Returns true if an operation is a fault and changes something.
    pub(super) fn is_effective_fault(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Cut { .. } => self.process.is_connected,
            Operation::StopBroker => self.broker.is_running,
            Operation::Reject { .. } => self.process.is_in_flight,
            Operation::FillDisk => !self.vault.is_full,
            Operation::FailRead => !self.vault.fails_next_read,
            Operation::LoseCamera => self.camera.is_streaming,
            Operation::Kill { .. } | Operation::WrongClock { .. } => true,
            _ => false,
        }
    }

    /// Presses the button. Within 15 seconds after an offer this is an act of consent.
    fn press(&mut self) -> Result<()> {
        let is_consent = self.offered_at.is_some_and(|at| self.uptime - at < OFFER_TIME);
        self.act(is_consent, Event::Button(ButtonEvent::ShortPress))
    }

    /// Passes an event of a person, which is an act of consent or not.
    pub(super) fn act(&mut self, is_consent: bool, event: Event) -> Result<()> {
        self.is_consent = is_consent;
        self.handle(event)?;
        self.is_consent = false;
        Ok(())
    }
}
