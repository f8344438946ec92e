//! The mode in which nobody is looked at who did not ask.

use serde_json::{Value, json};

use crate::support::entrance::Entrance;
use crate::support::mosquitto::Mosquitto;
use crate::support::repository;

/// Embeddings made in a replay of 1,000 pictures of the customer's face, by what the box says last.
fn replay(entrance: &Entrance, broker: &Mosquitto) -> Value {
    let mut ear = broker.listen();
    let daemon = entrance.open();
    ear.availability("online");
    daemon.logs("stopping");
    ear.availability("offline");
    let ended = daemon.process.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let mut states = ear.heard().into_iter().filter(|m| m.leaf == "state");
    states.next_back().expect("a last state").json()["embeddings"].clone()
}

#[test]
fn a_thousand_frames_with_faces_and_no_press_make_no_embedding() {
    let broker = Mosquitto::start();
    let mut ear = broker.listen();
    let (mut entrance, daemon, _) = Entrance::with_a_customer(&broker, &mut ear, &[]);
    daemon.stop();

    let folder = entrance.path("frames");
    std::fs::create_dir(&folder).unwrap();
    let portrait = repository("crates/simulation/portraits/person_a_2.jpg");
    for n in 0..1000 {
        std::os::unix::fs::symlink(&portrait, folder.join(format!("{n:04}.jpg"))).unwrap();
    }
    entrance.set("INSTORED_CAMERA_DEVICE", format!("replay:{}", folder.display()));
    entrance.set("INSTORED_CAMERA_FPS", "120");
    let looked = replay(&entrance, &broker);
    assert!(looked["recognition"].as_u64() > Some(0), "whoever comes in is looked at: {looked}");

    entrance.set("INSTORED_RECOGNITION_MODE", "on-request");
    let waited = replay(&entrance, &broker);
    assert_eq!(waited, json!({ "enrolment": 0, "recognition": 0 }));
}
