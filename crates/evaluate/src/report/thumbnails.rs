//! Thumbnails of the pictures that cause wrong results.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// Maximum number of failures of one kind, which limits the size of the page.
const FAILURES_MAX: usize = 60;

/// Wrong result of an evaluation, such as a false match, with its pictures.
pub struct Failure {
    /// Thumbnails as JPEG files.
    pub pictures: Vec<Vec<u8>>,
    /// Caption.
    pub caption: String,
}

/// Grid of failures.
pub struct Failures(pub Vec<Failure>);

/// Function that returns a thumbnail of a picture as JPEG, or `None` if it cannot be read.
pub type Thumbnail<'a> = &'a dyn Fn(&Path) -> Option<Vec<u8>>;

/// Returns one failure per index. Its only picture is the one at this index of `pictures`.
pub fn picture_failures(
    indices: &[usize],
    pictures: &[PathBuf],
    thumbnail: Thumbnail<'_>,
) -> Vec<Failure> {
    let failure = |index: &usize| Failure {
        pictures: thumbnail(&pictures[*index]).into_iter().collect(),
        caption: pictures[*index].display().to_string(),
    };
    indices.iter().take(FAILURES_MAX).map(failure).collect()
}

impl From<Failures> for Markup {
    fn from(Failures(failures): Failures) -> Self {
        let source = |jpeg: &[u8]| format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg));
        html! {
            @if failures.is_empty() { p { "No failures." } }
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
