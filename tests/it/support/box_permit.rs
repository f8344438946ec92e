//! Limit on the number of boxes that run at the same time. Each box needs about one core.

use std::sync::{Condvar, Mutex, PoisonError};

const RUNNING_BOXES_MAX: usize = 2;

static RUNNING_BOXES: Mutex<usize> = Mutex::new(0);
static BOX_STOPPED: Condvar = Condvar::new();

/// Permit to run a box. Dropping the permit returns it.
pub struct Permit(());

/// Waits for a permit. A test must not request a second permit while it has one.
pub fn acquire() -> Permit {
    let running = RUNNING_BOXES.lock().unwrap_or_else(PoisonError::into_inner);
    let mut running = BOX_STOPPED
        .wait_while(running, |running| *running == RUNNING_BOXES_MAX)
        .unwrap_or_else(PoisonError::into_inner);
    *running += 1;
    Permit(())
}

impl Drop for Permit {
    fn drop(&mut self) {
        *RUNNING_BOXES.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        BOX_STOPPED.notify_one();
    }
}
