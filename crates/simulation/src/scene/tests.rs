//! What a stage shows, and when.

use super::*;

const SECOND: usize = 10;

fn stage(seed: u64) -> (SceneCamera, SceneController) {
    SceneCamera::new(320, 240, SECOND as u32, Pacing::Unlimited, seed)
}

fn portrait() -> Picture {
    Picture::filled(140, 180, [220, 60, 60])
}

fn show(stage: &mut SceneCamera, frames: usize) -> Frame {
    (1..frames).for_each(|_| drop(stage.next_frame().unwrap()));
    stage.next_frame().unwrap()
}

/// Whether the portrait's colour is seen in the columns of one third of the frame.
fn is_red(frame: &Frame, third: usize) -> bool {
    let columns = 320 / 3 * third..320 / 3 * (third + 1);
    let pixels = frame.picture.rgb().chunks_exact(3).enumerate();
    let red = pixels
        .filter(|(i, _)| columns.contains(&(i % 320)))
        .filter(|(_, p)| p[0] > 180 && p[1] < 90 && p[2] < 90);
    red.count() > 500
}

fn thirds(frame: &Frame) -> [bool; 3] {
    [0, 1, 2].map(|third| is_red(frame, third))
}

#[test]
fn the_same_directions_give_the_same_pictures() {
    let play = |seed| {
        let (mut stage, director) = stage(seed);
        let mut frames = vec![show(&mut stage, 3)];
        let id = director.enter(&portrait());
        frames.push(show(&mut stage, 3 * SECOND));
        director.turn_aside(id);
        frames.push(show(&mut stage, SECOND));
        director.leave(id);
        frames.push(show(&mut stage, SECOND));
        frames.into_iter().map(|frame| (frame.captured_at, frame.picture)).collect::<Vec<_>>()
    };
    assert_eq!(play(5), play(5));
    assert_ne!(play(5), play(6));
}

#[test]
fn an_empty_stage_shows_nobody_and_is_never_quite_still() {
    let (mut stage, director) = stage(1);
    let (first, second) = (show(&mut stage, 1), show(&mut stage, 1));
    assert_eq!(thirds(&first), [false; 3]);
    assert_ne!(first.picture, second.picture);
    assert_eq!(director.person_count(), 0);
}

#[test]
fn somebody_comes_stands_in_the_middle_and_goes() {
    let (mut stage, director) = stage(1);
    let id = director.enter(&portrait());
    assert_eq!(thirds(&show(&mut stage, 1)), [false; 3], "nobody pops up");
    let standing = show(&mut stage, 3 * SECOND);
    assert!(is_red(&standing, 1) && director.wait_until_standing(id, Duration::ZERO));
    director.leave(id);
    assert!(!director.wait_until_empty(Duration::ZERO));
    let left = show(&mut stage, 2 * SECOND + 1);
    assert_eq!((thirds(&left), director.person_count()), ([false; 3], 0));
    assert!(director.wait_until_empty(Duration::ZERO));
}

#[test]
fn three_stand_side_by_side_and_a_fourth_waits_for_a_place() {
    let (mut stage, director) = stage(1);
    let ids = [0; 4].map(|_| director.enter(&portrait()));
    let full = show(&mut stage, 4 * SECOND);
    assert_eq!((thirds(&full), director.person_count()), ([true; 3], 4));
    assert!(!director.wait_until_standing(ids[3], Duration::ZERO));
    director.leave(ids[1]);
    show(&mut stage, 5 * SECOND);
    assert!(director.wait_until_standing(ids[3], Duration::ZERO));
    assert_eq!(director.person_count(), 3);
}

#[test]
fn whoever_waits_at_the_door_can_be_sent_away() {
    let (mut stage, director) = stage(1);
    let id = director.enter(&portrait());
    director.leave(id);
    assert!(director.wait_until_empty(Duration::ZERO));
    director.leave(id);
    director.turn_aside(id);
    assert_eq!(thirds(&show(&mut stage, SECOND)), [false; 3]);
}

#[test]
fn a_director_in_another_thread_hears_of_the_empty_stage() {
    let (mut stage, director) = stage(1);
    let id = director.enter(&portrait());
    show(&mut stage, SECOND);
    director.leave(id);
    let waiting = std::thread::spawn(move || director.wait_until_empty(Duration::from_secs(30)));
    show(&mut stage, 2 * SECOND);
    assert!(waiting.join().unwrap());
}

#[test]
fn the_smallest_portrait_on_the_smallest_stage_is_drawn() {
    for (side, portrait) in [(1, 1), (64, 1), (1, 64)] {
        let (mut stage, director) = SceneCamera::new(side, side, 1, Pacing::Unlimited, 0);
        director.enter(&Picture::filled(portrait, portrait * 3, [9; 3]));
        let frame = show(&mut stage, 5);
        assert_eq!((frame.picture.width(), frame.captured_at), (side, Duration::from_secs(4)));
    }
}
