//! Operations and faults of a walk, and their random choice.

use fastrand::Rng;
use jiff::SignedDuration;

/// One step of a walk. People, customers and orders are chosen by a number modulo their count.
#[derive(Clone, PartialEq, Debug)]
pub enum Operation {
    /// Takes a few events from the queues of the main loop.
    Run {
        steps: usize,
    },
    /// Lets the vault execute a few requests.
    RunVault {
        count: usize,
    },
    /// Delivers a few messages to the broker.
    RunNetwork {
        count: usize,
    },
    /// Lets recognition execute its commands and process the next frame.
    RunCamera,
    Enter {
        person: usize,
    },
    Leave {
        person: usize,
    },
    /// Everybody else leaves. This person presses the button twice and looks at the camera.
    PressAlone {
        person: usize,
    },
    Press,
    Hold,
    /// Aborts a hold by a release of the button, or because the button is lost.
    AbortHold {
        is_released: bool,
    },
    /// Captures the views of an enrolment, or lets it time out.
    Capture {
        times_out: bool,
    },
    SuspectAttack,
    /// Requests the consent text and a code, as a display does.
    Enrol,
    /// Sends a code, which may be used, expired or wrong.
    Agree {
        code: usize,
    },
    Present {
        republishes_greetings: bool,
    },
    Forget {
        customer: usize,
        /// True if the code is a code of the customer.
        has_code: bool,
    },
    NotMe {
        customer: usize,
    },
    Rename {
        customer: usize,
    },
    Preferences {
        customer: usize,
        can_show_history: Option<bool>,
    },
    History {
        customer: usize,
    },
    AtTill {
        customer: usize,
        by_claim_code: bool,
    },
    Order {
        customer: usize,
        buyer: Buyer,
    },
    /// Sends an order without a response again.
    RepeatOrder {
        order: usize,
    },
    List {
        customer: usize,
    },
    Catalogue {
        product: u32,
    },
    OperatorForget {
        customer: usize,
    },
    OperatorOrders {
        customer: usize,
    },
    OperatorVoid {
        customer: usize,
    },
    ConfirmDue,
    RotateKey,
    ReloadSettings,
    Wait {
        duration: SignedDuration,
    },
    // Faults:
    /// Loses the connection to the broker. If no message is in flight, the next one is sent first,
    /// and arrives or is lost.
    Cut {
        next_arrives: bool,
    },
    /// Stops the broker until `StartBroker`, which keeps or clears its retained messages.
    StopBroker,
    StartBroker {
        keeps_retained: bool,
    },
    /// The broker rejects the message in flight.
    Reject {
        /// True if the box sends the message again.
        is_retried: bool,
    },
    FillDisk,
    FreeDisk,
    /// Lets the next read of the outbox fail.
    FailRead,
    /// Kills the daemon after the vault has executed some of the waiting requests.
    Kill {
        executed: usize,
    },
    LoseCamera,
    RestoreCamera,
    /// Sets the clock of the box ahead or back by this time. No time server confirms it.
    WrongClock {
        hours: i64,
    },
    CorrectClock,
}

/// Reference to the buyer of an order.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Buyer {
    Customer,
    ClaimCode,
    Till,
}

const CLOCK_OFFSETS_HOURS: [i64; 5] = [24 * 400, -24 * 20_000, 24, 24 * 9, -1];

impl Operation {
    /// Chooses an operation.
    pub fn random(random: &mut Rng) -> Self {
        let (customer, person) = (random.usize(..1000), random.usize(..1000));
        match random.u32(..200) {
            0..12 => Self::Run { steps: random.usize(1..8) },
            12..24 => Self::PressAlone { person },
            24..40 => Self::RunVault { count: random.usize(1..6) },
            40..54 => Self::RunNetwork { count: random.usize(1..8) },
            54..66 => Self::RunCamera,
            66..74 => Self::Enter { person },
            74..84 => Self::Leave { person },
            84..91 => Self::Press,
            91..93 => Self::Hold,
            93 => Self::AbortHold { is_released: random.bool() },
            94..102 => Self::Capture { times_out: random.u8(..5) == 0 },
            102 => Self::SuspectAttack,
            103..105 => Self::Enrol,
            105..107 => Self::Agree { code: random.usize(..1000) },
            107..109 => Self::Present { republishes_greetings: random.bool() },
            109..112 => Self::Forget { customer, has_code: random.u8(..4) > 0 },
            112 => Self::NotMe { customer },
            113..115 => Self::Rename { customer },
            115..117 => Self::Preferences {
                customer,
                can_show_history: random.bool().then(|| random.bool()),
            },
            117 => Self::History { customer },
            118..120 => Self::AtTill { customer, by_claim_code: random.bool() },
            120..128 => Self::Order {
                customer,
                buyer: [Buyer::Customer, Buyer::ClaimCode, Buyer::Till][random.usize(..3)],
            },
            128..131 => Self::RepeatOrder { order: random.usize(..1000) },
            131..133 => Self::List { customer },
            133 => Self::Catalogue { product: random.u32(..5) },
            134 => Self::OperatorForget { customer },
            135 => Self::OperatorOrders { customer },
            136 => Self::OperatorVoid { customer },
            137 => Self::ConfirmDue,
            138..140 => Self::RotateKey,
            140 => Self::ReloadSettings,
            141..156 => Self::Wait { duration: random_duration(random) },
            156..163 => Self::Cut { next_arrives: random.bool() },
            163..166 => Self::StopBroker,
            166..170 => Self::StartBroker { keeps_retained: random.bool() },
            170..173 => Self::Reject { is_retried: random.u8(..4) > 0 },
            173..175 => Self::FillDisk,
            175..179 => Self::FreeDisk,
            179..181 => Self::FailRead,
            181..186 => Self::Kill { executed: random.usize(..4) },
            186..188 => Self::LoseCamera,
            188..191 => Self::RestoreCamera,
            191..194 => Self::WrongClock {
                hours: CLOCK_OFFSETS_HOURS[random.usize(..CLOCK_OFFSETS_HOURS.len())],
            },
            _ => Self::CorrectClock,
        }
    }
}

/// Returns a duration from 1 ms to 29 days.
fn random_duration(random: &mut Rng) -> SignedDuration {
    match random.u8(..10) {
        0..5 => SignedDuration::from_millis(random.i64(1..5000)),
        5..8 => SignedDuration::from_secs(random.i64(5..400)),
        8 => SignedDuration::from_secs(random.i64(3600..100_000)),
        _ => SignedDuration::from_hours(24 * random.i64(1..30)),
    }
}
