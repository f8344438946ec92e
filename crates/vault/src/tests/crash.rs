//! Tests of crashes, power cuts and full disks: acknowledged changes are kept, no change is
//! partial, and the vault always opens.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redb::{Builder, StorageBackend};

use super::*;

/// Simulated disk that can fail and lose power.
#[derive(Clone, Debug)]
struct Disk(Arc<SharedDisk>);

#[derive(Debug)]
struct SharedDisk {
    state: Mutex<State>,
    /// Number of writes, syncs and changes of length that succeed before all further ones fail.
    operations_left: AtomicI64,
    /// Error of the operations that fail.
    error: Mutex<io::ErrorKind>,
    /// True if a sync is acknowledged without an effect.
    ignores_sync: AtomicBool,
}

#[derive(Debug, Default, Clone)]
struct State {
    /// Bytes that reads return.
    current: Vec<u8>,
    /// Bytes that survive a power cut.
    durable: Vec<u8>,
    /// Writes that are not synced.
    pending: Vec<(usize, Vec<u8>)>,
}

impl Disk {
    fn new() -> Self {
        Self(Arc::new(SharedDisk {
            state: Mutex::default(),
            operations_left: AtomicI64::new(i64::MAX),
            error: Mutex::new(io::ErrorKind::Other),
            ignores_sync: AtomicBool::new(false),
        }))
    }

    fn opener(&self) -> Opener {
        let disk = self.clone();
        Box::new(move |_| Builder::new().create_with_backend(Backend(disk.clone())))
    }

    fn fail_after(&self, operations: i64, error: io::ErrorKind) {
        *self.0.error.lock().unwrap() = error;
        self.0.operations_left.store(operations, Ordering::SeqCst);
    }

    fn repair(&self) {
        self.0.operations_left.store(i64::MAX, Ordering::SeqCst);
    }

    fn count_operation(&self) -> io::Result<()> {
        if self.0.operations_left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.0.operations_left.store(0, Ordering::SeqCst);
            return Err((*self.0.error.lock().unwrap()).into());
        }
        Ok(())
    }

    /// Simulates a power cut: each unsynced write is kept or lost at random.
    fn cut_power(&self, rng: &mut Rng) {
        let mut state = self.0.state.lock().unwrap();
        let pending = std::mem::take(&mut state.pending);
        for (at, bytes) in pending {
            if rng.usize(..2) == 0 && at + bytes.len() <= state.durable.len() {
                state.durable[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
        state.current = state.durable.clone();
    }
}

#[derive(Debug)]
struct Backend(Disk);

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.state.lock().unwrap().current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.0.state.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        let from = state.current.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(from);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.count_operation()?;
        let mut state = self.0.0.state.lock().unwrap();
        let len = usize::try_from(len).unwrap();
        // A file system journals the length, so a change of length is durable.
        state.current.resize(len, 0);
        state.durable.resize(len, 0);
        state.pending.retain(|(at, bytes)| at + bytes.len() <= len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.count_operation()?;
        if self.0.0.ignores_sync.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut state = self.0.0.state.lock().unwrap();
        state.pending.clear();
        state.durable = state.current.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.count_operation()?;
        let mut state = self.0.0.state.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        state.current[at..at + data.len()].copy_from_slice(data);
        state.pending.push((at, data.to_vec()));
        Ok(())
    }
}

/// Changes that the vault acknowledged.
#[derive(Default)]
struct Acknowledged {
    /// Number of visits of each enrolled customer.
    enrolled: BTreeMap<u32, u64>,
    /// Order ids of each customer.
    orders: BTreeMap<u32, BTreeSet<String>>,
    forgotten: BTreeSet<u32>,
    /// Customer of the request that was not acknowledged. The vault may contain its change or not.
    pending: Option<u32>,
}

impl Acknowledged {
    /// Runs step `step` of a workload: enrolments, visits, orders, and the forgetting of every
    /// third customer.
    fn run_step(&mut self, vault: &Vault, step: u32) -> Result<(), VaultError> {
        let n = step / 4 + 1;
        let id = customer(u128::from(n));
        self.pending = Some(n);
        match step % 4 {
            0 => {
                try_enrol(vault, n)?;
                self.enrolled.insert(n, 0);
            }
            1 => {
                vault.record_visit(id, second(i64::from(step)))?;
                *self.enrolled.entry(n).or_default() += 1;
            }
            2 => {
                let name = format!("T{n}");
                vault.add_order(&order(u128::from(n), &name, 9), context(1))?;
                self.orders.entry(n).or_default().insert(name);
            }
            _ if n.is_multiple_of(3) => {
                let previous = n - 1;
                self.pending = Some(previous);
                vault.forget(customer(u128::from(previous)), context(1))?;
                self.enrolled.remove(&previous);
                self.orders.remove(&previous);
                self.forgotten.insert(previous);
            }
            _ => drop(vault.rename(id, Some("Zoë".parse().unwrap()), context(1))?),
        }
        self.pending = None;
        Ok(())
    }

    /// Returns the faults of a vault that was opened after a crash.
    fn faults(&self, vault: &Vault) -> Vec<String> {
        let mut faults = vault.verify().map_or_else(|e| vec![e.to_string()], |v| v.faults);
        for (n, visits) in &self.enrolled {
            match vault.export(customer(u128::from(*n))) {
                Ok(Some(export)) => {
                    let stored_visits = export.record.map_or(0, |record| record.visits);
                    if stored_visits < *visits
                        || export.templates.len() != 3
                        || export.consents.len() != 1
                    {
                        faults.push(format!("customer {n} is incomplete"));
                    }
                    let orders: BTreeSet<_> = export.orders.into_iter().map(|o| o.id.0).collect();
                    if self.orders.get(n).is_some_and(|ids| !ids.is_subset(&orders)) {
                        faults.push(format!("an order of customer {n} is lost"));
                    }
                }
                // The crash interrupted forgetting this customer.
                Ok(None) if self.pending == Some(*n) => {}
                _ => faults.push(format!("customer {n} is lost")),
            }
        }
        for n in &self.forgotten {
            if !matches!(vault.customer(customer(u128::from(*n))), Ok(None)) {
                faults.push(format!("customer {n} was forgotten and is still present"));
            }
        }
        let customer_count = vault.customers().map_or(0, |loaded| loaded.records.len());
        if customer_count > self.enrolled.len() + 1 {
            faults.push("the vault contains customers who were not enrolled".into());
        }
        faults
    }
}

const STEPS: u32 = 24;

/// Runs the workload until the disk fails at operation `at`, cuts the power, and reopens the vault.
/// Returns true if the disk failed, and the faults of the vault.
fn crash_at(at: i64, ignores_sync: bool, rng: &mut Rng) -> (bool, Vec<String>) {
    let fixture = Fixture::new();
    let disk = Disk::new();
    let vault = fixture.open_with(disk.opener()).unwrap();
    disk.0.ignores_sync.store(ignores_sync, Ordering::SeqCst);
    disk.fail_after(at, io::ErrorKind::Other);
    let mut acknowledged = Acknowledged::default();
    let crashed = (0..STEPS).any(|step| acknowledged.run_step(&vault, step).is_err());
    drop(vault);
    disk.repair();
    disk.0.ignores_sync.store(false, Ordering::SeqCst);
    disk.cut_power(rng);
    let faults = match fixture.open_with(disk.opener()) {
        Ok(vault) => acknowledged.faults(&vault),
        Err(error) => vec![format!("the vault does not open: {error}")],
    };
    (crashed, faults)
}

#[test]
fn power_cut_at_any_write_keeps_acknowledged_changes() {
    let mut rng = Rng::with_seed(4);
    let mut cuts = 0;
    for at in 0.. {
        let (crashed, faults) = crash_at(at, false, &mut rng);
        assert_eq!(faults, Vec::<String>::new(), "power cut at write {at}");
        if !crashed {
            break;
        }
        cuts += 1;
    }
    eprintln!("{cuts} power cuts");
    assert!(cuts > 300, "{cuts}");
}

// Negative control: the disk acknowledges syncs without writing.
#[test]
fn power_cut_test_detects_disk_that_ignores_sync() {
    let mut rng = Rng::with_seed(5);
    let detected =
        (100..).step_by(37).take(10).filter(|at| !crash_at(*at, true, &mut rng).1.is_empty());
    assert!(detected.count() > 5);
}

#[test]
fn full_disk_is_reported_and_loses_nothing() {
    for at in (0..120).step_by(5) {
        let fixture = Fixture::new();
        let disk = Disk::new();
        let vault = fixture.open_with(disk.opener()).unwrap();
        let mut acknowledged = Acknowledged::default();
        (0..8).for_each(|step| acknowledged.run_step(&vault, step).unwrap());
        disk.fail_after(at, io::ErrorKind::StorageFull);
        let full = (8..STEPS).find_map(|step| acknowledged.run_step(&vault, step).err()).unwrap();
        assert!(full.to_string().contains("full, and nothing was changed"), "{full}");
        disk.repair();
        // The open vault continues without being reopened.
        assert_eq!(acknowledged.faults(&vault), Vec::<String>::new());
        enrol(&vault, 90);
        drop(vault);
        acknowledged.enrolled.insert(90, 0);
        let vault = fixture.open_with(disk.opener()).unwrap();
        assert_eq!(acknowledged.faults(&vault), Vec::<String>::new(), "full at write {at}");
    }
}

#[test]
fn power_cut_during_rotation_leaves_rotatable_vault() {
    let mut rng = Rng::with_seed(6);
    let (mut cuts, mut resumed) = (0, 0);
    for at in (0..).step_by(3) {
        let fixture = Fixture::new();
        let disk = Disk::new();
        let vault = fixture.open_with(disk.opener()).unwrap();
        add_customers(&vault, 5);
        let old = vault.signing_key().public();
        disk.fail_after(at, io::ErrorKind::Other);
        let rotated = vault.rotate_keys(context(5));
        drop(vault);
        disk.repair();
        disk.cut_power(&mut rng);
        let vault = fixture.open_with(disk.opener()).unwrap();
        assert_valid(&vault);
        assert_eq!(vault.templates().unwrap().records.len(), 15);
        resumed += u32::from(vault.is_rotation_pending());
        vault.rotate_keys(context(6)).unwrap();
        assert_valid(&vault);
        assert_ne!(vault.signing_key().public(), old);
        // After a power cut at any time, the endorsements form a chain from the old to the current
        // key.
        let endorsements = vault.key_endorsements().unwrap();
        let current = endorsements.iter().fold(old, |key, next| {
            assert_eq!(next.old, key);
            next.new
        });
        assert_eq!(current, vault.signing_key().public());
        drop(vault);
        assert_valid(&fixture.open_with(disk.opener()).unwrap());
        if rotated.is_ok() {
            break;
        }
        cuts += 1;
    }
    eprintln!("{cuts} power cuts, {resumed} rotations resumed");
    assert!(cuts > 10 && resumed > 3, "{cuts} {resumed}");
}

const CHILD_FOLDER: &str = "INSTORED_TEST_CHILD_FOLDER";
const ACKNOWLEDGES_EARLY: &str = "INSTORED_TEST_CHILD_ACKNOWLEDGES_EARLY";

/// Number of steps between two key rotations.
const ROTATION_INTERVAL: u32 = 10;
/// Number of endorsements that a vault keeps.
const ENDORSEMENTS_KEPT: usize = 32;

/// Runs the workload until the process is killed, and prints each acknowledgement. Does nothing
/// unless [`kill_after`] started the process.
#[test]
fn child_process_runs_workload() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else { return };
    let folder = PathBuf::from(folder);
    let path = folder.join("vault.redb");
    let keys = keys(&folder, &path).unwrap();
    let vault = Vault::open(&path, keys, box_id(), second(0)).unwrap();
    let acknowledges_early = std::env::var_os(ACKNOWLEDGES_EARLY).is_some();
    let mut acknowledged = Acknowledged::default();
    for step in 0.. {
        if acknowledges_early {
            // Negative control: the acknowledgement precedes the commit.
            println!("\nacknowledged {step}");
        }
        println!("\nrequested {step}");
        acknowledged.run_step(&vault, step).unwrap();
        println!("\nacknowledged {step}");
        if step % ROTATION_INTERVAL == ROTATION_INTERVAL - 1 {
            vault.rotate_keys(context(1)).unwrap();
            println!("\nrotated {step}");
        }
        if step % 40 == 39 {
            vault.compact().unwrap();
        }
    }
}

/// Vault of a killed process.
struct AfterKill {
    /// Last acknowledged step.
    last: u32,
    /// Number of acknowledged rotations.
    rotations: usize,
    /// True if the kill interrupted a rotation.
    is_rotation_interrupted: bool,
    faults: Vec<String>,
}

impl AfterKill {
    /// Continues an interrupted rotation, and checks that the acknowledged rotations form a chain of
    /// endorsements to the current key.
    fn check_rotations(&mut self, vault: &Vault) {
        self.is_rotation_interrupted = vault.is_rotation_pending();
        if self.is_rotation_interrupted {
            vault.rotate_keys(context(2)).unwrap();
            self.faults.extend(vault.verify().unwrap().faults);
        }
        let endorsements = vault.key_endorsements().unwrap();
        if endorsements.len() < self.rotations.min(ENDORSEMENTS_KEPT) {
            self.faults.push("the endorsement of a rotation is lost".into());
        }
        let is_chain = endorsements.windows(2).all(|pair| pair[0].new == pair[1].old);
        let newest = endorsements.last().map(|endorsement| endorsement.new);
        if !is_chain || newest.is_some_and(|newest| newest != vault.signing_key().public()) {
            self.faults.push("no endorsement leads to the current key".into());
        }
    }
}

/// Starts a child, kills it with SIGKILL after `wait`, and reopens and checks its vault.
fn kill_after(wait: Duration, acknowledges_early: bool) -> AfterKill {
    let fixture = Fixture::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "tests::crash::child_process_runs_workload", "--nocapture"])
        .env(CHILD_FOLDER, fixture.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if acknowledges_early {
        command.env(ACKNOWLEDGES_EARLY, "1");
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The wait starts when the child prints its first line.
    let printed: Vec<String> = std::thread::scope(|scope| {
        let (line_sender, line_receiver) = std::sync::mpsc::channel();
        let reader = scope.spawn(move || {
            let mut printed = Vec::new();
            while let Some(Ok(line)) = lines.next() {
                let words = ["acknowledged ", "requested ", "rotated "];
                if words.iter().any(|word| line.starts_with(word)) {
                    let _ = line_sender.send(());
                    printed.push(line);
                }
            }
            printed
        });
        line_receiver.recv_timeout(Duration::from_secs(20)).unwrap();
        let _ = line_receiver.recv_timeout(wait);
        let until = Instant::now() + wait;
        while Instant::now() < until && line_receiver.recv_timeout(wait).is_ok() {}
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap()
    });

    // The acknowledged steps are run again on another vault, to compute the expected state.
    let number = |line: &str| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap();
    let last = printed.iter().filter(|l| l.starts_with("acknowledged")).map(|l| number(l)).max();
    let requested = printed.iter().filter(|l| l.starts_with("requested")).map(|l| number(l)).max();
    let reference = Fixture::new();
    let vault = reference.open_with(Disk::new().opener()).unwrap();
    let mut acknowledged = Acknowledged::default();
    (0..=last.unwrap_or(0)).for_each(|step| acknowledged.run_step(&vault, step).unwrap());
    // The vault may contain the change of a step that was requested and not acknowledged.
    acknowledged.pending = requested.filter(|_| requested > last).map(|step| {
        let n = step / 4 + 1;
        if step % 4 == 3 && n % 3 == 0 { n - 1 } else { n }
    });
    let mut after = AfterKill {
        last: last.unwrap_or(0),
        rotations: printed.iter().filter(|line| line.starts_with("rotated")).count(),
        is_rotation_interrupted: false,
        faults: Vec::new(),
    };
    match fixture.try_open() {
        Ok(vault) => {
            after.faults = acknowledged.faults(&vault);
            after.check_rotations(&vault);
        }
        Err(error) => after.faults.push(format!("the vault does not open: {error}")),
    }
    after
}

// Set `INSTORED_KILLS=1000` for a long run.
#[test]
fn killed_process_keeps_acknowledged_changes() {
    let kills = std::env::var("INSTORED_KILLS").map_or(25, |kills| kills.parse().unwrap());
    let mut rng = Rng::with_seed(7);
    let (mut steps, mut rotations, mut interrupted) = (0, 0, 0);
    for kill in 0..kills {
        let wait = Duration::from_micros(rng.usize(..300_000) as u64);
        let after = kill_after(wait, false);
        assert_eq!(after.faults, Vec::<String>::new(), "kill {kill} after {} steps", after.last);
        steps += after.last;
        rotations += after.rotations;
        interrupted += u32::from(after.is_rotation_interrupted);
    }
    eprintln!("{kills} kills, {steps} steps, {rotations} rotations, {interrupted} interrupted");
    assert!(steps > kills && rotations > 0);
}

#[test]
fn kill_test_detects_early_acknowledgement() {
    let mut rng = Rng::with_seed(8);
    let detected = (0..60).any(|_| {
        let wait = Duration::from_micros(rng.usize(..100_000) as u64);
        !kill_after(wait, true).faults.is_empty()
    });
    assert!(detected);
}
