//! Comparison of all templates with all others, as products of matrices.
//!
//! Pairs are computed in square blocks, so that the memory does not grow with their number. The
//! highest scores are kept exactly; all scores are counted in a histogram.

use instored_domain::Embedding;
use ndarray::{Array2, ArrayView2, Axis, Slice};

use super::EvaluateError;
use super::metrics::Histogram;
use super::parallel;

/// Number of rows and of columns of a block. The scores of a block, 256 KiB, fit into the second-level
/// cache.
const BLOCK_SIZE: usize = 256;
/// Least number of comparisons that are kept.
const KEPT_COMPARISONS_MIN: usize = 1000;

/// Comparison of two pictures.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Comparison {
    /// Cosine similarity.
    pub score: f32,
    /// Indices of the pictures.
    pub pictures: [usize; 2],
}

/// All non-mated comparisons.
#[derive(Debug)]
pub struct NonMatedComparisons {
    /// Number of comparisons, including comparisons with pictures without a face.
    pub total: u64,
    /// Comparisons with the highest scores, in descending order.
    pub highest: Vec<Comparison>,
    /// Histogram of all scores.
    pub histogram: Histogram,
}

/// Compares each picture with each later picture of another person. A template of `None` stands for
/// a picture without a face. The comparisons with the highest scores are kept: a share of `kept_share`,
/// 0 to 1, but at least [`KEPT_COMPARISONS_MIN`].
///
/// # Errors
/// If templates have different lengths.
pub fn compare_all<P: PartialEq + Sync>(
    templates: &[Option<Embedding>],
    people: &[P],
    kept_share: f64,
    threads: usize,
) -> Result<NonMatedComparisons, EvaluateError> {
    let count_later =
        |i: usize| people[i + 1..].iter().filter(move |p| **p != people[i]).count() as u64;
    let total: u64 = (0..people.len()).map(count_later).sum();
    let capacity = ((total as f64 * kept_share).ceil() as usize).max(KEPT_COMPARISONS_MIN);
    let (indices, faces): (Vec<usize>, Vec<&Embedding>) =
        templates.iter().enumerate().filter_map(|(i, t)| Some((i, t.as_ref()?))).unzip();
    let matrix = matrix(&faces)?;
    let starts: Vec<usize> = (0..indices.len()).step_by(BLOCK_SIZE).collect();
    let blocks: Vec<[usize; 2]> = starts
        .iter()
        .flat_map(|row| starts.iter().filter(move |c| *c >= row).map(move |c| [*row, *c]))
        .collect();
    let init = || TopComparisons::new(capacity);
    let parts = parallel::fold(&blocks, threads, init, |top, _, [row, column]| {
        for ((i, j), score) in block_scores(&matrix, *row, &matrix, *column).indexed_iter() {
            let (i, j) = (row + i, column + j);
            if i < j && people[indices[i]] != people[indices[j]] {
                top.add(Comparison { score: *score, pictures: [indices[i], indices[j]] });
            }
        }
    });
    let top = parts.into_iter().reduce(TopComparisons::merge).unwrap_or_else(init);
    let (highest, histogram) = top.into_sorted();
    Ok(NonMatedComparisons { total, highest, histogram })
}

/// Returns for each probe its scores with all gallery entries of other people, in descending order.
///
/// # Errors
/// If templates have different lengths.
pub fn non_mated_scores<P: PartialEq + Sync>(
    probes: &[(P, &Embedding)],
    entries: &[(P, &Embedding)],
    threads: usize,
) -> Result<Vec<Vec<f32>>, EvaluateError> {
    let embeddings =
        |list: &[(P, &Embedding)]| matrix(&list.iter().map(|(_, e)| *e).collect::<Vec<_>>());
    let (rows, columns) = (embeddings(probes)?, embeddings(entries)?);
    if rows.ncols() != columns.ncols() {
        return Err(EvaluateError::DifferentLengths(rows.ncols(), columns.ncols()));
    }
    let starts: Vec<usize> = (0..probes.len()).step_by(BLOCK_SIZE).collect();
    let mut parts = parallel::fold(&starts, threads, Vec::new, |part, _, start| {
        let mut scores =
            vec![Vec::with_capacity(entries.len()); BLOCK_SIZE.min(probes.len() - start)];
        for column in (0..entries.len()).step_by(BLOCK_SIZE) {
            for ((i, j), score) in block_scores(&rows, *start, &columns, column).indexed_iter() {
                if probes[start + i].0 != entries[column + j].0 {
                    scores[i].push(*score);
                }
            }
        }
        for scores in &mut scores {
            scores.sort_unstable_by(|a, b| b.total_cmp(a));
        }
        part.push((*start, scores));
    })
    .concat();
    parts.sort_by_key(|(start, _)| *start);
    Ok(parts.into_iter().flat_map(|(_, scores)| scores).collect())
}

/// Returns the templates as rows of a matrix.
fn matrix(templates: &[&Embedding]) -> Result<Array2<f32>, EvaluateError> {
    let length = templates.first().map_or(0, |t| t.values().len());
    let mut matrix = Array2::zeros((templates.len(), length));
    for (mut row, template) in matrix.rows_mut().into_iter().zip(templates) {
        let values = template.values();
        if values.len() != length {
            return Err(EvaluateError::DifferentLengths(length, values.len()));
        }
        row.assign(&ndarray::aview1(values));
    }
    Ok(matrix)
}

/// Returns the cosines of up to [`BLOCK_SIZE`] rows of `a`, from index `row`, with up to [`BLOCK_SIZE`]
/// rows of `b`, from index `column`.
fn block_scores(a: &Array2<f32>, row: usize, b: &Array2<f32>, column: usize) -> Array2<f32> {
    fn block(m: &Array2<f32>, start: usize) -> ArrayView2<'_, f32> {
        m.slice_axis(Axis(0), Slice::from(start..(start + BLOCK_SIZE).min(m.nrows())))
    }
    block(a, row).dot(&block(b, column).t())
}

/// The `capacity` highest comparisons of a stream; contains up to twice this number before pruning.
struct TopComparisons {
    capacity: usize,
    kept: Vec<Comparison>,
    /// Lower bound of the highest scores.
    floor: f32,
    histogram: Histogram,
}

impl TopComparisons {
    /// Returns an empty collection.
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            kept: Vec::new(),
            floor: f32::NEG_INFINITY,
            histogram: Histogram::of_cosines(),
        }
    }

    /// Counts a comparison, and keeps it if it can be among the highest.
    fn add(&mut self, comparison: Comparison) {
        self.histogram.add(comparison.score);
        if comparison.score >= self.floor {
            self.kept.push(comparison);
            if self.kept.len() >= self.capacity * 2 {
                self.prune();
            }
        }
    }

    /// Keeps only the `capacity` highest comparisons.
    fn prune(&mut self) {
        if self.kept.len() > self.capacity {
            self.kept.select_nth_unstable_by(self.capacity - 1, descending);
            self.kept.truncate(self.capacity);
            self.floor = self.kept[self.capacity - 1].score;
        }
    }

    /// Merges the collections of two threads.
    fn merge(mut self, other: Self) -> Self {
        self.histogram.merge(&other.histogram);
        self.kept.extend(other.kept);
        self.prune();
        self
    }

    /// Returns the highest comparisons in descending order, and the histogram of all scores.
    fn into_sorted(mut self) -> (Vec<Comparison>, Histogram) {
        self.prune();
        self.kept.sort_unstable_by(descending);
        (self.kept, self.histogram)
    }
}

/// Orders comparisons by descending score, and then by their pictures.
fn descending(a: &Comparison, b: &Comparison) -> std::cmp::Ordering {
    b.score.total_cmp(&a.score).then(a.pictures.cmp(&b.pictures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_collections_keep_highest_and_count_all_scores() {
        let collection = |scores: [f32; 5], first_picture: usize| {
            let mut top = TopComparisons::new(3);
            for (i, score) in scores.into_iter().enumerate() {
                top.add(Comparison { score, pictures: [first_picture + i, 99] });
            }
            top
        };
        let first = collection([0.1, 0.9, 0.2, 0.5, 0.3], 0);
        let second = collection([0.4, 0.0, 0.8, 0.5, 0.7], 10);
        let (highest, histogram) = first.merge(second).into_sorted();
        let kept: Vec<_> = highest.iter().map(|c| (c.score, c.pictures[0])).collect();
        assert_eq!(kept, [(0.9, 1), (0.8, 12), (0.7, 14)]);
        let occupied = histogram.bins().iter().filter(|bin| bin.share > 0.0).count();
        assert_eq!(occupied, 9, "0.5 occurs twice; dropped scores are counted");
    }
}
