//! Error rates of small lists of frames.

use super::*;

fn frames(labels: &[bool]) -> Frames {
    let frame = |(picture, is_live): (usize, &bool)| LabelledFrame {
        picture,
        is_live: *is_live,
        person: Some("A".into()),
        session: Some("1".into()),
    };
    Frames {
        pictures: (0..labels.len()).map(|i| format!("{i}.jpg").into()).collect(),
        frames: labels.iter().enumerate().map(frame).collect(),
    }
}

#[test]
fn errors_are_counted_by_pad_mode() {
    let frames = frames(&[true, true, true, true, false, false, false, false, false]);
    let probabilities = [0.9, 0.5, 0.49, 0.95, 0.1, 0.6, 0.2, 0.3, 0.4].map(Some);
    let found = measure(&frames, &probabilities, 0.5, 1);
    assert_eq!((found.bona_fide, found.attacks), (4, 5));
    for mode in ["off", "observe"] {
        assert_eq!(found.apcer[mode].unwrap().value, 1.0, "{mode}");
        assert_eq!(found.bpcer[mode].unwrap().value, 0.0, "{mode}");
    }
    assert_eq!(found.apcer["enforce"].unwrap().value, 0.2);
    assert_eq!(found.bpcer["enforce"].unwrap().value, 0.25);
    assert_eq!(
        (found.detail.rejected_bona_fide, found.detail.accepted_attacks),
        (vec![2], vec![5])
    );
}

#[test]
fn presentation_without_face_is_rejected() {
    let frames = frames(&[true, true, false, false]);
    let found = measure(&frames, &[Some(0.9), None, Some(0.9), None], 0.5, 1);
    assert_eq!(found.failures_to_detect, 2);
    for mode in ["off", "observe", "enforce"] {
        assert_eq!(found.apcer[mode].unwrap().value, 0.5, "{mode}");
        assert_eq!(found.bpcer[mode].unwrap().value, 0.5, "{mode}");
    }
}

#[test]
fn track_is_classified_by_mean_of_frames_with_face() {
    let frames = frames(&[true, true, true, true, false, false]);
    let probabilities = [Some(0.2), Some(0.9), None, Some(0.6), Some(0.7), Some(0.1)];
    let found = measure(&frames, &probabilities, 0.5, 2);
    assert_eq!((found.bona_fide, found.attacks, found.frames_per_presentation), (2, 1, 2));
    assert_eq!(found.bpcer["enforce"].unwrap().value, 0.0);
    assert_eq!(found.apcer["enforce"].unwrap().value, 0.0);
}

#[test]
fn label_without_presentations_has_no_rate() {
    let found = measure(&frames(&[true]), &[Some(0.9)], 0.5, 1);
    let json = serde_json::to_value(&found).unwrap();
    assert!(json["apcer"]["enforce"].is_null());
    assert_eq!(json["bpcer"]["enforce"]["value"], 0.0);
}
