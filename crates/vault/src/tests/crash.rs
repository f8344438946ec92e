//! Crashes, power cuts, full disks: what was answered stays, nothing is half there, and the vault
//! always opens.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use redb::{Builder, StorageBackend};

use super::*;

/// A disk that can be told to fail, and whose power can be cut.
#[derive(Clone, Debug)]
struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    /// Writes, syncs and changes of length until one fails; below 0 everything does.
    left: AtomicI64,
    kind: Mutex<io::ErrorKind>,
    /// Says that it has synced, and has not.
    lies: AtomicBool,
}

#[derive(Debug, Default, Clone)]
struct State {
    /// What reads see.
    seen: Vec<u8>,
    /// What survives.
    durable: Vec<u8>,
    /// Written and not synced yet.
    waiting: Vec<(usize, Vec<u8>)>,
}

impl Disk {
    fn new() -> Self {
        Self(Arc::new(Inner {
            state: Mutex::default(),
            left: AtomicI64::new(i64::MAX),
            kind: Mutex::new(io::ErrorKind::Other),
            lies: AtomicBool::new(false),
        }))
    }

    fn opener(&self) -> Opener {
        let disk = self.clone();
        Box::new(move |_| Builder::new().create_with_backend(Handle(disk.clone())))
    }

    fn fail_after(&self, operations: i64, kind: io::ErrorKind) {
        *self.0.kind.lock().unwrap() = kind;
        self.0.left.store(operations, Ordering::SeqCst);
    }

    fn works_again(&self) {
        self.0.left.store(i64::MAX, Ordering::SeqCst);
    }

    fn step(&self) -> io::Result<()> {
        if self.0.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            self.0.left.store(0, Ordering::SeqCst);
            return Err((*self.0.kind.lock().unwrap()).into());
        }
        Ok(())
    }

    /// The power goes: of what was not synced, any part may have reached the disk.
    fn cut_power(&self, dice: &mut Dice) {
        let mut state = self.0.state.lock().unwrap();
        let waiting = std::mem::take(&mut state.waiting);
        for (at, bytes) in waiting {
            if dice.below(2) == 0 && at + bytes.len() <= state.durable.len() {
                state.durable[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
        state.seen = state.durable.clone();
    }
}

#[derive(Debug)]
struct Handle(Disk);

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.0.state.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.0.state.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        let from = state.seen.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(from);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.step()?;
        let mut state = self.0.0.state.lock().unwrap();
        let len = usize::try_from(len).unwrap();
        // A file system keeps its own journal of lengths.
        state.seen.resize(len, 0);
        state.durable.resize(len, 0);
        state.waiting.retain(|(at, bytes)| at + bytes.len() <= len);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.step()?;
        if self.0.0.lies.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut state = self.0.0.state.lock().unwrap();
        state.waiting.clear();
        state.durable = state.seen.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.step()?;
        let mut state = self.0.0.state.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        state.seen[at..at + data.len()].copy_from_slice(data);
        state.waiting.push((at, data.to_vec()));
        Ok(())
    }
}

/// What the vault has answered, and what it was asked last.
#[derive(Default)]
struct Answered {
    enrolled: BTreeMap<u32, u64>,
    orders: BTreeMap<u32, BTreeSet<String>>,
    forgotten: BTreeSet<u32>,
    /// Asked for, and perhaps done.
    open: Option<u32>,
}

impl Answered {
    /// The `step`th event of a long run: enrolments, visits, orders, and now and then somebody is
    /// forgotten.
    fn work(&mut self, vault: &Vault, step: u32) -> Result<(), VaultError> {
        let n = step / 4 + 1;
        let id = customer(u128::from(n));
        self.open = Some(n);
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
                vault.add_order(&order(u128::from(n), &name, 9), act(1))?;
                self.orders.entry(n).or_default().insert(name);
            }
            _ if n.is_multiple_of(3) => {
                let last = n - 1;
                self.open = Some(last);
                vault.forget(customer(u128::from(last)), act(1))?;
                self.enrolled.remove(&last);
                self.orders.remove(&last);
                self.forgotten.insert(last);
            }
            _ => drop(vault.rename(id, Some("Zoë".parse().unwrap()), act(1))?),
        }
        self.open = None;
        Ok(())
    }

    /// What is wrong with a vault that was opened after a crash.
    fn faults(&self, vault: &Vault) -> Vec<String> {
        let mut faults = vault.verify().map_or_else(|e| vec![e.to_string()], |v| v.faults);
        for (n, visits) in &self.enrolled {
            match vault.export(customer(u128::from(*n))) {
                Ok(Some(export)) => {
                    let record = export.record.map_or(0, |record| record.visits);
                    if record < *visits || export.templates.len() != 3 || export.consents.len() != 1
                    {
                        faults.push(format!("customer {n} is not whole"));
                    }
                    let orders: BTreeSet<_> = export.orders.into_iter().map(|o| o.id.0).collect();
                    if self.orders.get(n).is_some_and(|answered| !answered.is_subset(&orders)) {
                        faults.push(format!("an order of customer {n} is lost"));
                    }
                }
                // Whoever was being forgotten when it crashed may be.
                Ok(None) if self.open == Some(*n) => {}
                _ => faults.push(format!("customer {n} is lost")),
            }
        }
        for n in &self.forgotten {
            if !matches!(vault.customer(customer(u128::from(*n))), Ok(None)) {
                faults.push(format!("customer {n} was forgotten and is back"));
            }
        }
        let known = vault.customers().map_or(0, |loaded| loaded.records.len());
        if known > self.enrolled.len() + 1 {
            faults.push("there are customers whom nobody enrolled".into());
        }
        faults
    }
}

const STEPS: u32 = 24;

/// Runs until the disk fails at its `at`th operation, cuts the power, and looks.
fn crash_at(at: i64, lies: bool, dice: &mut Dice) -> (bool, Vec<String>) {
    let fixture = Fixture::new();
    let disk = Disk::new();
    let vault = fixture.open_on(disk.opener()).unwrap();
    disk.0.lies.store(lies, Ordering::SeqCst);
    disk.fail_after(at, io::ErrorKind::Other);
    let mut answered = Answered::default();
    let crashed = (0..STEPS).any(|step| answered.work(&vault, step).is_err());
    drop(vault);
    disk.works_again();
    disk.0.lies.store(false, Ordering::SeqCst);
    disk.cut_power(dice);
    let faults = match fixture.open_on(disk.opener()) {
        Ok(vault) => answered.faults(&vault),
        Err(error) => vec![format!("it does not open: {error}")],
    };
    (crashed, faults)
}

#[test]
fn a_power_cut_at_every_write_of_a_long_run_loses_nothing_that_was_answered() {
    let mut dice = Dice(4);
    let mut cuts = 0;
    for at in 0.. {
        let (crashed, faults) = crash_at(at, false, &mut dice);
        assert_eq!(faults, Vec::<String>::new(), "power cut at write {at}");
        if !crashed {
            break;
        }
        cuts += 1;
    }
    eprintln!("{cuts} power cuts");
    assert!(cuts > 300, "{cuts}");
}

/// The planted bug: a disk that acknowledges what it has not written.
#[test]
fn the_same_run_notices_a_disk_that_lies() {
    let mut dice = Dice(5);
    let caught =
        (100..).step_by(37).take(10).filter(|at| !crash_at(*at, true, &mut dice).1.is_empty());
    assert!(caught.count() > 5);
}

#[test]
fn a_full_disk_is_refused_politely_and_nothing_is_lost() {
    for at in (0..120).step_by(5) {
        let fixture = Fixture::new();
        let disk = Disk::new();
        let vault = fixture.open_on(disk.opener()).unwrap();
        let mut answered = Answered::default();
        (0..8).for_each(|step| answered.work(&vault, step).unwrap());
        disk.fail_after(at, io::ErrorKind::StorageFull);
        let full = (8..STEPS).find_map(|step| answered.work(&vault, step).err()).unwrap();
        assert!(full.to_string().contains("full: nothing was stored"), "{full}");
        disk.works_again();
        // The same vault goes on, without having been opened again.
        assert_eq!(answered.faults(&vault), Vec::<String>::new());
        enrol(&vault, 90);
        drop(vault);
        answered.enrolled.insert(90, 0);
        let vault = fixture.open_on(disk.opener()).unwrap();
        assert_eq!(answered.faults(&vault), Vec::<String>::new(), "full at write {at}");
    }
}

#[test]
fn a_power_cut_during_a_rotation_leaves_a_vault_that_holds_and_can_be_rotated() {
    let mut dice = Dice(6);
    let (mut cuts, mut resumed) = (0, 0);
    for at in (0..).step_by(3) {
        let fixture = Fixture::new();
        let disk = Disk::new();
        let vault = fixture.open_on(disk.opener()).unwrap();
        shop(&vault, 5);
        let old = vault.signing_key().key_id();
        disk.fail_after(at, io::ErrorKind::Other);
        let done = vault.rotate_keys(act(5));
        drop(vault);
        disk.works_again();
        disk.cut_power(&mut dice);
        let vault = fixture.open_on(disk.opener()).unwrap();
        sound(&vault);
        assert_eq!(vault.templates().unwrap().records.len(), 15);
        resumed += u32::from(vault.is_rotation_pending());
        vault.rotate_keys(act(6)).unwrap();
        sound(&vault);
        assert_ne!(vault.signing_key().key_id(), old);
        drop(vault);
        sound(&fixture.open_on(disk.opener()).unwrap());
        if done.is_ok() {
            break;
        }
        cuts += 1;
    }
    eprintln!("{cuts} power cuts, {resumed} rotations gone on with");
    assert!(cuts > 10 && resumed > 3, "{cuts} {resumed}");
}

const CHILD: &str = "INSTORED_TEST_CHILD_FOLDER";
const HASTY: &str = "INSTORED_TEST_CHILD_IS_HASTY";

/// Not a test: what is killed. It works until then, and tells each answer.
#[test]
fn child_that_is_killed() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let folder = PathBuf::from(folder);
    let path = folder.join("vault.redb");
    let keys = keys(&folder, &path).unwrap();
    let vault = Vault::open(&path, keys, box_id(), second(0)).unwrap();
    let hasty = std::env::var_os(HASTY).is_some();
    let mut answered = Answered::default();
    for step in 0.. {
        if hasty {
            // The planted bug: the answer comes before the commit.
            println!("\nanswer {step}");
        }
        println!("\nasked {step}");
        answered.work(&vault, step).unwrap();
        println!("\nanswer {step}");
        if step % 40 == 39 {
            vault.compact().unwrap();
        }
    }
}

/// Starts a child, kills it (9) after a while, and looks at what it left.
fn kill_after(wait: Duration, hasty: bool) -> (u32, Vec<String>) {
    let fixture = Fixture::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "tests::crash::child_that_is_killed", "--nocapture"])
        .env(CHILD, fixture.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if hasty {
        command.env(HASTY, "1");
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // The clock runs from the first answer on.
    let told: Vec<String> = std::thread::scope(|scope| {
        let (began, begin) = std::sync::mpsc::channel();
        let reading = scope.spawn(move || {
            let mut told = Vec::new();
            while let Some(Ok(line)) = lines.next() {
                if line.starts_with("answer ") || line.starts_with("asked ") {
                    let _ = began.send(());
                    told.push(line);
                }
            }
            told
        });
        begin.recv_timeout(Duration::from_secs(20)).unwrap();
        let _ = begin.recv_timeout(wait);
        let until = std::time::Instant::now() + wait;
        while std::time::Instant::now() < until && begin.recv_timeout(wait).is_ok() {}
        child.kill().unwrap();
        child.wait().unwrap();
        reading.join().unwrap()
    });

    // What was answered, worked out again beside a vault that was not killed.
    let number = |line: &str| line.rsplit(' ').next().unwrap().parse::<u32>().unwrap();
    let last = told.iter().filter(|l| l.starts_with("answer")).map(|l| number(l)).max();
    let asked = told.iter().filter(|l| l.starts_with("asked")).map(|l| number(l)).max();
    let twin = Fixture::new();
    let vault = twin.open_on(Disk::new().opener()).unwrap();
    let mut answered = Answered::default();
    (0..=last.unwrap_or(0)).for_each(|step| answered.work(&vault, step).unwrap());
    // What was asked and not answered may be done or not.
    answered.open = asked.filter(|_| asked > last).map(|asked| {
        let n = asked / 4 + 1;
        if asked % 4 == 3 && n % 3 == 0 { n - 1 } else { n }
    });
    let faults = match fixture.try_open() {
        Ok(vault) => answered.faults(&vault),
        Err(error) => vec![format!("it does not open: {error}")],
    };
    (last.unwrap_or(0), faults)
}

/// `INSTORED_KILLS=1000` for the long run.
#[test]
fn a_killed_program_loses_nothing_that_it_answered() {
    let kills = std::env::var("INSTORED_KILLS").map_or(25, |kills| kills.parse().unwrap());
    let mut dice = Dice(7);
    let mut answers = 0;
    for kill in 0..kills {
        let wait = Duration::from_micros(dice.below(300_000) as u64);
        let (last, faults) = kill_after(wait, false);
        assert_eq!(faults, Vec::<String>::new(), "kill {kill} after {last} answers");
        answers += last;
    }
    eprintln!("{kills} kills, {answers} answers");
    assert!(answers > kills);
}

#[test]
fn the_killing_notices_an_answer_that_came_before_the_commit() {
    let mut dice = Dice(8);
    let caught = (0..60).any(|_| {
        let wait = Duration::from_micros(dice.below(100_000) as u64);
        !kill_after(wait, true).1.is_empty()
    });
    assert!(caught);
}
