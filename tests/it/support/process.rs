//! Child processes that are killed at the end of their test, even if the test fails.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::output_reader::OutputReader;
use super::{TIMEOUT, wait_within};

/// Running program.
pub struct Process {
    pub stdout: OutputReader,
    pub stderr: OutputReader,
    name: String,
    child: Child,
}

/// Program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` if a signal ended the program.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Process {
    /// Starts a program. `package` is the package that the error message recommends if the program
    /// is missing.
    pub fn start(command: &mut Command, package: &str) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("`{name}` does not start ({e}): install {package}"));
        let stdout = OutputReader::new(child.stdout.take().expect("stdout is piped"));
        let stderr = OutputReader::new(child.stderr.take().expect("stderr is piped"));
        Self { stdout, stderr, name, child }
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the resident memory, in KiB.
    pub fn memory_kib(&self) -> u64 {
        self.status_kib("VmRSS:")
    }

    /// Returns the locked memory, in KiB.
    pub fn locked_memory_kib(&self) -> u64 {
        self.status_kib("VmLck:")
    }

    /// Returns a field of the process status, in KiB.
    fn status_kib(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.expect("the program runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let number = line.and_then(|line| line.trim().split(' ').next());
        number.and_then(|number| number.parse().ok()).expect("the kernel reports the field")
    }

    /// Waits until the program ends.
    pub fn wait(self) -> Finished {
        self.wait_within(TIMEOUT)
    }

    /// Waits until the program ends, at most for `timeout`.
    pub fn wait_within(mut self, timeout: Duration) -> Finished {
        let condition = format!("the end of `{}`", self.name);
        let status = wait_within(timeout, &condition, || self.exit_status());
        Finished {
            code: status.code(),
            stdout: self.stdout.complete_text(),
            stderr: self.stderr.complete_text(),
        }
    }

    /// Sends SIGTERM and waits until the program ends.
    pub fn terminate(self) -> Finished {
        self.signal("TERM");
        self.wait()
    }

    /// Sends SIGABRT. Returns true if the program left a core dump.
    pub fn crash(&mut self) -> bool {
        self.signal("ABRT");
        self.child.wait().expect("a child can be waited for").core_dumped()
    }

    /// Sends SIGKILL, to simulate a power failure.
    pub fn kill(&mut self) {
        // The call fails if the program has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Returns true if the program has not ended.
    pub fn is_running(&mut self) -> bool {
        self.exit_status().is_none()
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Sends a signal. The program must be running.
    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(sent.success(), "`{}` ended before it received SIG{name}", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- standard error of `{}`:\n{}", self.name, self.stderr.text_so_far());
        }
    }
}
