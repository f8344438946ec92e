//! Folder of pictures as a camera.

use std::path::{Path, PathBuf};

use instored_imaging::{Frame, read_picture};

use crate::{Camera, CameraError, FrameClock, Pacing};

/// Camera that delivers the pictures of a folder in the order of their names, each in its own size.
#[derive(Debug)]
pub struct Replay {
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// Index of the next file.
    next: usize,
    is_repeated: bool,
    clock: FrameClock,
}

impl Replay {
    /// Opens a replay of the `.jpg`, `.jpeg` and `.png` files in `folder` at `fps` frames per second.
    /// If `is_repeated`, the replay starts again at its end.
    ///
    /// # Errors
    /// When the folder cannot be read, or contains no files with these extensions.
    pub fn open(
        folder: &Path,
        fps: u32,
        pacing: Pacing,
        is_repeated: bool,
    ) -> Result<Self, CameraError> {
        let folder_error = |reason| CameraError::Folder { path: folder.to_owned(), reason };
        let mut files = std::fs::read_dir(folder)
            .and_then(|entries| {
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
            })
            .map_err(|err| folder_error(err.to_string()))?;
        files.retain(|file| is_picture_name(file));
        files.sort();
        if files.is_empty() {
            return Err(folder_error("it contains no pictures".into()));
        }
        Ok(Self {
            folder: folder.to_owned(),
            files,
            next: 0,
            is_repeated,
            clock: FrameClock::new(fps, pacing),
        })
    }
}

/// Returns true if the file name has the extension of a picture.
fn is_picture_name(file: &Path) -> bool {
    let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

impl Camera for Replay {
    /// Returns the next picture. A file that is no picture results in a transient error that names the
    /// file, and takes one frame period.
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        if self.next == self.files.len() {
            if !self.is_repeated {
                return Err(CameraError::Ended);
            }
            self.next = 0;
        }
        let file = &self.files[self.next];
        self.next += 1;
        let captured_at = self.clock.next_frame_time();
        let picture = read_picture(file)?;
        Ok(Frame { picture, captured_at })
    }

    fn describe(&self) -> String {
        let repeated = if self.is_repeated { ", repeated" } else { "" };
        format!(
            "{} pictures of {} at {} frames/s{repeated}",
            self.files.len(),
            self.folder.display(),
            self.clock.fps()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn write_picture(folder: &Path, name: &str, grey: u8) {
        image::save_buffer(folder.join(name), &[grey; 12], 2, 2, image::ColorType::Rgb8).unwrap();
    }

    fn grey_values(replay: &mut Replay, count: usize) -> Vec<Option<u8>> {
        (0..count).map(|_| replay.next_frame().ok().map(|f| f.picture.rgb()[0])).collect()
    }

    #[test]
    fn pictures_come_in_order_of_name_at_even_times() {
        let folder = tempfile::tempdir().unwrap();
        write_picture(folder.path(), "b.png", 20);
        write_picture(folder.path(), "a.PNG", 10);
        write_picture(folder.path(), "c.jpg", 30);
        std::fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
        let mut replay = Replay::open(folder.path(), 10, Pacing::Unlimited, false).unwrap();
        for (grey, ms) in [(10, 0), (20, 100), (30, 200)] {
            let frame = replay.next_frame().unwrap();
            assert!(frame.picture.rgb()[0].abs_diff(grey) <= 2);
            assert_eq!(frame.captured_at, Duration::from_millis(ms));
        }
        for _ in 0..2 {
            assert!(replay.next_frame().unwrap_err().is_end());
        }
    }

    #[test]
    fn file_that_is_no_picture_is_a_transient_error() {
        let folder = tempfile::tempdir().unwrap();
        write_picture(folder.path(), "1.png", 10);
        std::fs::write(folder.path().join("2.jpg"), b"\xff\xd8\xff\xe0 not really").unwrap();
        std::fs::create_dir(folder.path().join("3.png")).unwrap();
        write_picture(folder.path(), "4.png", 40);
        let mut replay = Replay::open(folder.path(), 10, Pacing::Unlimited, false).unwrap();
        replay.next_frame().unwrap();
        for name in ["2.jpg", "3.png"] {
            let err = replay.next_frame().unwrap_err();
            assert!(err.is_transient() && err.to_string().contains(name), "{err}");
        }
        let last = replay.next_frame().unwrap();
        assert_eq!((last.picture.rgb()[0], last.captured_at), (40, Duration::from_millis(300)));
    }

    #[test]
    fn repeated_replay_continues_its_time() {
        let folder = tempfile::tempdir().unwrap();
        write_picture(folder.path(), "1.png", 10);
        write_picture(folder.path(), "2.png", 20);
        let mut replay = Replay::open(folder.path(), 10, Pacing::Unlimited, true).unwrap();
        assert_eq!(grey_values(&mut replay, 5), [10, 20, 10, 20, 10].map(Some));
        assert_eq!(replay.next_frame().unwrap().captured_at, Duration::from_millis(500));
    }

    #[test]
    fn folder_without_pictures_is_rejected_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let err = Replay::open(folder.path(), 10, Pacing::Unlimited, false).unwrap_err();
        assert!(err.to_string().contains(&folder.path().display().to_string()), "{err}");
        assert!(!err.is_transient());
    }
}
