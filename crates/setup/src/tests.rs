//! Tests of planning, writing, repeating and undoing a set-up.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::civil::{Date, date};
use tempfile::TempDir;

use super::*;

const TODAY: Date = date(2026, 11, 28);

/// Machine with a broker that is configured as Debian does.
struct Machine {
    folder: TempDir,
    layout: Layout,
}

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(Some(folder.path().to_owned()));
        let machine = Self { folder, layout };
        let conf_d = machine.layout.broker_configuration_folder();
        fs::create_dir_all(&conf_d).unwrap();
        machine.write(
            &machine.layout.broker_main_configuration(),
            &format!("persistence true\ninclude_dir {}\n", conf_d.display()),
        );
        machine
    }

    fn write(&self, path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn set_up(&self, request: &Request) -> Result<Plan, SetupError> {
        let plan = plan(&self.layout, request, TODAY)?;
        plan.apply()?;
        Ok(plan)
    }

    /// Returns the content and mode of every file.
    fn files(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut folders = vec![self.folder.path().to_owned()];
        let mut files = BTreeMap::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let mode = path.metadata().unwrap().permissions().mode() & 0o777;
                    let content = fs::read(&path).unwrap();
                    files.insert(path, (mode, content));
                }
            }
        }
        files
    }
}

fn request() -> Request {
    Request {
        policy: AccessPolicy {
            box_id: "entrance".parse().unwrap(),
            home_assistant_prefix: "homeassistant".into(),
            has_home_assistant_button: false,
        },
        broker_address: "127.0.0.1".into(),
        broker_port: 1883,
        tls_port: 8883,
        displays: 1,
        tills: 1,
        remote: vec![],
        has_box_key: true,
        box_key: None,
        has_page_token: true,
    }
}

#[test]
fn repeated_setup_changes_nothing() {
    let machine = Machine::new();
    let request = Request { remote: vec!["192.168.1.10".into()], ..request() };
    let first = machine.set_up(&request).unwrap();
    assert_eq!(first.accounts().len(), 6);
    let files = machine.files();
    let second = machine.set_up(&request).unwrap();
    assert!(second.changes().is_empty(), "{:?}", second.changes());
    assert_eq!(machine.files(), files);
    assert_eq!(second.page_token(), first.page_token());
}

#[test]
fn files_with_secrets_are_private() {
    let machine = Machine::new();
    machine.set_up(&Request { remote: vec!["broker.local".into()], ..request() }).unwrap();
    let public = ["ca.pem", "instored.conf", "setup.conf", "mosquitto.conf"];
    for (path, (mode, _)) in machine.files() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let is_private = mode & 0o007 == 0;
        assert_eq!(is_private, !public.contains(&name), "{} {mode:o}", path.display());
    }
    let mode =
        |path: &Path| path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&machine.layout.password("box-entrance")), 0o700);
    assert_eq!(mode(&machine.layout.authority()), 0o750);
    // Everybody may see that the machine is set up.
    assert_eq!(mode(&machine.layout.record()), 0o755);
}

#[test]
fn added_till_and_address_keep_passwords_and_authority() {
    let machine = Machine::new();
    let first = Request { remote: vec!["192.168.1.10".into()], ..request() };
    machine.set_up(&first).unwrap();
    let before = machine.files();
    let more = Request { tills: 2, remote: vec!["box.local".into()], ..request() };
    let plan = machine.set_up(&more).unwrap();
    assert_eq!(plan.record().remote, ["192.168.1.10", "box.local"]);
    let after = machine.files();
    let changed: Vec<_> = before
        .iter()
        .filter(|(path, file)| after[*path] != **file)
        .map(|(path, _)| path.file_name().unwrap().to_str().unwrap())
        .collect();
    assert_eq!(changed, ["setup.toml", "acl", "broker.key", "broker.pem", "passwords"]);
    assert!(after.contains_key(&machine.layout.password("till-entrance-2")));
    // A repetition without options removes nothing.
    let plan = machine.set_up(&request()).unwrap();
    assert_eq!(plan.record().tills, 2);
    assert_eq!(machine.files(), after);
}

#[test]
fn certificate_near_its_end_is_renewed() {
    let machine = Machine::new();
    let request = Request { remote: vec!["192.168.1.10".into()], ..request() };
    machine.set_up(&request).unwrap();
    let later = plan(&machine.layout, &request, date(2034, 11, 27)).unwrap();
    assert!(later.changes().is_empty());
    let due = plan(&machine.layout, &request, date(2035, 1, 1)).unwrap();
    let changed: Vec<_> = due.changes().iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(changed, ["broker.key", "broker.pem"]);
}

#[test]
fn undo_restores_the_machine() {
    let machine = Machine::new();
    let before = machine.files();
    machine.set_up(&Request { remote: vec!["192.168.1.10".into()], ..request() }).unwrap();
    let report = undo(&machine.layout).unwrap().unwrap();
    assert!(report.edited.is_empty() && report.needed.is_empty(), "{report:?}");
    assert_eq!(machine.files(), before);
    assert!(!machine.layout.authority().parent().unwrap().exists());
    assert_eq!(undo(&machine.layout).unwrap(), None);
}

#[test]
fn undo_keeps_edited_file_and_files_that_it_names() {
    let machine = Machine::new();
    machine.set_up(&request()).unwrap();
    let configuration = machine.layout.broker_configuration();
    let text = fs::read_to_string(&configuration).unwrap();
    machine.write(&configuration, &format!("{text}max_connections 9\n"));
    let error = machine.set_up(&Request { tills: 2, ..request() }).err().unwrap().to_string();
    assert!(error.contains("instored.conf was changed"), "{error}");
    let report = undo(&machine.layout).unwrap().unwrap();
    assert_eq!(report.edited, std::slice::from_ref(&configuration));
    let needed = ["acl", "passwords"].map(|name| machine.layout.broker_file(name));
    assert_eq!(report.needed, needed);
    assert!(configuration.exists() && needed.iter().all(|path| path.exists()));
    assert!(!machine.layout.password("box-entrance").exists());
}

#[test]
fn file_of_somebody_else_is_neither_replaced_nor_deleted() {
    let machine = Machine::new();
    let acl = machine.layout.broker_file("acl");
    machine.write(&acl, "user somebody\n");
    let before = machine.files();
    let error = machine.set_up(&request()).err().unwrap().to_string();
    assert!(error.contains("acl exists, but `instored setup` did not write it"), "{error}");
    assert_eq!(machine.files(), before);
}

#[test]
fn foreign_broker_configuration_is_named() {
    for (file, text, line, directive) in [
        ("conf.d/shop.conf", "# our broker\nlistener 1884\n", 2, "listener"),
        ("conf.d/a.conf", "allow_anonymous true", 1, "allow_anonymous"),
        ("mosquitto.conf", "password_file /etc/passwords\ninclude_dir DIR\n", 1, "password_file"),
    ] {
        let machine = Machine::new();
        let conf_d = machine.layout.broker_configuration_folder();
        let text = text.replace("DIR", &conf_d.display().to_string());
        machine.write(&conf_d.parent().unwrap().join(file), &text);
        let before = machine.files();
        let error = machine.set_up(&request()).err().unwrap().to_string();
        let place = format!("{file}, line {line}: ");
        assert!(error.contains(&place) && error.contains(directive), "{error}");
        assert_eq!(machine.files(), before);
    }
}

#[test]
fn broker_that_ignores_the_folder_is_reported() {
    let machine = Machine::new();
    machine.write(&machine.layout.broker_main_configuration(), "persistence true\n");
    let error = machine.set_up(&request()).err().unwrap().to_string();
    assert!(error.contains("add the line `include_dir "), "{error}");
}

#[test]
fn failed_write_changes_nothing() {
    let machine = Machine::new();
    // A folder in the place of the last file: it can be neither read nor replaced.
    let plan = plan(&machine.layout, &request(), TODAY).unwrap();
    let before = machine.files();
    fs::create_dir_all(machine.layout.broker_configuration().join("folder")).unwrap();
    assert!(plan.apply().is_err());
    fs::remove_dir_all(machine.layout.broker_configuration()).unwrap();
    assert_eq!(machine.files(), before);
    assert!(!machine.layout.record().parent().unwrap().exists());
}

#[test]
fn rolled_back_setup_leaves_previous_files() {
    let machine = Machine::new();
    machine.set_up(&request()).unwrap();
    let before = machine.files();
    let more = plan(&machine.layout, &Request { tills: 3, ..request() }, TODAY).unwrap();
    let applied = more.apply().unwrap();
    assert_ne!(machine.files(), before);
    applied.roll_back().unwrap();
    assert_eq!(machine.files(), before);
}

#[test]
fn setup_continues_after_interruption_at_any_file() {
    let machine = Machine::new();
    let request = Request { remote: vec!["192.168.1.10".into()], ..request() };
    machine.set_up(&request).unwrap();
    let more = Request { tills: 2, box_key: Some("key".into()), ..request.clone() };
    let plan = plan(&machine.layout, &more, TODAY).unwrap();
    for count in 1..=plan.changes().len() + 1 {
        let interrupted = Machine::new();
        interrupted.set_up(&request).unwrap();
        let more = super::plan(&interrupted.layout, &more, TODAY).unwrap();
        more.apply_first(count).unwrap();
        interrupted.set_up(&Request { tills: 3, ..request.clone() }).unwrap();
        let report = undo(&interrupted.layout).unwrap().unwrap();
        assert!(report.edited.is_empty(), "after {count} files: {report:?}");
        assert_eq!(interrupted.files().len(), 1, "after {count} files");
    }
}

#[test]
fn known_box_key_remains() {
    let machine = Machine::new();
    let with_key = Request { box_key: Some("the-key".into()), ..request() };
    machine.set_up(&with_key).unwrap();
    let drop_in = machine.layout.drop_in("instored-display");
    let files = machine.files();
    assert!(fs::read_to_string(&drop_in).unwrap().contains("INSTORED_DISPLAY_BOX_KEY=the-key\n"));
    machine.set_up(&request()).unwrap();
    assert_eq!(machine.files(), files);
    machine.set_up(&Request { has_box_key: false, ..request() }).unwrap();
    assert!(!fs::read_to_string(&drop_in).unwrap().contains("BOX_KEY"));
}

#[test]
fn password_of_the_shop_is_used() {
    let machine = Machine::new();
    machine.set_up(&request()).unwrap();
    let hashes = machine.layout.broker_file("passwords");
    let before = fs::read(&hashes).unwrap();
    machine.write(&machine.layout.password("till-entrance"), "a-password-of-the-shop\n");
    let changed = plan(&machine.layout, &request(), TODAY).unwrap();
    // The file with the password has the permissions of a new file.
    assert!(changed.changes().contains(&hashes.as_path()), "{:?}", changed.changes());
    changed.apply().unwrap();
    assert_ne!(fs::read(&hashes).unwrap(), before);
    assert!(plan(&machine.layout, &request(), TODAY).unwrap().changes().is_empty());
}
