//! Routing of admin requests to the part of the daemon that executes them.

use std::sync::Arc;

use instored_controller::{ClientId, Event, OperatorRequest, OperatorResponse};
use instored_domain::ForgetSummary;
use instored_mqtt::Signer;
use instored_vault::{Actor, VaultError};
use tokio::sync::oneshot;

use super::admin_api::{self, Request, Response, audit_context};
use super::admin_socket::{AdminResult, PendingRequest};
use super::store_worker::StoreJob;
use super::{Daemon, TaskResult, startup};

/// Result of a long-running admin request, with the sender that passes it to the client.
pub(super) struct BackgroundResult {
    result: AdminResult,
    /// Signer with the new key after a key rotation.
    signer: Option<Result<Signer, VaultError>>,
    responder: oneshot::Sender<AdminResult>,
}

impl Daemon {
    /// Executes a request that needs the daemon's data, or passes it on.
    pub(super) fn handle_admin_request(&mut self, pending: PendingRequest) {
        let PendingRequest { request, responder } = pending;
        let request = match request {
            Request::MqttStatistics => {
                let statistics = self.publisher.statistics();
                // Fails if the client has disconnected.
                let _ = responder.send(Ok(Response::MqttStatistics(statistics)));
                return;
            }
            Request::HoldButton { duration } => {
                let held = self.simulated_button.hold(duration);
                let _ = responder.send(held.map(|()| Response::ButtonHeld));
                return;
            }
            Request::Forget { customer } => OperatorRequest::Forget(customer),
            Request::Rename { customer, name } => OperatorRequest::Rename { customer, name },
            Request::AddOrders { orders } => OperatorRequest::AddOrders(orders),
            Request::VoidOrder { customer, order } => {
                OperatorRequest::VoidOrder { customer, order }
            }
            Request::PutProducts { products } => {
                OperatorRequest::ChangeCatalogue { products, removed: Vec::new() }
            }
            Request::RemoveProducts { skus } => {
                OperatorRequest::ChangeCatalogue { products: Vec::new(), removed: skus }
            }
            Request::OfferEnrolment { is_another_person } => {
                OperatorRequest::OfferEnrolment { is_another_person }
            }
            Request::Retention => OperatorRequest::Retention,
            Request::ConfirmDue => OperatorRequest::ConfirmDue,
            request if request.is_long_running() => {
                return self.start_background_request(request, responder);
            }
            request => {
                return self.store.send(StoreJob::Admin { request, responder });
            }
        };
        self.last_client += 1;
        let client = ClientId(self.last_client);
        self.clients.insert(client, responder);
        self.handle(Event::Operator { request, client });
    }

    /// Executes a long-running request on a separate thread.
    pub(super) fn start_background_request(
        &self,
        request: Request,
        responder: oneshot::Sender<AdminResult>,
    ) {
        let vault = Arc::clone(&self.vault);
        let box_id = self.box_id.clone();
        let (results, currency) = (self.results.clone(), self.controller.settings().currency);
        tokio::task::spawn_blocking(move || {
            let context = audit_context(Actor::Operator);
            let result = admin_api::execute(&vault, &box_id, request, context, currency);
            let is_rotated = matches!(result, Ok(Response::Rotated(_)));
            let signer = is_rotated.then(|| startup::signer(&vault));
            let result = BackgroundResult { result, signer, responder };
            // Fails if the daemon has stopped.
            let _ = results.send(TaskResult::Request(result));
        });
    }

    /// Sends the response to a long-running request. After a key rotation, events are signed with the
    /// new key.
    pub(super) fn complete_background_request(&mut self, completed: BackgroundResult) {
        let BackgroundResult { result, signer, responder } = completed;
        match signer {
            Some(Ok(signer)) => self.publisher.rotate_key(signer),
            Some(Err(error)) => tracing::error!(
                "events are signed with the old key until a restart: cannot read the vault: {error}"
            ),
            None => {}
        }
        if let Err(Ok(Response::BackedUp { file, .. })) = responder.send(result) {
            // The client has disconnected.
            tokio::task::spawn_blocking(move || {
                if let Err(error) = std::fs::remove_file(&file) {
                    tracing::warn!(
                        "cannot delete the abandoned backup {}: {error}",
                        file.display()
                    );
                }
            });
        }
    }
}

/// Returns the response of the admin API to a request that the controller executed.
pub(super) fn admin_response(response: OperatorResponse) -> Response {
    match response {
        OperatorResponse::Forgotten(ForgetSummary { templates, orders }) => {
            Response::Forgotten { templates, orders }
        }
        OperatorResponse::Offered => Response::Offered,
        OperatorResponse::Customer(customer) => Response::Customer(customer),
        OperatorResponse::Added(outcomes) => Response::Added(outcomes),
        OperatorResponse::Catalogue(change) => Response::Catalogue(change),
        OperatorResponse::Retention { status, due } => Response::Retention { status, due },
    }
}
