//! Video file as a camera, decoded by an ffmpeg process.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use instored_imaging::{Frame, ImageFileError, Picture};

use crate::{Camera, CameraError, FrameClock, Pacing};

/// Camera that delivers the pictures of a video at the configured rate, in the size of the video.
#[derive(Debug)]
pub struct Video {
    file: PathBuf,
    is_repeated: bool,
    clock: FrameClock,
    decoder: Decoder,
}

/// A running ffmpeg process, which is killed when this value is dropped.
#[derive(Debug)]
struct Decoder {
    child: Child,
    pictures: BufReader<ChildStdout>,
    /// True if a picture was read.
    has_read_picture: bool,
    /// Thread that reads standard error and returns the last line. Without it, ffmpeg would block
    /// when the pipe is full.
    stderr_reader: Option<JoinHandle<Option<String>>>,
}

/// Largest width and height of a video in pixels.
const MAX_SIDE: u32 = 8192;

impl Video {
    /// Opens a replay of the video in `file` at `fps` frames per second. If `is_repeated`, the replay
    /// starts again at its end.
    ///
    /// # Errors
    /// When the file does not exist, or ffmpeg is not installed.
    pub fn open(
        file: &Path,
        fps: u32,
        pacing: Pacing,
        is_repeated: bool,
    ) -> Result<Self, CameraError> {
        if let Err(source) = std::fs::File::open(file) {
            return Err(ImageFileError::Read { path: file.to_owned(), source }.into());
        }
        let clock = FrameClock::new(fps, pacing);
        let decoder = Decoder::start(file, clock.fps())?;
        Ok(Self { file: file.to_owned(), is_repeated, clock, decoder })
    }
}

impl Camera for Video {
    fn next_frame(&mut self) -> Result<Frame, CameraError> {
        let captured_at = self.clock.next_frame_time();
        let video_error = |reason: String| CameraError::Video { path: self.file.clone(), reason };
        loop {
            if let Some(picture) = self.decoder.next_picture().map_err(video_error)? {
                return Ok(Frame { picture, captured_at });
            }
            if !self.is_repeated {
                return Err(CameraError::Ended);
            }
            self.decoder = Decoder::start(&self.file, self.clock.fps())?;
        }
    }

    fn describe(&self) -> String {
        let repeated = if self.is_repeated { ", repeated" } else { "" };
        format!("the video {} at {} frames/s{repeated}", self.file.display(), self.clock.fps())
    }
}

impl Decoder {
    /// Starts ffmpeg on the file.
    fn start(file: &Path, fps: u32) -> Result<Self, CameraError> {
        let video_error = |reason| CameraError::Video { path: file.to_owned(), reason };
        let mut child = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error", "-i"])
            // The prefix keeps ffmpeg from reading a file name as a URL or an option.
            .arg(format!("file:{}", file.display()))
            .args(["-an", "-vf", &format!("fps={fps}"), "-f", "image2pipe", "-c:v", "ppm", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => video_error("ffmpeg is not installed".into()),
                _ => video_error(format!("cannot start ffmpeg: {source}")),
            })?;
        let pictures = child.stdout.take().map(BufReader::new);
        let pictures = pictures.ok_or_else(|| video_error("ffmpeg has no output".into()))?;
        let messages = child.stderr.take().map(BufReader::new);
        let stderr_reader = messages.map(|messages| {
            std::thread::spawn(move || messages.lines().map_while(Result::ok).last())
        });
        Ok(Self { child, pictures, has_read_picture: false, stderr_reader })
    }

    /// Returns the next picture; `None` at the end.
    fn next_picture(&mut self) -> Result<Option<Picture>, String> {
        match read_ppm(&mut self.pictures) {
            Ok(Some(picture)) => {
                self.has_read_picture = true;
                Ok(Some(picture))
            }
            Ok(None) if self.has_read_picture => Ok(None),
            Ok(None) => {
                let message = self.stderr_reader.take().and_then(|reader| reader.join().ok()?);
                Err(message.unwrap_or_else(|| "it contains no pictures".to_owned()))
            }
            Err(e) => Err(format!("cannot read the output of ffmpeg: {e}")),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Errors are ignored, because the process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads the next of several binary PPM pictures with 8 bits per channel; returns `None` at the end.
fn read_ppm(input: &mut impl BufRead) -> io::Result<Option<Picture>> {
    if input.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let invalid_data = |reason: &str| io::Error::new(io::ErrorKind::InvalidData, reason.to_owned());
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
        return Err(invalid_data("a picture does not have 8 bits per channel"));
    };
    let (Some(width), Some(height), "P6") = (side(width), side(height), magic) else {
        return Err(invalid_data(
            "a picture is empty, larger than 8192 x 8192 pixels, or not in binary PPM format",
        ));
    };
    let mut rgb = vec![0; width as usize * height as usize * 3];
    input.read_exact(&mut rgb)?;
    Picture::new(width, height, rgb).map(Some).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_pictures_are_read() {
        let stream = [b"P6\n2 1\n255\n".as_slice(), &[1; 6], b"P6 1 1 255\n", &[9; 3]].concat();
        let mut input = stream.as_slice();
        assert_eq!(read_ppm(&mut input).unwrap().unwrap().width(), 2);
        assert_eq!(read_ppm(&mut input).unwrap().unwrap().rgb(), [9; 3]);
        assert!(read_ppm(&mut input).unwrap().is_none());
    }

    #[test]
    fn invalid_stream_is_rejected() {
        for invalid in [
            "P6\n2 1\n255\n\x01",
            "P6\n0 1\n255\n",
            "P6\n9999 1\n255\n",
            "P5\n1 1\n255\n\x01",
            "P6\n1 1\n65535\n\x01\x01\x01\x01\x01\x01",
            "nonsense",
        ] {
            assert!(read_ppm(&mut invalid.as_bytes()).is_err(), "{invalid:?}");
        }
    }

    #[test]
    fn missing_or_invalid_video_is_named() {
        let open = |path: &Path| Video::open(path, 10, Pacing::Unlimited, false);
        let error = open(Path::new("/nonexistent/walk.mp4")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/walk.mp4"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("walk.mp4");
        std::fs::write(&file, "no video").unwrap();
        // The error names the file whether or not ffmpeg is installed.
        let error = open(&file).and_then(|mut video| video.next_frame()).unwrap_err();
        assert!(error.to_string().contains("walk.mp4") && !error.is_transient(), "{error}");
    }
}
