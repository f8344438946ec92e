//! Where the capture thread leaves frames for the vision thread: always the newest only.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use instored_imaging::Frame;

/// What happens to a frame that finds the one before it still lying there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// It takes its place: a live camera must never lag.
    Newest,
    /// It waits: a replay must not skip.
    EveryFrame,
}

/// One place for a frame, and a queue of orders `O` to whoever looks at the frames.
pub(super) struct FrameSlot<O> {
    inside: Mutex<Inside<O>>,
    changed: Condvar,
    delivery: Delivery,
}

struct Inside<O> {
    frame: Option<(Frame, Instant)>,
    orders: VecDeque<O>,
    closed: bool,
}

/// What was in the box.
pub(super) enum SlotItem<O> {
    Control(O),
    /// A frame, and when it was left.
    Frame(Frame, Instant),
    Closed,
}

impl<O> FrameSlot<O> {
    pub fn new(delivery: Delivery) -> Self {
        let inside = Inside { frame: None, orders: VecDeque::new(), closed: false };
        Self { inside: Mutex::new(inside), changed: Condvar::new(), delivery }
    }

    /// Leaves a frame. False when the box is closed.
    pub fn leave(&self, frame: Frame) -> bool {
        let mut inside = self.lock();
        while self.delivery == Delivery::EveryFrame && inside.frame.is_some() && !inside.closed {
            inside = self.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        inside.frame = Some((frame, Instant::now()));
        self.changed.notify_all();
        !inside.closed
    }

    /// Leaves an order; it is read before any frame.
    pub fn order(&self, order: O) {
        self.lock().orders.push_back(order);
        self.changed.notify_all();
    }

    /// Waits until something is there, and takes it.
    pub fn take(&self) -> SlotItem<O> {
        let mut inside = self.lock();
        loop {
            if inside.closed {
                return SlotItem::Closed;
            }
            if let Some(order) = inside.orders.pop_front() {
                return SlotItem::Control(order);
            }
            if let Some((frame, left)) = inside.frame.take() {
                self.changed.notify_all();
                return SlotItem::Frame(frame, left);
            }
            inside = self.changed.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing more is left or taken; what lies there is dropped.
    pub fn close(&self) {
        let mut inside = self.lock();
        inside.closed = true;
        inside.frame = None;
        inside.orders.clear();
        self.changed.notify_all();
    }

    // A panic while the lock was held left nothing half done: every change is one assignment.
    fn lock(&self) -> MutexGuard<'_, Inside<O>> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use instored_imaging::Picture;

    use super::*;

    fn frame(ms: u64) -> Frame {
        Frame { picture: Picture::filled(1, 1, [0; 3]), captured_at: Duration::from_millis(ms) }
    }

    fn taken<O>(mail: SlotItem<O>) -> Option<u128> {
        if let SlotItem::Frame(frame, _) = mail {
            Some(frame.captured_at.as_millis())
        } else {
            None
        }
    }

    #[test]
    fn a_live_camera_never_lags() {
        let frame_slot = FrameSlot::<()>::new(Delivery::Newest);
        for ms in [1, 2, 3] {
            assert!(frame_slot.leave(frame(ms)));
        }
        assert_eq!(taken(frame_slot.take()), Some(3));
        frame_slot.leave(frame(4));
        assert_eq!(taken(frame_slot.take()), Some(4));
    }

    #[test]
    fn a_replay_skips_nothing() {
        let frame_slot = Arc::new(FrameSlot::<()>::new(Delivery::EveryFrame));
        let replay = Arc::clone(&frame_slot);
        let feeder = std::thread::spawn(move || (0..50).all(|ms| replay.leave(frame(ms))));
        let seen: Vec<_> = (0..50).filter_map(|_| taken(frame_slot.take())).collect();
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
        assert!(feeder.join().unwrap());
    }

    #[test]
    fn orders_go_before_frames_and_closing_frees_a_waiting_replay() {
        let frame_slot = Arc::new(FrameSlot::new(Delivery::EveryFrame));
        frame_slot.leave(frame(1));
        frame_slot.order("stop");
        assert!(matches!(frame_slot.take(), SlotItem::Control("stop")));
        let replay = Arc::clone(&frame_slot);
        let feeder = std::thread::spawn(move || replay.leave(frame(2)));
        frame_slot.close();
        assert!(!feeder.join().unwrap());
        assert!(matches!(frame_slot.take(), SlotItem::Closed));
    }
}
