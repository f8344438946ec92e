//! Pictures of what went wrong.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// Failures of one kind that are shown: nobody looks at more, and a page has to open.
const MOST: usize = 60;

/// One failure.
pub struct Failure {
    /// Its pictures as JPEG files, small ones.
    pub pictures: Vec<Vec<u8>>,
    /// What went wrong with them.
    pub caption: String,
}

/// Failures side by side.
pub struct Failures(pub Vec<Failure>);

/// Makes a small JPEG of a picture; `None` when it cannot be read.
pub type Thumbnail<'a> = &'a dyn Fn(&Path) -> Option<Vec<u8>>;

/// Failures of single pictures, given by their places, as far as thumbnails can be made.
pub fn picture_failures(
    places: &[usize],
    pictures: &[PathBuf],
    thumbnail: Thumbnail<'_>,
) -> Vec<Failure> {
    let failure = |place: &usize| Failure {
        pictures: thumbnail(&pictures[*place]).into_iter().collect(),
        caption: pictures[*place].display().to_string(),
    };
    places.iter().take(MOST).map(failure).collect()
}

impl From<Failures> for Markup {
    fn from(Failures(failures): Failures) -> Self {
        let source = |jpeg: &[u8]| format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg));
        html! {
            @if failures.is_empty() { p { "None." } }
            div.faces {
                @for Failure { pictures, caption } in &failures {
                    figure {
                        div.pictures { @for jpeg in pictures { img src=(source(jpeg)) alt=""; } }
                        figcaption { (caption) }
                    }
                }
            }
        }
    }
}
