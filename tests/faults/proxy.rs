//! TCP proxy between box and broker that delays, drops and cuts MQTT packets.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Packet types of MQTT that are dropped: messages and their acknowledgements.
const DROPPED_TYPES: [u8; 2] = [PUBLISH, PUBACK];
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;

/// Running proxy. It ends with the process.
#[derive(Clone)]
pub struct Proxy {
    pub port: u16,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    is_closed: AtomicBool,
    delay_ms: AtomicU64,
    /// Number of packets to drop on the way to the box.
    drops_to_box: AtomicU32,
    /// Number of packets to drop on the way to the broker.
    drops_to_broker: AtomicU32,
    /// Share of the acknowledgements to the box that are lost, in percent.
    loss_percent: AtomicU32,
    /// Number of acknowledgements that were lost.
    lost: AtomicU64,
    /// Number of connections so far.
    connections: AtomicU64,
    /// Connections with a lower number are half-open: their packets are dropped.
    half_open_below: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

/// Direction of packets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToBox,
    ToBroker,
}

impl Proxy {
    /// Starts a proxy to the broker on this port.
    pub fn start(broker_port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let faults = Arc::new(Faults::default());
        let shared = Arc::clone(&faults);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // An error closes the connection of the box, as if no broker listened.
                let _ = shared.connect(client, broker_port);
            }
        });
        Ok(Self { port, faults })
    }

    /// Closes all connections. The box may connect again at once.
    pub fn cut(&self) {
        self.faults.close_all();
    }

    /// Closes all connections and accepts no new ones.
    pub fn close(&self) {
        self.faults.is_closed.store(true, SeqCst);
        self.cut();
    }

    /// Accepts connections again.
    pub fn open(&self) {
        self.faults.is_closed.store(false, SeqCst);
    }

    /// Delays each packet. 0 ends the delay.
    pub fn delay(&self, ms: u64) {
        self.faults.delay_ms.store(ms, SeqCst);
    }

    /// Drops all packets of the existing connections.
    pub fn make_half_open(&self) {
        self.faults.half_open_below.store(self.faults.connections.load(SeqCst), SeqCst);
    }

    /// Drops the next PUBLISH or PUBACK.
    pub fn drop_packet(&self, is_to_box: bool) {
        let direction = if is_to_box { Direction::ToBox } else { Direction::ToBroker };
        self.faults.drops(direction).fetch_add(1, SeqCst);
    }

    /// Drops this share of the acknowledgements to the box, chosen at random.
    pub fn lose_acknowledgements(&self, percent: u32) {
        self.faults.loss_percent.store(percent, SeqCst);
    }

    /// Returns the number of acknowledgements that [`Self::lose_acknowledgements`] dropped.
    pub fn lost_acknowledgements(&self) -> u64 {
        self.faults.lost.load(SeqCst)
    }

    /// Returns the number of connections so far.
    pub fn connections(&self) -> u64 {
        self.faults.connections.load(SeqCst)
    }

    /// Ends delays, losses and pending drops. Half-open connections stay until the box closes them.
    pub fn heal(&self) {
        self.delay(0);
        self.lose_acknowledgements(0);
        self.faults.drops_to_box.store(0, SeqCst);
        self.faults.drops_to_broker.store(0, SeqCst);
        self.open();
    }
}

impl Faults {
    fn drops(&self, direction: Direction) -> &AtomicU32 {
        match direction {
            Direction::ToBox => &self.drops_to_box,
            Direction::ToBroker => &self.drops_to_broker,
        }
    }

    fn close_all(&self) {
        for stream in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            // Fails if the connection has ended.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Connects a client to the broker.
    fn connect(self: &Arc<Self>, client: TcpStream, broker_port: u16) -> io::Result<()> {
        if self.is_closed.load(SeqCst) {
            return Ok(());
        }
        let broker = TcpStream::connect((Ipv4Addr::LOCALHOST, broker_port))?;
        client.set_nodelay(true)?;
        broker.set_nodelay(true)?;
        let number = self.connections.fetch_add(1, SeqCst);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // The address of a closed connection cannot be read.
        open.retain(|stream| stream.peer_addr().is_ok());
        open.extend([client.try_clone()?, broker.try_clone()?]);
        drop(open);
        if self.is_closed.load(SeqCst) {
            self.close_all();
        }
        for (source, target, direction) in [
            (client.try_clone()?, broker.try_clone()?, Direction::ToBroker),
            (broker, client, Direction::ToBox),
        ] {
            let faults = Arc::clone(self);
            thread::spawn(move || {
                // An error means that one side closed the connection.
                let _ = faults.forward(&source, &target, direction, number);
                let is_half_open = number < faults.half_open_below.load(SeqCst);
                if direction == Direction::ToBroker || !is_half_open {
                    let _ = source.shutdown(Shutdown::Both);
                    let _ = target.shutdown(Shutdown::Both);
                }
            });
        }
        Ok(())
    }

    /// Forwards packets until a side closes the connection.
    fn forward(
        &self,
        mut source: &TcpStream,
        mut target: &TcpStream,
        direction: Direction,
        number: u64,
    ) -> io::Result<()> {
        loop {
            let packet = read_packet(&mut source)?;
            thread::sleep(Duration::from_millis(self.delay_ms.load(SeqCst)));
            let is_half_open = number < self.half_open_below.load(SeqCst);
            let packet_type = packet[0] >> 4;
            if !is_half_open
                && !self.is_dropped(packet_type, direction)
                && !self.is_lost(packet_type, direction)
            {
                target.write_all(&packet)?;
            }
        }
    }

    /// Returns true if a packet of this type is dropped.
    fn is_dropped(&self, packet_type: u8, direction: Direction) -> bool {
        DROPPED_TYPES.contains(&packet_type)
            && self.drops(direction).fetch_update(SeqCst, SeqCst, |n| n.checked_sub(1)).is_ok()
    }

    /// Returns true if an acknowledgement to the box is lost, and counts it.
    fn is_lost(&self, packet_type: u8, direction: Direction) -> bool {
        let is_lost = packet_type == PUBACK
            && direction == Direction::ToBox
            && fastrand::u32(..100) < self.loss_percent.load(SeqCst);
        self.lost.fetch_add(u64::from(is_lost), SeqCst);
        is_lost
    }
}

/// Reads an MQTT packet: type, length (7 bits a byte, the lowest first), and content.
fn read_packet(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut packet = vec![0];
    source.read_exact(&mut packet)?;
    let mut length = 0usize;
    for shift in [0, 7, 14, 21] {
        let mut byte = [0];
        source.read_exact(&mut byte)?;
        packet.extend(byte);
        length |= usize::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            break;
        }
    }
    let header = packet.len();
    packet.resize(header + length, 0);
    source.read_exact(&mut packet[header..])?;
    Ok(packet)
}

#[test]
fn packets_are_separated_by_their_length() {
    let short = vec![0xc0, 0];
    let long = [vec![0x30, 0x80, 0x01], vec![7; 128]].concat();
    let mut source = io::Cursor::new([short.clone(), long.clone(), vec![0x30, 5, 1]].concat());
    assert_eq!(read_packet(&mut source).unwrap(), short);
    assert_eq!(read_packet(&mut source).unwrap(), long);
    assert!(read_packet(&mut source).is_err());
}
