//! Work on several threads, with results that do not depend on the number of threads.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::{EvaluateError, Progress};

/// Folds items on several threads. Each thread has its own state, and takes the next item until no item
/// is left. Returns one state per thread, in no particular order.
pub(crate) fn fold<T: Sync, S: Send>(
    items: &[T],
    threads: usize,
    init: impl Fn() -> S + Sync,
    step: impl Fn(&mut S, usize, &T) + Sync,
) -> Vec<S> {
    let next = AtomicUsize::new(0);
    let run_worker = || {
        let mut state = init();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return state };
            step(&mut state, index, item);
        }
    };
    let threads = threads.clamp(1, items.len().max(1));
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run_worker)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, S>| match worker.join() {
            Ok(state) => state,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().map(join).collect()
    })
}

/// Applies `map` to each picture on several threads, and returns the results in the order of
/// `pictures`. Each thread loads its own models with `load`.
///
/// # Errors
/// The error of `load`, or the error of `map` for the first picture that fails in the order of
/// `pictures`. The remaining pictures are skipped.
pub fn map_pictures<M: Send, T: Send>(
    pictures: &[PathBuf],
    threads: usize,
    load: impl Fn() -> Result<M, EvaluateError> + Sync,
    map: impl Fn(&mut M, &Path) -> Result<T, EvaluateError> + Sync,
    progress: &Progress,
) -> Result<Vec<T>, EvaluateError> {
    // Pictures start in order, and each started picture is finished. Therefore, the first picture that
    // fails has started before a later picture can set this flag.
    let has_failed = AtomicBool::new(false);
    let init = || {
        let models = load();
        has_failed.fetch_or(models.is_err(), Ordering::Relaxed);
        (models, Vec::new())
    };
    let step = |(models, results): &mut (Result<M, _>, Vec<_>), index, picture: &PathBuf| {
        if let Ok(models) = models
            && !has_failed.load(Ordering::Relaxed)
        {
            let result = map(models, picture);
            has_failed.fetch_or(result.is_err(), Ordering::Relaxed);
            results.push((index, result));
            progress.advance();
        }
    };
    let mut results = Vec::with_capacity(pictures.len());
    for (models, part) in fold(pictures, threads, init, step) {
        models?;
        results.extend(part);
    }
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
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
    fn results_have_order_of_pictures_for_any_thread_count() {
        for threads in [0, 1, 3, 16] {
            let map = |_: &mut (), path: &Path| {
                // Some pictures take longer than others.
                let spin = (number(path) * 7919) % 1000;
                Ok((0..spin * 100).fold(number(path), |a, _| std::hint::black_box(a)))
            };
            let progress = Progress::new("testing", 200);
            let results = map_pictures(&pictures(200), threads, || Ok(()), map, &progress).unwrap();
            assert_eq!(results, (0..200).collect::<Vec<_>>(), "{threads} threads");
        }
    }

    #[test]
    fn each_thread_loads_its_own_models() {
        let loaded = AtomicUsize::new(0);
        let load = || Ok(loaded.fetch_add(1, Ordering::Relaxed));
        let map = |_: &mut usize, _: &Path| Ok(());
        map_pictures(&pictures(50), 4, load, map, &Progress::new("testing", 50)).unwrap();
        assert_eq!(loaded.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn first_failing_picture_determines_error() {
        for threads in [1, 4] {
            let map = |_: &mut (), path: &Path| match number(path) {
                n if n >= 20 => {
                    Err(EvaluateError::Picture { path: path.to_owned(), reason: "broken".into() })
                }
                n => Ok(n),
            };
            let progress = Progress::new("testing", 99);
            let result = map_pictures(&pictures(99), threads, || Ok(()), map, &progress);
            let error = result.unwrap_err().to_string();
            assert!(error.contains("picture 20:"), "{error}");
        }
    }

    #[test]
    fn failing_load_results_in_error() {
        let load =
            || -> Result<(), EvaluateError> { Err(EvaluateError::NotEnoughData("no".into())) };
        let map = |_: &mut (), _: &Path| Ok(());
        let progress = Progress::new("testing", 9);
        assert!(map_pictures(&pictures(9), 2, load, map, &progress).is_err());
    }
}
