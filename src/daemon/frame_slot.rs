//! Handover from the capture thread to the vision thread: one frame and a queue of commands.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use instored_imaging::Frame;

/// Treatment of a frame that arrives while the previous one is still in the slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// The new frame replaces the previous frame, so that recognition does not lag behind the camera.
    Newest,
    /// The new frame waits, so that a replay skips no frame.
    EveryFrame,
}

/// Slot for one frame, with a queue of commands `C` that are taken before the frame.
pub(super) struct FrameSlot<C> {
    content: Mutex<Content<C>>,
    changed: Condvar,
    delivery: Delivery,
}

struct Content<C> {
    frame: Option<(Frame, Instant)>,
    commands: VecDeque<C>,
    /// True after the last frame of a replay was put.
    has_ended: bool,
    is_closed: bool,
}

/// Item taken from a [`FrameSlot`].
pub(super) enum SlotItem<C> {
    /// Command to the vision thread.
    Command(C),
    /// Frame, and the time at which the capture thread delivered it.
    Frame(Frame, Instant),
    /// The replay has ended; only commands follow.
    Ended,
    /// The slot is closed; nothing follows.
    Closed,
}

impl<C> FrameSlot<C> {
    /// Creates an empty slot.
    pub fn new(delivery: Delivery) -> Self {
        let content =
            Content { frame: None, commands: VecDeque::new(), has_ended: false, is_closed: false };
        Self { content: Mutex::new(content), changed: Condvar::new(), delivery }
    }

    /// Puts a frame into the slot. Returns false if the slot is closed.
    pub fn put_frame(&self, frame: Frame) -> bool {
        let mut content = self.lock();
        while self.delivery == Delivery::EveryFrame && content.frame.is_some() && !content.is_closed
        {
            content = self.changed.wait(content).unwrap_or_else(PoisonError::into_inner);
        }
        content.frame = Some((frame, Instant::now()));
        self.changed.notify_all();
        !content.is_closed
    }

    /// Reports that no further frame follows. It is taken after the last frame.
    pub fn put_end(&self) {
        self.lock().has_ended = true;
        self.changed.notify_all();
    }

    /// Queues a command. It is taken before any frame.
    pub fn send(&self, command: C) {
        self.lock().commands.push_back(command);
        self.changed.notify_all();
    }

    /// Waits for an item and takes it.
    pub fn take(&self) -> SlotItem<C> {
        let mut content = self.lock();
        loop {
            if content.is_closed {
                return SlotItem::Closed;
            }
            if let Some(command) = content.commands.pop_front() {
                return SlotItem::Command(command);
            }
            if let Some((frame, delivered)) = content.frame.take() {
                self.changed.notify_all();
                return SlotItem::Frame(frame, delivered);
            }
            if std::mem::take(&mut content.has_ended) {
                return SlotItem::Ended;
            }
            content = self.changed.wait(content).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Closes the slot and drops its content.
    pub fn close(&self) {
        let mut content = self.lock();
        content.is_closed = true;
        content.frame = None;
        content.commands.clear();
        self.changed.notify_all();
    }

    /// Locks the content. It is consistent even after a panic, because no change of it can panic.
    fn lock(&self) -> MutexGuard<'_, Content<C>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn frame_ms<C>(item: SlotItem<C>) -> Option<u128> {
        if let SlotItem::Frame(frame, _) = item {
            Some(frame.captured_at.as_millis())
        } else {
            None
        }
    }

    #[test]
    fn newest_delivery_replaces_waiting_frame() {
        let slot = FrameSlot::<()>::new(Delivery::Newest);
        for ms in [1, 2, 3] {
            assert!(slot.put_frame(frame(ms)));
        }
        assert_eq!(frame_ms(slot.take()), Some(3));
        slot.put_frame(frame(4));
        assert_eq!(frame_ms(slot.take()), Some(4));
    }

    #[test]
    fn every_frame_delivery_skips_no_frame() {
        let slot = Arc::new(FrameSlot::<()>::new(Delivery::EveryFrame));
        let replay = Arc::clone(&slot);
        let feeder = std::thread::spawn(move || (0..50).all(|ms| replay.put_frame(frame(ms))));
        let taken: Vec<_> = (0..50).filter_map(|_| frame_ms(slot.take())).collect();
        assert_eq!(taken, (0..50).collect::<Vec<_>>());
        assert!(feeder.join().unwrap());
    }

    #[test]
    fn command_precedes_frame() {
        let slot = FrameSlot::new(Delivery::EveryFrame);
        slot.put_frame(frame(1));
        slot.send("stop");
        assert!(matches!(slot.take(), SlotItem::Command("stop")));
    }

    #[test]
    fn end_follows_the_last_frame() {
        let slot = FrameSlot::<()>::new(Delivery::EveryFrame);
        slot.put_frame(frame(1));
        slot.put_end();
        assert_eq!(frame_ms(slot.take()), Some(1));
        assert!(matches!(slot.take(), SlotItem::Ended));
    }

    #[test]
    fn close_releases_waiting_replay() {
        let slot = Arc::new(FrameSlot::<()>::new(Delivery::EveryFrame));
        slot.put_frame(frame(1));
        let replay = Arc::clone(&slot);
        let feeder = std::thread::spawn(move || replay.put_frame(frame(2)));
        slot.close();
        assert!(!feeder.join().unwrap());
        assert!(matches!(slot.take(), SlotItem::Closed));
    }
}
