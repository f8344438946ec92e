//! What of a portrait is backdrop.
//!
//! The backdrop is what can be reached from the portrait's upper edges without crossing a contour.
//! A plain wall goes away so; a busy one stays, and only the soft cut around the person hides it.

/// Where the head is in a portrait, in its widths and heights.
pub(super) const HEAD: (f32, f32) = (0.5, 0.42);
/// Cells across and down.
const GRID: (usize, usize) = (160, 200);
/// Down to where the portrait's sides show backdrop only, in portrait heights: below, sleeves may.
const SIDES: f32 = 0.6;
/// Down to where there is backdrop at all.
const LOWEST: f32 = 0.85;
/// Largest step in colour within a backdrop, from cell to cell, and from its edge to anywhere.
const STEP: f32 = 9.0;
const DRIFT: f32 = 60.0;

/// How much of each part of a portrait is person.
pub(super) struct Matte {
    person: Vec<f32>,
}

impl Matte {
    /// The matte of a portrait of `width` x `height` pixels.
    pub(super) fn of(rgb: &[[u8; 3]], width: usize, height: usize) -> Self {
        let cells = shrunk(rgb, width, height);
        let mut backdrop = vec![false; GRID.0 * GRID.1];
        let mut reached: Vec<(usize, usize, [f32; 3])> = Vec::new();
        let [sides, lowest] = [SIDES, LOWEST].map(|v| (v * GRID.1 as f32) as usize);
        let edge =
            (0..GRID.0).map(|x| (x, 0)).chain((0..sides).flat_map(|y| [(0, y), (GRID.0 - 1, y)]));
        for (x, y) in edge {
            let at = y * GRID.0 + x;
            if !std::mem::replace(&mut backdrop[at], true) {
                reached.push((x, y, cells[at]));
            }
            // Filled from each edge cell in turn, so that a backdrop may have several colours.
            while let Some((x, y, origin)) = reached.pop() {
                let here = cells[y * GRID.0 + x];
                for (x, y) in beside(x, y) {
                    let at = y * GRID.0 + x;
                    let is_same =
                        distance(cells[at], here) < STEP && distance(cells[at], origin) < DRIFT;
                    if is_same && y < lowest && !backdrop[at] && !is_face(x, y) {
                        backdrop[at] = true;
                        reached.push((x, y, origin));
                    }
                }
            }
        }
        Self { person: softened(&backdrop) }
    }

    /// How much is person, 0 to 1, at a point in the portrait's widths and heights.
    pub(super) fn person(&self, u: f32, v: f32) -> f32 {
        let at = |of: f32, cells: usize| (of * cells as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
        let (x, y) = (at(u, GRID.0), at(v, GRID.1));
        let (left, top) = (x as usize, y as usize);
        let (right, foot) = ((left + 1).min(GRID.0 - 1), (top + 1).min(GRID.1 - 1));
        let (fx, fy) = (x.fract(), y.fract());
        let across = |y: usize| {
            let row = &self.person[y * GRID.0..][..GRID.0];
            row[left] + (row[right] - row[left]) * fx
        };
        across(top) + (across(foot) - across(top)) * fy
    }
}

/// The face itself is never backdrop, however pale.
fn is_face(x: usize, y: usize) -> bool {
    let (u, v) = (x as f32 / GRID.0 as f32, y as f32 / GRID.1 as f32);
    ((u - HEAD.0) / 0.2).hypot((v - HEAD.1) / 0.28) < 1.0
}

fn beside(x: usize, y: usize) -> impl Iterator<Item = (usize, usize)> {
    let steps = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
    steps.into_iter().filter(|(x, y)| *x < GRID.0 && *y < GRID.1)
}

fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The portrait in cells, each the mean of its pixels.
fn shrunk(rgb: &[[u8; 3]], width: usize, height: usize) -> Vec<[f32; 3]> {
    let part = |i: usize, cells: usize, of: usize| {
        let from = i * of / cells;
        from..((i + 1) * of / cells).max(from + 1)
    };
    let mut cells = Vec::with_capacity(GRID.0 * GRID.1);
    for y in 0..GRID.1 {
        for x in 0..GRID.0 {
            let (mut sum, mut count) = ([0.0; 3], 0.0);
            for y in part(y, GRID.1, height) {
                for pixel in &rgb[y * width..][part(x, GRID.0, width)] {
                    for (sum, level) in sum.iter_mut().zip(pixel) {
                        *sum += f32::from(*level);
                    }
                    count += 1.0;
                }
            }
            cells.push(sum.map(|sum| sum / count));
        }
    }
    cells
}

/// A soft edge, which lies a little inside the person so that no rim of backdrop is left.
fn softened(backdrop: &[bool]) -> Vec<f32> {
    let share = |x: usize, y: usize| {
        let (columns, rows) =
            (x.saturating_sub(2)..(x + 3).min(GRID.0), y.saturating_sub(2)..(y + 3).min(GRID.1));
        let count = (columns.len() * rows.len()) as f32;
        let of_backdrop = rows
            .flat_map(|y| &backdrop[y * GRID.0..][columns.clone()])
            .filter(|is_backdrop| **is_backdrop)
            .count();
        of_backdrop as f32 / count
    };
    (0..GRID.1)
        .flat_map(|y| (0..GRID.0).map(move |x| (x, y)))
        .map(|(x, y)| (1.0 - 1.6 * share(x, y)).max(0.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (300, 400);

    /// A dark person before a wall of a colour that follows from the place.
    fn matte(wall: impl Fn(usize, usize) -> [u8; 3]) -> Matte {
        let (width, height) = SIZE;
        let pixel = |x: usize, y: usize| {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let head = ((u - 0.5) / 0.22).hypot((v - 0.42) / 0.3) < 1.0;
            if head || v > 0.75 { [70, 50, 40] } else { wall(x, y) }
        };
        let rgb: Vec<_> = (0..width * height).map(|i| pixel(i % width, i / width)).collect();
        Matte::of(&rgb, width, height)
    }

    #[test]
    fn a_wall_that_gets_darker_goes_away_and_the_person_stays() {
        let matte = matte(|_, y| [(230 - y / 6) as u8; 3]);
        for (u, v) in [(0.02, 0.02), (0.9, 0.3), (0.5, 0.05), (0.1, 0.7)] {
            assert!(matte.person(u, v) < 0.01, "{u} {v}");
        }
        for (u, v) in [(0.5, 0.42), (0.4, 0.3), (0.5, 0.9), (0.05, 0.95)] {
            assert!(matte.person(u, v) > 0.99, "{u} {v}");
        }
    }

    #[test]
    fn a_busy_wall_takes_nothing_of_the_person_with_it() {
        let matte = matte(|x, y| if (x / 30 + y / 30) % 2 == 0 { [250; 3] } else { [150, 90, 60] });
        assert!(matte.person(0.5, 0.42) > 0.99 && matte.person(0.5, 0.9) > 0.99);
    }
}
