//! Programs that end with the test that started them, also when it fails.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::output_reader::OutputReader;
use super::{PATIENCE, eventually_within};

/// A running program.
pub struct Process {
    pub stdout: OutputReader,
    pub stderr: OutputReader,
    name: String,
    child: Child,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    /// Starts a program. `package` is what to install when it is missing.
    pub fn start(command: &mut Command, package: &str) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("`{name}` does not start ({e}): install {package}"));
        let stdout = OutputReader::of(child.stdout.take().expect("stdout is piped"));
        let stderr = OutputReader::of(child.stderr.take().expect("stderr is piped"));
        Self { stdout, stderr, name, child }
    }

    /// The memory that it has in use, in KiB.
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the program runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().split(' ').next());
        number.and_then(|number| number.parse().ok()).expect("the kernel says how much")
    }

    /// Waits until the program has ended by itself.
    pub fn wait(self) -> Ended {
        self.wait_for(PATIENCE)
    }

    /// Waits until a program that has much to do has ended by itself.
    pub fn wait_for(mut self, patience: Duration) -> Ended {
        let what = format!("the end of `{}`", self.name);
        let status = eventually_within(patience, &what, || self.status());
        Ended { code: status.code(), stdout: self.stdout.whole(), stderr: self.stderr.whole() }
    }

    /// Asks the program to stop (SIGTERM), and waits until it has.
    pub fn terminate(self) -> Ended {
        let pid = self.child.id();
        let kill = format!("kill -TERM {pid}");
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(sent.success(), "`{}` has ended before it was asked to", self.name);
        self.wait()
    }

    /// Has the program crash (SIGABRT); whether it left a core.
    pub fn crash(&mut self) -> bool {
        let kill = format!("kill -ABRT {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(sent.success(), "`{}` has ended before it crashed", self.name);
        self.child.wait().expect("a child can be waited for").core_dumped()
    }

    /// Ends the program as a power cut would (SIGKILL).
    pub fn kill(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Whether the program still runs.
    pub fn is_running(&mut self) -> bool {
        self.status().is_none()
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- `{}` said:\n{}", self.name, self.stderr.so_far());
        }
    }
}
