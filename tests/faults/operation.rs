//! Operations and faults of a walk, and their random choice.

use fastrand::Rng;
use serde::{Deserialize, Serialize};

/// One step of a walk. Customers, files and portraits are chosen by a number modulo their count, so that
/// an operation is independent of the ones before it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// Waits.
    Pause { ms: u64 },
    /// Presses the button twice, which enrols a person in view who is not a customer, and waits for the end of
    /// the enrolment, at most for this time.
    Press { ms: u64 },
    /// Starts an enrolment by command, for a person who is known to be another one, and waits in the same
    /// way.
    Enrol { ms: u64 },
    /// Sends an order, by claim code or by customer id.
    Order { customer: usize, by_claim_code: bool },
    /// Deletes a customer by command.
    ForgetByCommand { customer: usize },
    /// Deletes a customer on the command line.
    Forget { customer: usize },
    /// Deletes a customer on the command line while the daemon is stopped.
    ForgetWhileStopped { customer: usize },
    /// Replaces the keys.
    Rotate,
    /// Replaces the keys, and kills the daemon meanwhile.
    RotateAndKill { ms: u64 },
    /// Rewrites the vault's file.
    Compact,
    /// Writes a backup.
    Backup,
    /// Restores the last backup into the same vault.
    Restore,
    /// Restores the last backup into a new vault.
    RestoreElsewhere,
    /// Kills the daemon and starts it again, with the portrait of another person.
    Kill { portrait: usize },
    /// Stops the daemon and starts it again, with the portrait of another person.
    Restart { portrait: usize },
    /// Stops all threads of the daemon for a time (SIGSTOP).
    Freeze { ms: u64 },
    /// Stops the broker. It starts again, without memory, after this time.
    StopBroker { ms: u64 },
    /// Closes all connections between box and broker.
    Cut,
    /// Delays each packet between box and broker, until this time is over.
    Delay { packet_ms: u64, ms: u64 },
    /// Drops all packets of the existing connections without closing them.
    HalfOpen,
    /// Drops the next packet with a message or an acknowledgement.
    DropPacket { is_to_box: bool },
    /// Moves a file of the vault away, starts the daemon, and moves the file back.
    MoveFile { file: usize },
    /// Runs the daemon with another clock for a moment.
    WrongClock { days: i64 },
    /// Fills the disk, until this time is over.
    FillDisk { ms: u64 },
}

/// Days by which a clock is wrong: 13 months ahead, the year 1972, and one day ahead. The first is chosen
/// most often, because it makes all customers look inactive.
const CLOCK_OFFSETS_DAYS: [i64; 4] = [400, 400, -20_000, 1];

impl Operation {
    /// Chooses an operation.
    pub fn random(random: &mut Rng) -> Self {
        let customer = random.usize(..1000);
        let portrait = random.usize(..1000);
        match random.u32(..100) {
            0..3 => Self::Pause { ms: random.u64(200..3000) },
            3..13 => Self::Press { ms: random.u64(..15_000) },
            13..19 => Self::Enrol { ms: random.u64(..15_000) },
            19..36 => Self::Order { customer, by_claim_code: random.bool() },
            36..39 => Self::ForgetByCommand { customer },
            39..42 => Self::Forget { customer },
            42..44 => Self::ForgetWhileStopped { customer },
            44..48 => Self::Rotate,
            48..51 => Self::RotateAndKill { ms: random.u64(..400) },
            51..53 => Self::Compact,
            53..56 => Self::Backup,
            56..58 => Self::Restore,
            58..60 => Self::RestoreElsewhere,
            60..67 => Self::Kill { portrait },
            67..69 => Self::Restart { portrait },
            69..72 => Self::Freeze { ms: random.u64(500..4000) },
            72..76 => Self::StopBroker { ms: random.u64(500..20_000) },
            76..80 => Self::Cut,
            80..83 => Self::Delay { packet_ms: random.u64(20..500), ms: random.u64(1000..8000) },
            83..86 => Self::HalfOpen,
            86..91 => Self::DropPacket { is_to_box: random.bool() },
            91..93 => Self::MoveFile { file: random.usize(..1000) },
            93..97 => Self::WrongClock {
                days: CLOCK_OFFSETS_DAYS[random.usize(..CLOCK_OFFSETS_DAYS.len())],
            },
            _ => Self::FillDisk { ms: random.u64(1000..8000) },
        }
    }

    /// Returns true if the operation is a fault.
    pub fn is_fault(&self) -> bool {
        use Operation::{
            Cut, Delay, DropPacket, FillDisk, Freeze, HalfOpen, Kill, MoveFile, RotateAndKill,
            StopBroker, WrongClock,
        };
        matches!(
            self,
            Cut | Delay { .. }
                | DropPacket { .. }
                | FillDisk { .. }
                | Freeze { .. }
                | HalfOpen
                | Kill { .. }
                | MoveFile { .. }
                | RotateAndKill { .. }
                | StopBroker { .. }
                | WrongClock { .. }
        )
    }
}

#[test]
fn operations_depend_on_seed_only_and_can_be_logged() {
    let operations = |seed| {
        let mut random = Rng::with_seed(seed);
        (0..1000).map(|_| Operation::random(&mut random)).collect::<Vec<_>>()
    };
    let first = operations(1);
    assert_eq!(first, operations(1));
    assert_ne!(first, operations(2));
    for operation in &first {
        let line = serde_json::to_string(operation).unwrap();
        assert_eq!(serde_json::from_str::<Operation>(&line).unwrap(), *operation, "{line}");
    }
    let faults = first.iter().filter(|operation| operation.is_fault()).count();
    assert!((300..500).contains(&faults), "{faults} of 1000 operations are faults");
}
