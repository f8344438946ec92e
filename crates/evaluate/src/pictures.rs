//! Looks at many pictures, on several threads, each with models of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use instored_domain::Embedding;

use super::{EvaluateError, Progress};

/// The way from a picture to what is measured. The box's own models and rules are behind it.
pub trait Extract {
    /// The template of the face in the picture; `None` when no face is found.
    ///
    /// # Errors
    /// When the picture cannot be read or a network fails.
    fn template(&mut self, picture: &Path) -> Result<Option<Embedding>, EvaluateError>;

    /// How probable it is that the face is live, 0 to 1; `None` when no face is found.
    ///
    /// # Errors
    /// As above.
    fn liveness(&mut self, picture: &Path) -> Result<Option<f32>, EvaluateError>;
}

/// What `look` says of each picture, in the order of `pictures` whatever the number of `threads`.
/// Every thread has what `make` makes.
///
/// # Errors
/// The first in the order of the pictures; the others are given up.
pub fn look_at_all<X, T: Send>(
    pictures: &[PathBuf],
    threads: usize,
    make: impl Fn() -> Result<X, EvaluateError> + Sync,
    look: impl Fn(&mut X, &Path) -> Result<T, EvaluateError> + Sync,
    progress: &Progress,
) -> Result<Vec<T>, EvaluateError> {
    let next = AtomicUsize::new(0);
    // Pictures are taken in order, and what is taken is looked at to its end: of those that fail, the
    // first has been taken by the time that a later one fails.
    let failed = AtomicBool::new(false);
    let work = || -> Vec<(usize, Result<T, EvaluateError>)> {
        let mut seen = Vec::new();
        let mut eyes = match make() {
            Ok(eyes) => eyes,
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                return vec![(0, Err(error))];
            }
        };
        loop {
            if failed.load(Ordering::Relaxed) {
                return seen;
            }
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(picture) = pictures.get(place) else { return seen };
            let said = look(&mut eyes, picture);
            if said.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            seen.push((place, said));
            progress.advance();
        }
    };
    let threads = threads.clamp(1, pictures.len().max(1));
    let mut seen = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| match worker.join() {
            Ok(seen) => seen,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect::<Vec<_>>()
    });
    seen.sort_by_key(|(place, _)| *place);
    seen.into_iter().map(|(_, said)| said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures(count: usize) -> Vec<PathBuf> {
        (0..count).map(|i| i.to_string().into()).collect()
    }

    fn number(path: &Path) -> usize {
        path.to_str().unwrap().parse().unwrap()
    }

    #[test]
    fn what_is_seen_comes_in_the_order_of_the_pictures_from_any_number_of_threads() {
        for threads in [0, 1, 3, 16] {
            let look = |_: &mut (), path: &Path| {
                // Some pictures take longer than others.
                let spin = (number(path) * 7919) % 1000;
                Ok((0..spin * 100).fold(number(path), |a, _| std::hint::black_box(a)))
            };
            let progress = Progress::new("testing", 200);
            let seen = look_at_all(&pictures(200), threads, || Ok(()), look, &progress).unwrap();
            assert_eq!(seen, (0..200).collect::<Vec<_>>(), "{threads} threads");
        }
    }

    #[test]
    fn each_thread_has_models_of_its_own() {
        let made = AtomicUsize::new(0);
        let make = || Ok(made.fetch_add(1, Ordering::Relaxed));
        let look = |_: &mut usize, _: &Path| Ok(());
        look_at_all(&pictures(50), 4, make, look, &Progress::new("testing", 50)).unwrap();
        assert_eq!(made.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn the_first_picture_that_fails_is_the_one_that_is_named() {
        for threads in [1, 4] {
            let look = |_: &mut (), path: &Path| match number(path) {
                n if n >= 20 => {
                    Err(EvaluateError::Picture { path: path.to_owned(), reason: "broken".into() })
                }
                n => Ok(n),
            };
            let progress = Progress::new("testing", 99);
            let error = look_at_all(&pictures(99), threads, || Ok(()), look, &progress);
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("20 "), "{error}");
        }
    }

    #[test]
    fn models_that_cannot_be_made_are_an_error_and_not_a_hang() {
        let make = || -> Result<(), EvaluateError> { Err(EvaluateError::TooLittle("no".into())) };
        let look = |_: &mut (), _: &Path| Ok(());
        let progress = Progress::new("testing", 9);
        assert!(look_at_all(&pictures(9), 2, make, look, &progress).is_err());
    }
}
