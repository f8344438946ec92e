//! Valid files, and errors of invalid ones.

use std::path::PathBuf;

use super::*;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("protocol.csv");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn error_message<T>(read: impl Fn(&Path) -> Result<T, EvaluateError>, text: &str) -> String {
    let (_dir, path) = file(text);
    read(&path).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn columns_are_found_by_name_and_other_columns_ignored() {
    let (_dir, path) =
        file("same,image_b,note,fold,image_a\n1,b/2.jpg,x,7,b/1.jpg\n0,c/1.jpg,,7,b/1.jpg\n");
    let pairs = Pairs::read(&path).unwrap();
    let names: Vec<_> = pairs.pictures.iter().map(|p| p.to_str().unwrap()).collect();
    assert_eq!(names, ["b/1.jpg", "b/2.jpg", "c/1.jpg"]);
    assert_eq!(pairs.pairs[1].pictures, [0, 2]);
    assert_eq!(pairs.pairs[1].fold.as_deref(), Some("7"));
    assert!(pairs.pairs[0].is_mated && !pairs.pairs[1].is_mated);
    assert_eq!(pairs.people().unwrap(), ["b", "b", "c"]);
}

#[test]
fn fold_and_session_are_optional() {
    let (_dir, path) = file("image_a,image_b,same\na/1,a/2,1\n");
    assert_eq!(Pairs::read(&path).unwrap().pairs[0].fold, None);
    let (_dir, path) = file("image,live\na/1,1\n");
    assert_eq!(Frames::read(&path).unwrap().frames[0].session, None);
}

#[test]
fn invalid_line_is_named_with_reason() {
    let error = error_message(Pairs::read, "image_a,image_b,same\na/1,a/2,1\na/1,a/2,yes\n");
    assert!(error.contains("protocol.csv: line 3") && error.contains("not `yes`"), "{error}");
    let error = error_message(Pairs::read, "image_a,same\na/1,1\n");
    assert!(error.contains("image_b"), "{error}");
    let error = error_message(Split::read, "role,person,image\nprobe,A,a/1\n");
    assert!(error.contains("line 2") && error.contains("probe_known"), "{error}");
    let error = error_message(Pairs::read, "image_a,image_b,same\na/1,a/2\n");
    assert!(error.contains("line: 2"), "{error}");
    assert!(error_message(Pairs::read, "image_a,image_b,same\n").contains("no line"));
    let (dir, _) = file("");
    let missing = dir.path().join("none.csv");
    assert!(Pairs::read(&missing).unwrap_err().to_string().contains("none.csv"));
}

const SPLIT: &str = "trial,role,person,image
1,probe_known,A,a/2
1,enrol,A,a/1
1,enrol,B,b/1
1,enrol,A,a/3
1,probe_known,B,b/2
1,probe_unknown,C,c/1
1,probe_spoof,A,s/1
2,enrol,C,c/1
2,probe_unknown,A,a/1
";

#[test]
fn each_trial_has_its_own_gallery() {
    let (_dir, path) = file(SPLIT);
    let split = Split::read(&path).unwrap();
    let [first, second] = &split.trials[..] else { panic!("two trials") };
    let person = |e: &EnrolledPerson| (e.person.clone(), e.pictures.len());
    assert_eq!(
        first.gallery.iter().map(person).collect::<Vec<_>>(),
        [("A".into(), 2), ("B".into(), 1)]
    );
    let path_of = |picture: usize| split.pictures[picture].to_str().unwrap();
    let mated: Vec<_> =
        first.mated.iter().map(|(person, picture)| (*person, path_of(*picture))).collect();
    assert_eq!(mated, [(0, "a/2"), (1, "b/2")]);
    assert_eq!(path_of(first.non_mated[0]), "c/1");
    assert_eq!(path_of(first.attacks[0]), "s/1");
    assert_eq!((second.gallery.len(), path_of(second.non_mated[0])), (1, "a/1"));
    assert!(split.has_attacks());
}

#[test]
fn probes_outside_smaller_gallery_become_non_mated() {
    let (_dir, path) = file(SPLIT);
    let mut split = Split::read(&path).unwrap();
    split.reduce_galleries(1);
    let trial = &split.trials[0];
    let paths_of = |pictures: &[usize]| -> Vec<_> {
        pictures.iter().map(|p| split.pictures[*p].to_str().unwrap()).collect()
    };
    assert_eq!((trial.gallery.len(), trial.mated.len()), (1, 1));
    assert_eq!(paths_of(&trial.non_mated), ["c/1", "b/2"]);
}

#[test]
fn probe_role_that_contradicts_gallery_is_rejected() {
    let known = error_message(Split::read, "role,person,image\nenrol,A,a/1\nprobe_known,B,b/1\n");
    assert!(known.contains("line 3: B is not enrolled"), "{known}");
    let stranger =
        error_message(Split::read, "role,person,image\nprobe_unknown,A,a/2\nenrol,A,a/1\n");
    assert!(stranger.contains("line 2: A is enrolled in this trial"), "{stranger}");
}

#[test]
fn tracks_have_one_person_session_and_label() {
    let line = |i: usize, live: u8, person: &str, session: u8| {
        format!("{i}.jpg,{live},{person},{session}\n")
    };
    let mut text = "image,live,person,session\n".to_owned();
    for i in 0..7 {
        text += &line(i, 1, "A", 1);
        text += &line(100 + i, 0, "A", 1);
    }
    text += &line(200, 1, "A", 2);
    let (_dir, path) = file(&text);
    let frames = Frames::read(&path).unwrap();
    let lengths = |length| frames.tracks(length).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lengths(1), [1; 15]);
    assert_eq!(lengths(4), [4, 3, 4, 3], "the single frame is less than half a track");
    assert!(frames.tracks(4).iter().all(|t| t.iter().all(|f| f.is_live == t[0].is_live)));
}

#[test]
fn people_are_read_from_other_protocols_without_attacks() {
    let (_dir, path) = file(SPLIT);
    let people = People::read(&path).unwrap();
    let sizes: Vec<_> = people.people.iter().map(Vec::len).collect();
    assert_eq!(sizes, [3, 2, 1], "each picture once");
    assert!(!people.pictures.iter().any(|p| p.starts_with("s")));
}
