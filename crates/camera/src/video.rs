//! A video file, shown as a camera would. What ffmpeg can read is read by it, in a process of its own.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use instored_imaging::{Frame, ImageFileError, Picture};

use super::pace::FrameClock;
use super::{Camera, CameraError, Pacing};

/// Shows the pictures of a video, as many a second as are wanted, in the video's own size.
#[derive(Debug)]
pub struct Video {
    file: PathBuf,
    repeat: bool,
    ticker: FrameClock,
    decoder: Decoder,
}

/// A running ffmpeg; ends with its owner.
#[derive(Debug)]
struct Decoder {
    child: Child,
    pictures: BufReader<ChildStdout>,
    /// Whether it has brought a picture yet.
    fruitful: bool,
}

/// No video is larger, in pixels a side.
const MAX_SIDE: u32 = 8192;

impl Video {
    /// A replay of the video in `file`, `fps` pictures a second; with `repeat` it begins again at
    /// the end.
    ///
    /// # Errors
    /// When there is no such file, or no ffmpeg to read it.
    pub fn open(file: &Path, fps: u32, pace: Pacing, repeat: bool) -> Result<Self, CameraError> {
        if let Err(source) = std::fs::File::open(file) {
            return Err(ImageFileError::File { path: file.to_owned(), source }.into());
        }
        let ticker = FrameClock::new(fps, pace);
        let decoder = Decoder::start(file, ticker.fps())?;
        Ok(Self { file: file.to_owned(), repeat, ticker, decoder })
    }
}

impl Camera for Video {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let captured_at = self.ticker.tick();
        let refused = |reason: String| CameraError::Video { path: self.file.clone(), reason };
        loop {
            if let Some(picture) = self.decoder.next().map_err(refused)? {
                return Ok(Frame { picture, captured_at });
            }
            if !self.repeat {
                return Err(CameraError::Ended);
            }
            self.decoder = Decoder::start(&self.file, self.ticker.fps())?;
        }
    }

    fn describe(&self) -> String {
        let again = if self.repeat { ", again and again" } else { "" };
        format!("the video {} at {}/s{again}", self.file.display(), self.ticker.fps())
    }
}

impl Decoder {
    fn start(file: &Path, fps: u32) -> Result<Self, CameraError> {
        let refused = |reason| CameraError::Video { path: file.to_owned(), reason };
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-i"])
            // A name is a file's, whatever it begins with.
            .arg(format!("file:{}", file.display()))
            .args(["-an", "-vf", &format!("fps={fps}"), "-f", "image2pipe", "-c:v", "ppm", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => {
                    refused("ffmpeg, which reads videos, is not installed".into())
                }
                _ => refused(format!("ffmpeg could not be started: {source}")),
            })?;
        let pictures = child.stdout.take().map(BufReader::new);
        let pictures = pictures.ok_or_else(|| refused("ffmpeg has no output".into()))?;
        Ok(Self { child, pictures, fruitful: false })
    }

    /// The next picture; `None` at the end.
    fn next(&mut self) -> Result<Option<Picture>, String> {
        match read_ppm(&mut self.pictures) {
            Ok(Some(picture)) => {
                self.fruitful = true;
                Ok(Some(picture))
            }
            Ok(None) if self.fruitful => Ok(None),
            Ok(None) => {
                let mut said = String::new();
                if let Some(stderr) = &mut self.child.stderr {
                    let _ = stderr.take(1000).read_to_string(&mut said);
                }
                let said = said.lines().next_back().unwrap_or("it holds no pictures").to_owned();
                Err(said)
            }
            Err(e) => Err(format!("ffmpeg stopped in the middle: {e}")),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A binary PPM picture of 8 bits, as ffmpeg writes them one after the other; `None` at the end.
fn read_ppm(input: &mut impl BufRead) -> io::Result<Option<Picture>> {
    if input.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut words = Vec::new();
    while words.len() < 4 {
        let mut line = String::new();
        if input.take(64).read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        words.extend(line.split_ascii_whitespace().map(str::to_owned));
    }
    let side = |word: &str| word.parse().ok().filter(|side| (1..=MAX_SIDE).contains(side));
    let [magic, width, height, "255"] = [0, 1, 2, 3].map(|i: usize| words[i].as_str()) else {
        return Err(wrong("a picture of other than 8 bits"));
    };
    let (Some(width), Some(height), "P6") = (side(width), side(height), magic) else {
        return Err(wrong("a picture of no usable size"));
    };
    let mut rgb = vec![0; width as usize * height as usize * 3];
    input.read_exact(&mut rgb)?;
    Picture::new(width, height, rgb).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_read_one_after_the_other() {
        let stream = [b"P6\n2 1\n255\n".as_slice(), &[1; 6], b"P6 1 1 255\n", &[9; 3]].concat();
        let mut input = stream.as_slice();
        assert_eq!(read_ppm(&mut input).unwrap().unwrap().width(), 2);
        assert_eq!(read_ppm(&mut input).unwrap().unwrap().rgb(), [9; 3]);
        assert!(read_ppm(&mut input).unwrap().is_none());
    }

    #[test]
    fn a_stream_that_is_no_picture_is_refused() {
        for wrong in [
            "P6\n2 1\n255\n\x01",
            "P6\n0 1\n255\n",
            "P6\n9999 1\n255\n",
            "P5\n1 1\n255\n\x01",
            "P6\n1 1\n65535\n\x01\x01\x01\x01\x01\x01",
            "nonsense",
        ] {
            assert!(read_ppm(&mut wrong.as_bytes()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_missing_video_and_a_file_that_is_none_are_named() {
        let open = |path: &Path| Video::open(path, 10, Pacing::Unlimited, false);
        let error = open(Path::new("/nonexistent/walk.mp4")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/walk.mp4"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("walk.mp4");
        std::fs::write(&file, "no video").unwrap();
        // With ffmpeg and without, it is this file that cannot be shown.
        let error = open(&file).and_then(|mut video| video.next_frame()).unwrap_err();
        assert!(error.to_string().contains("walk.mp4") && !error.is_transient(), "{error}");
    }
}
