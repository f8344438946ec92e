//! Tests of the scene.

use super::*;

/// Frames per second.
const FPS: usize = 10;

fn scene(seed: u64) -> (SceneCamera, SceneController) {
    SceneCamera::new(320, 240, FPS as u32, Pacing::Unlimited, seed)
}

fn portrait() -> Picture {
    Picture::filled(140, 180, [220, 60, 60])
}

/// Reads `frames` frames, and returns the last.
fn advance(camera: &mut SceneCamera, frames: usize) -> Frame {
    (1..frames).for_each(|_| drop(camera.next_frame().unwrap()));
    camera.next_frame().unwrap()
}

/// Returns true if a third of the frame, counted from the left, shows the portrait's colour.
fn is_red(frame: &Frame, third: usize) -> bool {
    let columns = 320 / 3 * third..320 / 3 * (third + 1);
    let pixels = frame.picture.rgb().chunks_exact(3).enumerate();
    let red = pixels
        .filter(|(i, _)| columns.contains(&(i % 320)))
        .filter(|(_, p)| p[0] > 180 && p[1] < 90 && p[2] < 90);
    red.count() > 500
}

fn red_thirds(frame: &Frame) -> [bool; 3] {
    [0, 1, 2].map(|third| is_red(frame, third))
}

#[test]
fn same_commands_result_in_same_pictures() {
    let record = |seed| {
        let (mut camera, controller) = scene(seed);
        let mut frames = vec![advance(&mut camera, 3)];
        let id = controller.enter(&portrait());
        frames.push(advance(&mut camera, 3 * FPS));
        controller.turn_aside(id);
        frames.push(advance(&mut camera, FPS));
        controller.leave(id);
        frames.push(advance(&mut camera, FPS));
        frames.into_iter().map(|frame| (frame.captured_at, frame.picture)).collect::<Vec<_>>()
    };
    assert_eq!(record(5), record(5));
    assert_ne!(record(5), record(6));
}

#[test]
fn empty_scene_has_noise_and_no_people() {
    let (mut camera, controller) = scene(1);
    let (first, second) = (advance(&mut camera, 1), advance(&mut camera, 1));
    assert_eq!(red_thirds(&first), [false; 3]);
    assert_ne!(first.picture, second.picture);
    assert_eq!(controller.person_count(), 0);
}

#[test]
fn person_enters_stands_in_middle_and_leaves() {
    let (mut camera, controller) = scene(1);
    let id = controller.enter(&portrait());
    assert_eq!(red_thirds(&advance(&mut camera, 1)), [false; 3], "nobody appears suddenly");
    let standing = advance(&mut camera, 3 * FPS);
    assert!(is_red(&standing, 1) && controller.wait_until_standing(id, Duration::ZERO));
    controller.leave(id);
    assert!(!controller.wait_until_empty(Duration::ZERO));
    let left = advance(&mut camera, 2 * FPS + 1);
    assert_eq!((red_thirds(&left), controller.person_count()), ([false; 3], 0));
    assert!(controller.wait_until_empty(Duration::ZERO));
}

#[test]
fn fourth_person_waits_for_one_of_three_places() {
    let (mut camera, controller) = scene(1);
    let ids = [0; 4].map(|_| controller.enter(&portrait()));
    let full = advance(&mut camera, 4 * FPS);
    assert_eq!((red_thirds(&full), controller.person_count()), ([true; 3], 4));
    assert!(!controller.wait_until_standing(ids[3], Duration::ZERO));
    controller.leave(ids[1]);
    advance(&mut camera, 5 * FPS);
    assert!(controller.wait_until_standing(ids[3], Duration::ZERO));
    assert_eq!(controller.person_count(), 3);
}

#[test]
fn waiting_person_can_leave() {
    let (mut camera, controller) = scene(1);
    let id = controller.enter(&portrait());
    controller.leave(id);
    assert!(controller.wait_until_empty(Duration::ZERO));
    controller.leave(id);
    controller.turn_aside(id);
    assert_eq!(red_thirds(&advance(&mut camera, FPS)), [false; 3]);
}

#[test]
fn empty_scene_wakes_waiting_thread() {
    let (mut camera, controller) = scene(1);
    let id = controller.enter(&portrait());
    advance(&mut camera, FPS);
    controller.leave(id);
    let waiting = std::thread::spawn(move || controller.wait_until_empty(Duration::from_secs(30)));
    advance(&mut camera, 2 * FPS);
    assert!(waiting.join().unwrap());
}

#[test]
fn smallest_portrait_in_smallest_scene_is_drawn() {
    for (side, portrait_width) in [(1, 1), (64, 1), (1, 64)] {
        let (mut camera, controller) = SceneCamera::new(side, side, 1, Pacing::Unlimited, 0);
        controller.enter(&Picture::filled(portrait_width, portrait_width * 3, [9; 3]));
        let frame = advance(&mut camera, 5);
        assert_eq!((frame.picture.width(), frame.captured_at), (side, Duration::from_secs(4)));
    }
}
