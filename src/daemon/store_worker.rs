//! Store thread: executes operations on the vault, one after the other, so that the main loop never
//! waits for the disk.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use instored_controller::{StoreRequest, StoreResponse};
use instored_domain::BoxId;
use instored_vault::{Actor, Vault};
use tokio::sync::{mpsc, oneshot};

use super::admin_api::{self, Request, audit_context};
use super::admin_socket::AdminResult;
use super::store_operations;

/// Job of the store thread.
pub(super) enum StoreJob {
    /// Operation of the controller.
    Controller(StoreRequest),
    /// Request of the command line that changes no data in memory.
    Admin { request: Request, responder: oneshot::Sender<AdminResult> },
}

/// Handle to the store thread. When it is dropped, the thread executes the waiting jobs and ends.
pub(super) struct StoreWorker(Sender<StoreJob>);

impl StoreWorker {
    /// Starts the thread. Results of the controller's operations are sent to `responses`, in the
    /// sequence of the operations.
    pub fn start(
        vault: Arc<Vault>,
        box_id: BoxId,
        responses: mpsc::UnboundedSender<StoreResponse>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (sender, jobs) = channel();
        let run = move || {
            for job in jobs {
                match job {
                    StoreJob::Controller(request) => {
                        let response = store_operations::execute(&vault, &box_id, request);
                        // Fails if the daemon has stopped.
                        let _ = responses.send(response);
                    }
                    StoreJob::Admin { request, responder } => {
                        let context = audit_context(Actor::Operator);
                        // None of these requests adds orders, so the currency does not matter.
                        let result = admin_api::execute(&vault, &box_id, request, context, None);
                        // Fails if the client has disconnected.
                        let _ = responder.send(result);
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("store".into()).spawn(run)?;
        Ok((Self(sender), thread))
    }

    /// Queues a job. It is dropped if the thread has panicked.
    pub fn send(&self, job: StoreJob) {
        let _ = self.0.send(job);
    }
}
