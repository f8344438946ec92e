//! Mode `on-request`: faces are recognised only after a press of the button.

use serde_json::{Value, json};

use crate::support::mosquitto::Mosquitto;
use crate::support::repository_path;
use crate::support::test_box::TestBox;

/// Runs the box until its replay ends. Returns the embedding counters of its last state.
fn embeddings_of_replay(test_box: &TestBox, broker: &Mosquitto) -> Value {
    let mut subscriber = broker.subscribe();
    let daemon = test_box.start();
    subscriber.availability("online");
    daemon.wait_for_log("stopping");
    subscriber.availability("offline");
    let finished = daemon.process.wait();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let mut states = subscriber.received().into_iter().filter(|m| m.leaf == "state");
    states.next_back().expect("a last state").json()["embeddings"].clone()
}

#[test]
fn faces_without_press_cause_no_embedding() {
    let broker = Mosquitto::start();
    let mut subscriber = broker.subscribe();
    let (mut test_box, daemon, _) = TestBox::with_customer(&broker, &mut subscriber, &[]);
    daemon.stop();

    let folder = test_box.path("frames");
    std::fs::create_dir(&folder).unwrap();
    let portrait = repository_path("crates/simulation/portraits/person_a_2.jpg");
    for n in 0..1000 {
        std::os::unix::fs::symlink(&portrait, folder.join(format!("{n:04}.jpg"))).unwrap();
    }
    test_box.set("INSTORED_CAMERA_DEVICE", format!("replay:{}", folder.display()));
    test_box.set("INSTORED_CAMERA_FPS", "120");
    let entrance = embeddings_of_replay(&test_box, &broker);
    assert!(entrance["recognition"].as_u64() > Some(0), "{entrance}");

    test_box.set("INSTORED_RECOGNITION_MODE", "on-request");
    let on_request = embeddings_of_replay(&test_box, &broker);
    assert_eq!(on_request, json!({ "enrolment": 0, "recognition": 0 }));
}
