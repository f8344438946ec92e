//! The control socket: how the command line reaches the daemon that holds the vault. One JSON line
//! asks, one JSON line answers, and the connection ends. Only the daemon's own user may connect.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as Client;
use std::path::{Path, PathBuf};
use std::time::Duration;

use instored_domain::{CommandFailure, CommandFailureCode};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader as AsyncBufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::admin_api::{Request, Response};

/// A request with the place for its answer.
pub(super) type Asked = (Request, oneshot::Sender<Result<Response, CommandFailure>>);

/// Room for an import of some 100,000 orders; what is longer is cut into several requests.
const LONGEST_REQUEST: u64 = 64 << 20;
/// How long the daemon may take; compacting a large vault is the longest.
const PATIENCE: Duration = Duration::from_secs(120);

/// The open socket; its file goes away with it.
pub(super) struct Socket {
    path: PathBuf,
}

impl Socket {
    /// Opens the socket and answers on it until the daemon stops listening to `tell`.
    pub fn open(path: &Path, tell: mpsc::Sender<Asked>) -> io::Result<Self> {
        // The vault's lock has shown that no other daemon runs: what lies there is a leftover.
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        tokio::spawn(async move {
            while !tell.is_closed() {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        tokio::spawn(serve(stream, tell.clone()));
                    }
                    Err(e) => tracing::warn!("the control socket: {e}"),
                }
            }
        });
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // A leftover is removed at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn serve(stream: UnixStream, tell: mpsc::Sender<Asked>) {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    let read = AsyncBufReader::new(read.take(LONGEST_REQUEST)).read_line(&mut line).await;
    let answer = match read.map(|_| serde_json::from_str::<Request>(&line)) {
        Ok(Ok(request)) => {
            let (reply, answer) = oneshot::channel();
            let stopping =
                || CommandFailure::new(CommandFailureCode::Internal, "the daemon is stopping");
            match tell.send((request, reply)).await {
                Ok(()) => answer.await.unwrap_or_else(|_| Err(stopping())),
                Err(_) => Err(stopping()),
            }
        }
        Ok(Err(e)) => Err(CommandFailure::new(CommandFailureCode::Malformed, e.to_string())),
        Err(e) => Err(CommandFailure::new(CommandFailureCode::Malformed, e.to_string())),
    };
    if let Ok(mut answer) = serde_json::to_vec(&answer) {
        answer.push(b'\n');
        // A caller that went away does not need the answer.
        let _ = write.write_all(&answer).await;
    }
}

/// Asks the running daemon. `None` when none runs.
///
/// # Errors
/// When it runs and cannot be reached, as when the socket belongs to another user.
pub fn send_admin_request(
    socket: &Path,
    request: &Request,
) -> io::Result<Option<Result<Response, CommandFailure>>> {
    let mut stream = match Client::connect(socket) {
        Ok(stream) => stream,
        Err(e)
            if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(Some(serde_json::from_str(&answer)?))
}
