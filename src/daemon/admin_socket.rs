//! Admin socket: the command line sends one line of JSON, and the daemon responds with one line of
//! JSON.
//!
//! The socket has mode 0600: only the daemon's user and root can connect.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingUnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use instored_admin::parse_request;
use instored_domain::{CommandFailure, CommandFailureCode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncBufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::admin_api::{Request, Response};

/// Result of an admin request.
pub(super) type AdminResult = Result<Response, CommandFailure>;

/// Admin request with the sender that passes its result to the client.
pub(super) struct PendingRequest {
    pub request: Request,
    pub responder: oneshot::Sender<AdminResult>,
}

/// Maximum length of a request in bytes, enough for about 100,000 orders. The command line splits
/// larger imports into batches.
const REQUEST_BYTES_MAX: u64 = 64 << 20;
/// Maximum time in which a client sends its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Time until the next attempt if a connection cannot be accepted, for example because too many files
/// are open.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_secs(1);
/// Maximum time for a response. The compaction of a large vault takes the longest time.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(120);

/// Listening socket. Dropping it deletes its file.
pub(super) struct AdminSocket {
    path: PathBuf,
}

impl AdminSocket {
    /// Opens the socket and forwards its requests until the receiver is dropped.
    pub fn open(path: &Path, requests: mpsc::Sender<PendingRequest>) -> io::Result<Self> {
        // The lock on the vault excludes a second daemon, so an existing file belongs to an earlier
        // one.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        tokio::spawn(async move {
            while !requests.is_closed() {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        tokio::spawn(serve(stream, requests.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(
                            "cannot accept a connection to the admin socket, retrying in {} s: {error}",
                            ACCEPT_RETRY_DELAY.as_secs()
                        );
                        tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                    }
                }
            }
        });
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for AdminSocket {
    fn drop(&mut self) {
        // If the removal fails, the next start removes the file.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Reads a request, waits for its result and writes it.
async fn serve(stream: UnixStream, requests: mpsc::Sender<PendingRequest>) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let mut read = AsyncBufReader::new(read.take(REQUEST_BYTES_MAX));
    let malformed = |message| CommandFailure::new(CommandFailureCode::Malformed, message);
    let request = match tokio::time::timeout(REQUEST_TIMEOUT, read.read_line(&mut line)).await {
        Ok(Ok(_)) => parse_request(&line),
        Ok(Err(error)) => Err(malformed(error.to_string())),
        Err(_) => Err(malformed(format!("no request within {} s", REQUEST_TIMEOUT.as_secs()))),
    };
    let result = match request {
        Ok(request) => forward(request, requests).await,
        Err(failure) => Err(failure),
    };
    if let Ok(mut response) = serde_json::to_vec(&result) {
        response.push(b'\n');
        // Fails if the client has disconnected.
        let _ = write.write_all(&response).await;
    }
}

/// Passes a request to the main loop and waits for the result.
async fn forward(request: Request, requests: mpsc::Sender<PendingRequest>) -> AdminResult {
    let (responder, result) = oneshot::channel();
    let is_sent = requests.send(PendingRequest { request, responder }).await.is_ok();
    match result.await {
        Ok(result) if is_sent => result,
        _ => Err(CommandFailure::new(CommandFailureCode::Internal, "the daemon is stopping")),
    }
}

/// Sends a request to the running daemon. Returns `None` if no daemon runs.
///
/// # Errors
/// Returns an error if a daemon runs but cannot be reached, for example because the socket belongs to
/// another user.
pub fn send_admin_request(
    socket: &Path,
    request: &Request,
) -> io::Result<Option<Result<Response, CommandFailure>>> {
    let mut stream = match BlockingUnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut response = String::new();
    BufReader::new(stream).read_line(&mut response)?;
    Ok(Some(serde_json::from_str(&response)?))
}
