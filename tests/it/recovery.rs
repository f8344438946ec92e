//! Files of a box that are moved, backed up, or written by root.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use crate::support::assert_contains;
use crate::support::mosquitto::Mosquitto;
use crate::support::process::{Finished, Process};
use crate::support::test_box::{TestBox, files, start};

/// Passphrase of the backups.
const PASSPHRASE: &str = "correct horse battery staple";
/// User and group that own the state folder in place of root: `nobody` on Debian.
const OTHER_OWNER: u32 = 65534;

/// Returns a box with one customer, stopped, and the customer's id.
fn box_with_customer(broker: &Mosquitto) -> (TestBox, String) {
    let mut subscriber = broker.subscribe();
    let (test_box, daemon, done) = TestBox::with_customer(broker, &mut subscriber, &[]);
    daemon.stop();
    (test_box, done["customer"]["id"].as_str().unwrap().to_owned())
}

fn passphrase_file(test_box: &TestBox) -> PathBuf {
    let file = test_box.path("passphrase");
    fs::write(&file, PASSPHRASE).unwrap();
    file
}

#[track_caller]
fn assert_succeeded(finished: &Finished) {
    assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
}

#[track_caller]
fn assert_failed(finished: &Finished, parts: &[&str]) {
    assert_eq!(finished.code, Some(1), "{}{}", finished.stdout, finished.stderr);
    assert_contains(&finished.stderr, parts);
}

#[test]
fn moved_vault_is_missed_until_it_returns() {
    let broker = Mosquitto::start();
    let (test_box, customer) = box_with_customer(&broker);
    let away = test_box.path("away.redb");
    fs::rename(test_box.vault(), &away).unwrap();
    let parts = ["vault.redb is missing", "bring the vault's file back", "--discard-old"];
    for arguments in [&["run"][..], &["customers", "list"], &["vault", "create"], &["run"]] {
        assert_failed(&test_box.run(arguments), &parts);
    }
    fs::rename(&away, test_box.vault()).unwrap();
    assert_succeeded(&test_box.run(["vault", "verify"]));
    assert_contains(&test_box.run(["customers", "list"]).stdout, &[&customer]);
    assert_failed(&test_box.run(["vault", "create", "--discard-old"]), &["there is a vault at"]);

    fs::rename(test_box.vault(), &away).unwrap();
    assert_succeeded(&test_box.run(["vault", "create", "--discard-old"]));
    assert!(!test_box.run(["customers", "list"]).stdout.contains(&customer));
    assert_succeeded(&test_box.run(["vault", "verify"]));
}

#[test]
fn backups_at_the_same_time_are_both_complete() {
    let broker = Mosquitto::start();
    let (test_box, customer) = box_with_customer(&broker);
    let passphrase = passphrase_file(&test_box);
    let daemon = test_box.start();
    daemon.wait_until_ready();
    let backup = |file: &Path| {
        start(
            test_box
                .command(["vault", "backup"])
                .arg(file)
                .arg("--passphrase-file")
                .arg(&passphrase),
        )
    };
    let names: Vec<_> = (0..4).map(|n| test_box.path(&format!("backup-{n}"))).collect();
    let running: Vec<Process> = names.iter().map(|name| backup(name)).collect();
    for process in running {
        assert_succeeded(&process.wait());
    }
    // A second backup of the same name, into a missing folder, and with a passphrase that is too short.
    assert_failed(&backup(&names[0]).wait(), &["backup-0 exists"]);
    assert_failed(&backup(&test_box.path("missing/backup")).wait(), &["cannot write the backup"]);
    fs::write(&passphrase, "short").unwrap();
    assert_failed(&backup(&test_box.path("backup-5")).wait(), &["at least 12 characters"]);
    assert!(!test_box.path("backup-5").exists());
    daemon.stop();
    fs::write(&passphrase, PASSPHRASE).unwrap();
    let left: Vec<_> = files(&test_box.state_dir())
        .into_iter()
        .filter(|file| {
            file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("backup"))
        })
        .collect();
    assert!(left.is_empty(), "{left:?}");

    let trust = test_box.run(["keys", "show", "--json"]);
    let trust: serde_json::Value = serde_json::from_str(&trust.stdout).unwrap();
    for name in &names {
        let other = TestBox::new(broker.port, "/dev/video99");
        let mut restore = other.command(["vault", "restore"]);
        restore.arg(name).arg("--passphrase-file").arg(&passphrase);
        restore.args(["--trust", trust["key_id"].as_str().unwrap()]);
        assert_succeeded(&start(&mut restore).wait());
        assert_contains(&other.run(["customers", "list"]).stdout, &[&customer]);
    }
}

// Skipped without root, because only root can give files to another user.
#[test]
fn files_written_by_root_belong_to_the_owner_of_the_folder() {
    let broker = Mosquitto::start();
    let (test_box, customer) = box_with_customer(&broker);
    let state = test_box.state_dir();
    if chown(&state, Some(OTHER_OWNER), Some(OTHER_OWNER)).is_err() {
        eprintln!("skipped: giving files to another user needs root");
        return;
    }
    for file in files(&state) {
        chown(file, Some(OTHER_OWNER), Some(OTHER_OWNER)).unwrap();
    }
    let passphrase = passphrase_file(&test_box);
    let backup = test_box.path("backup");
    let with_passphrase = |verb: &str| {
        let mut command = test_box.command(["vault", verb]);
        command.arg(&backup).arg("--passphrase-file").arg(&passphrase);
        start(&mut command).wait()
    };
    for arguments in [["keys", "rotate"], ["vault", "compact"]] {
        assert_succeeded(&test_box.run(arguments));
    }
    assert_succeeded(&with_passphrase("backup"));
    assert_succeeded(&test_box.run(["customers", "forget", &customer]));
    assert_succeeded(&with_passphrase("restore"));
    for file in files(&state) {
        let owner = fs::metadata(&file).unwrap().uid();
        assert_eq!(owner, OTHER_OWNER, "{} belongs to root", file.display());
    }
}
