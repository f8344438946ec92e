//! TCP proxy on loopback whose link can be cut, silenced or answered with an HTTP error.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// Interval at which a silenced link checks whether it is restored.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Behaviour of a link.
#[derive(Clone, PartialEq)]
pub enum Link {
    /// Everything is passed on.
    Open,
    /// Nothing is passed on, and connections stay open.
    Silent,
    /// Each request receives the HTTP status 502, as from a proxy whose server is stopped.
    BadGateway,
    /// Everything is passed on; in responses, the first text is replaced by the second one of the same
    /// length.
    Replacing(&'static str, &'static str),
}

/// Running proxy.
pub struct TcpProxy {
    pub port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    link: Link,
    connections: Vec<TcpStream>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no thread of the proxy panics")
}

impl TcpProxy {
    /// Starts a proxy for the server at a loopback port.
    pub fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("the listener is bound").port();
        let state = Arc::new(Mutex::new(State { link: Link::Open, connections: vec![] }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                serve(client, server_port, &shared);
            }
        });
        Self { port, state }
    }

    /// Changes the link for all connections.
    pub fn set(&self, link: Link) {
        lock(&self.state).link = link;
    }

    /// Changes the link and resets all connections.
    pub fn cut(&self, link: Link) {
        let mut state = lock(&self.state);
        state.link = link;
        for connection in state.connections.drain(..) {
            // Fails if the connection has ended already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn serve(mut client: TcpStream, server_port: u16, state: &Arc<Mutex<State>>) {
    if lock(state).link == Link::BadGateway {
        thread::spawn(move || {
            // The request is read first: closing a connection with unread data would reset it.
            let _ = client.read(&mut [0; 8192]);
            let _ = client.write_all(
                b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\
                  Connection: close\r\n\r\n502",
            );
        });
        return;
    }
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server_port)) else { return };
    let clone = |stream: &TcpStream| stream.try_clone().expect("a socket can be cloned");
    lock(state).connections.extend([clone(&client), clone(&server)]);
    let (to_server, to_client) = (clone(&server), clone(&client));
    let shared = Arc::clone(state);
    thread::spawn(move || pass(client, to_server, &shared, false));
    let shared = Arc::clone(state);
    thread::spawn(move || pass(server, to_client, &shared, true));
}

/// Passes bytes on until either side closes the connection.
fn pass(mut from: TcpStream, mut to: TcpStream, state: &Mutex<State>, is_response: bool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        while lock(state).link == Link::Silent {
            thread::sleep(POLL_INTERVAL);
        }
        let bytes = &mut buffer[..length];
        if let (true, Link::Replacing(old, new)) = (is_response, &lock(state).link) {
            replace(bytes, old.as_bytes(), new.as_bytes());
        }
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn replace(bytes: &mut [u8], old: &[u8], new: &[u8]) {
    assert_eq!(old.len(), new.len(), "the length of the response stays the same");
    for at in 0..bytes.len().saturating_sub(old.len() - 1) {
        if bytes[at..].starts_with(old) {
            bytes[at..at + old.len()].copy_from_slice(new);
        }
    }
}
