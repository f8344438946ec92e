//! All against all: millions of comparisons as products of matrices.
//!
//! Pairs are taken in square blocks, so that memory does not grow with their number; of the scores,
//! only the highest are kept, exactly, and the others counted.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use instored_domain::Embedding;
use ndarray::{Array2, ArrayView2, Axis, Slice};

use super::EvaluateError;
use super::metrics::Histogram;

/// Rows and columns of a block: its scores, 256 KiB, stay in the second-level cache.
const BLOCK: usize = 256;

/// A comparison of two pictures, by their places.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Compared {
    /// Cosine.
    pub score: f32,
    /// Places of the pictures.
    pub pictures: [usize; 2],
}

/// Every comparison of pictures of two different people.
#[derive(Debug)]
pub struct Cross {
    /// Their number, those that could not be made among them.
    pub total: u64,
    /// The highest, in descending order.
    pub highest: Vec<Compared>,
    /// How all of them lie.
    pub histogram: Histogram,
}

/// Compares each picture with each later one of another person. `None` stands for a picture without
/// a face. Of all comparisons, the highest `share` are kept (and at least a thousand).
///
/// # Errors
/// When templates have different lengths.
pub fn cross<P: PartialEq + Sync>(
    templates: &[Option<Embedding>],
    people: &[P],
    share: f64,
    threads: usize,
) -> Result<Cross, EvaluateError> {
    let later = |i: usize| people[i + 1..].iter().filter(move |p| **p != people[i]).count() as u64;
    let total: u64 = (0..people.len()).map(later).sum();
    let keep = ((total as f64 * share).ceil() as usize).max(1000);
    let (places, faces): (Vec<usize>, Vec<&Embedding>) =
        templates.iter().enumerate().filter_map(|(i, t)| Some((i, t.as_ref()?))).unzip();
    let matrix = matrix(&faces)?;
    let starts: Vec<usize> = (0..places.len()).step_by(BLOCK).collect();
    let blocks: Vec<[usize; 2]> = starts
        .iter()
        .flat_map(|row| starts.iter().filter(move |c| *c >= row).map(move |c| [*row, *c]))
        .collect();
    let parts = in_parallel(
        &blocks,
        threads,
        || Highest::new(keep),
        |found, [row, column]| {
            let scores = product(&matrix, *row, &matrix, *column);
            for ((i, j), score) in scores.indexed_iter() {
                let (i, j) = (row + i, column + j);
                if i < j && people[places[i]] != people[places[j]] {
                    found.offer(Compared { score: *score, pictures: [places[i], places[j]] });
                }
            }
        },
    );
    let found = parts.into_iter().reduce(Highest::merge).unwrap_or_else(|| Highest::new(keep));
    let (highest, histogram) = found.finish();
    Ok(Cross { total, highest, histogram })
}

/// For each of `probes`, its cosines with all `entries` that are not of the same person, highest
/// first.
///
/// # Errors
/// When templates have different lengths.
pub fn scores_of_each<P: PartialEq + Sync>(
    probes: &[(P, &Embedding)],
    entries: &[(P, &Embedding)],
    threads: usize,
) -> Result<Vec<Vec<f32>>, EvaluateError> {
    let embeddings = |of: &[(P, &Embedding)]| matrix(&of.iter().map(|x| x.1).collect::<Vec<_>>());
    let (rows, columns) = (embeddings(probes)?, embeddings(entries)?);
    if rows.ncols() != columns.ncols() {
        return Err(EvaluateError::Lengths(rows.ncols(), columns.ncols()));
    }
    let starts: Vec<usize> = (0..probes.len()).step_by(BLOCK).collect();
    let mut parts = in_parallel(&starts, threads, Vec::new, |found, start| {
        let mut scores = vec![Vec::with_capacity(entries.len()); BLOCK.min(probes.len() - start)];
        for column in (0..entries.len()).step_by(BLOCK) {
            for ((i, j), score) in product(&rows, *start, &columns, column).indexed_iter() {
                if probes[start + i].0 != entries[column + j].0 {
                    scores[i].push(*score);
                }
            }
        }
        for scores in &mut scores {
            scores.sort_unstable_by(|a, b| b.total_cmp(a));
        }
        found.push((*start, scores));
    })
    .concat();
    parts.sort_by_key(|(start, _)| *start);
    Ok(parts.into_iter().flat_map(|(_, scores)| scores).collect())
}

fn matrix(templates: &[&Embedding]) -> Result<Array2<f32>, EvaluateError> {
    let length = templates.first().map_or(0, |t| t.values().len());
    let mut matrix = Array2::zeros((templates.len(), length));
    for (mut row, template) in matrix.rows_mut().into_iter().zip(templates) {
        let values = template.values();
        if values.len() != length {
            return Err(EvaluateError::Lengths(length, values.len()));
        }
        row.assign(&ndarray::aview1(values));
    }
    Ok(matrix)
}

/// The cosines of a block of rows with a block of rows of another matrix.
fn product(a: &Array2<f32>, row: usize, b: &Array2<f32>, column: usize) -> Array2<f32> {
    fn block(m: &Array2<f32>, start: usize) -> ArrayView2<'_, f32> {
        m.slice_axis(Axis(0), Slice::from(start..(start + BLOCK).min(m.nrows())))
    }
    block(a, row).dot(&block(b, column).t())
}

/// Does each piece of work once; what comes out does not depend on which thread did it.
fn in_parallel<W: Sync, F: Send>(
    work: &[W],
    threads: usize,
    start: impl Fn() -> F + Sync,
    step: impl Fn(&mut F, &W) + Sync,
) -> Vec<F> {
    let next = AtomicUsize::new(0);
    let run = || {
        let mut found = start();
        while let Some(piece) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            step(&mut found, piece);
        }
        found
    };
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads.clamp(1, work.len().max(1))).map(|_| scope.spawn(run)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, F>| match worker.join() {
            Ok(found) => found,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().map(join).collect()
    })
}

/// The highest `keep` comparisons of a stream, in memory for twice as many.
struct Highest {
    keep: usize,
    kept: Vec<Compared>,
    /// Nothing below it is among the highest any more.
    floor: f32,
    histogram: Histogram,
}

impl Highest {
    fn new(keep: usize) -> Self {
        Self {
            keep,
            kept: Vec::new(),
            floor: f32::NEG_INFINITY,
            histogram: Histogram::of_cosines(),
        }
    }

    fn offer(&mut self, compared: Compared) {
        self.histogram.count(compared.score);
        if compared.score >= self.floor {
            self.kept.push(compared);
            if self.kept.len() >= self.keep * 2 {
                self.prune();
            }
        }
    }

    fn prune(&mut self) {
        if self.kept.len() > self.keep {
            self.kept.select_nth_unstable_by(self.keep - 1, descending);
            self.kept.truncate(self.keep);
            self.floor = self.kept[self.keep - 1].score;
        }
    }

    fn merge(mut self, other: Self) -> Self {
        self.histogram.add(&other.histogram);
        self.kept.extend(other.kept);
        self.prune();
        self
    }

    fn finish(mut self) -> (Vec<Compared>, Histogram) {
        self.prune();
        self.kept.sort_unstable_by(descending);
        (self.kept, self.histogram)
    }
}

/// Highest first; of equal ones, in the order of the pictures.
fn descending(a: &Compared, b: &Compared) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then(a.pictures.cmp(&b.pictures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_threads_found_is_brought_together() {
        let found = |scores: [f32; 5], first: usize| {
            let mut highest = Highest::new(3);
            for (i, score) in scores.into_iter().enumerate() {
                highest.offer(Compared { score, pictures: [first + i, 99] });
            }
            highest
        };
        let one = found([0.1, 0.9, 0.2, 0.5, 0.3], 0);
        let other = found([0.4, 0.0, 0.8, 0.5, 0.7], 10);
        let (highest, histogram) = one.merge(other).finish();
        let told: Vec<_> = highest.iter().map(|c| (c.score, c.pictures[0])).collect();
        assert_eq!(told, [(0.9, 1), (0.8, 12), (0.7, 14)]);
        let counted = histogram.shares().iter().filter(|s| s.2 > 0.0).count();
        assert_eq!(counted, 9, "0.5 twice, the others once, those that are not kept among them");
    }
}
