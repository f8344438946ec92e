//! A folder of pictures, shown as a camera would.

use std::path::{Path, PathBuf};

use instored_imaging::{Frame, read_picture};

use super::pace::FrameClock;
use super::{Camera, CameraError, Pacing};

/// Shows the pictures of a folder by name, each as one frame in its own size.
#[derive(Debug)]
pub struct Replay {
    folder: PathBuf,
    files: Vec<PathBuf>,
    next: usize,
    repeat: bool,
    ticker: FrameClock,
}

impl Replay {
    /// A replay of the `.jpg`, `.jpeg` and `.png` files in `folder`, `fps` a second; with `repeat`
    /// it begins again at the end.
    ///
    /// # Errors
    /// When the folder cannot be read or holds none.
    pub fn open(folder: &Path, fps: u32, pace: Pacing, repeat: bool) -> Result<Self, CameraError> {
        let refused = |reason| CameraError::Folder { path: folder.to_owned(), reason };
        let mut files = std::fs::read_dir(folder)
            .and_then(|entries| {
                entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()
            })
            .map_err(|err| refused(err.to_string()))?;
        files.retain(|file| is_picture_name(file));
        files.sort();
        if files.is_empty() {
            return Err(refused("it holds no pictures".into()));
        }
        Ok(Self {
            folder: folder.to_owned(),
            files,
            next: 0,
            repeat,
            ticker: FrameClock::new(fps, pace),
        })
    }
}

fn is_picture_name(file: &Path) -> bool {
    let extension = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

impl Camera for Replay {
    /// A file that is no picture takes its moment, is an error that names it, and is left behind.
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        if self.next == self.files.len() {
            if !self.repeat {
                return Err(CameraError::Ended);
            }
            self.next = 0;
        }
        let file = &self.files[self.next];
        self.next += 1;
        let captured_at = self.ticker.tick();
        let picture = read_picture(file)?;
        Ok(Frame { picture, captured_at })
    }

    fn describe(&self) -> String {
        let again = if self.repeat { ", again and again" } else { "" };
        format!(
            "{} pictures of {} at {}/s{again}",
            self.files.len(),
            self.folder.display(),
            self.ticker.fps()
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn paint(folder: &Path, name: &str, level: u8) {
        image::save_buffer(folder.join(name), &[level; 12], 2, 2, image::ColorType::Rgb8).unwrap();
    }

    fn levels(replay: &mut Replay, count: usize) -> Vec<Option<u8>> {
        (0..count).map(|_| replay.next_frame().ok().map(|f| f.picture.rgb()[0])).collect()
    }

    #[test]
    fn pictures_come_by_name_at_even_moments_and_end() {
        let folder = tempfile::tempdir().unwrap();
        paint(folder.path(), "b.png", 20);
        paint(folder.path(), "a.PNG", 10);
        paint(folder.path(), "c.jpg", 30);
        std::fs::write(folder.path().join("notes.txt"), "no picture").unwrap();
        let mut replay = Replay::open(folder.path(), 10, Pacing::Unlimited, false).unwrap();
        for (level, ms) in [(10, 0), (20, 100), (30, 200)] {
            let frame = replay.next_frame().unwrap();
            assert!(frame.picture.rgb()[0].abs_diff(level) <= 2);
            assert_eq!(frame.captured_at, Duration::from_millis(ms));
        }
        for _ in 0..2 {
            assert!(replay.next_frame().unwrap_err().is_end());
        }
    }

    #[test]
    fn a_file_that_is_no_picture_is_named_and_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        paint(folder.path(), "1.png", 10);
        std::fs::write(folder.path().join("2.jpg"), b"\xff\xd8\xff\xe0 not really").unwrap();
        std::fs::create_dir(folder.path().join("3.png")).unwrap();
        paint(folder.path(), "4.png", 40);
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
    fn a_repeated_replay_goes_on_and_its_time_never_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        paint(folder.path(), "1.png", 10);
        paint(folder.path(), "2.png", 20);
        let mut replay = Replay::open(folder.path(), 10, Pacing::Unlimited, true).unwrap();
        assert_eq!(levels(&mut replay, 5), [10, 20, 10, 20, 10].map(Some));
        assert_eq!(replay.next_frame().unwrap().captured_at, Duration::from_millis(500));
    }

    #[test]
    fn a_folder_without_pictures_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let err = Replay::open(folder.path(), 10, Pacing::Unlimited, false).unwrap_err();
        assert!(err.to_string().contains(&folder.path().display().to_string()), "{err}");
        assert!(!err.is_transient());
    }
}
