//! Separation of a person from the backdrop of a portrait.
//!
//! The backdrop is the area that a flood fill reaches from the upper edges without crossing a contour.
//! A plain wall is part of the backdrop. A textured wall is not detected as backdrop; only the
//! silhouette of the sprite limits how much of it is drawn.

/// Centre of the head in a portrait, in portrait widths and heights.
pub(super) const HEAD_CENTRE: (f32, f32) = (0.5, 0.42);
/// Number of columns and rows of cells.
const GRID: (usize, usize) = (160, 200);
/// The fill starts on the left and right edges above this height, in portrait heights. Below it, sleeves
/// may touch the edges.
const SIDE_END: f32 = 0.6;
/// Lower end of the backdrop, in portrait heights.
const BACKDROP_END: f32 = 0.85;
/// Largest difference in colour between neighbouring cells of a backdrop, on a scale of 0 to 255.
const STEP_MAX: f32 = 9.0;
/// Largest difference in colour between a cell of the backdrop and the edge cell from which the fill
/// reached it, on a scale of 0 to 255.
const DRIFT_MAX: f32 = 60.0;

/// Opacity of the person in each cell of a portrait.
pub(super) struct Matte {
    opacities: Vec<f32>,
}

impl Matte {
    /// Computes the matte of a portrait of `width` x `height` pixels.
    pub(super) fn new(rgb: &[[u8; 3]], width: usize, height: usize) -> Self {
        let cells = cell_means(rgb, width, height);
        let mut backdrop = vec![false; GRID.0 * GRID.1];
        let mut queue: Vec<(usize, usize, [f32; 3])> = Vec::new();
        let [side_end, backdrop_end] =
            [SIDE_END, BACKDROP_END].map(|v| (v * GRID.1 as f32) as usize);
        let edge = (0..GRID.0)
            .map(|x| (x, 0))
            .chain((0..side_end).flat_map(|y| [(0, y), (GRID.0 - 1, y)]));
        for (x, y) in edge {
            let index = y * GRID.0 + x;
            if !std::mem::replace(&mut backdrop[index], true) {
                queue.push((x, y, cells[index]));
            }
            // Each edge cell starts its own fill, because a backdrop may have several colours.
            while let Some((x, y, origin)) = queue.pop() {
                let colour = cells[y * GRID.0 + x];
                for (x, y) in neighbours(x, y) {
                    let index = y * GRID.0 + x;
                    let is_similar = distance(cells[index], colour) < STEP_MAX
                        && distance(cells[index], origin) < DRIFT_MAX;
                    if is_similar && y < backdrop_end && !backdrop[index] && !is_face(x, y) {
                        backdrop[index] = true;
                        queue.push((x, y, origin));
                    }
                }
            }
        }
        Self { opacities: soft_opacities(&backdrop) }
    }

    /// Returns the opacity of the person, 0 to 1, at a point in portrait widths and heights.
    pub(super) fn opacity(&self, u: f32, v: f32) -> f32 {
        let cell_position =
            |share: f32, cells: usize| (share * cells as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
        let (x, y) = (cell_position(u, GRID.0), cell_position(v, GRID.1));
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(GRID.0 - 1), (top + 1).min(GRID.1 - 1));
        let (fx, fy) = (x.fract(), y.fract());
        let interpolate_row = |y: usize| {
            let row = &self.opacities[y * GRID.0..][..GRID.0];
            row[left] + (row[right] - row[left]) * fx
        };
        interpolate_row(top) + (interpolate_row(bottom) - interpolate_row(top)) * fy
    }
}

/// Returns true for a cell of the face, which is never backdrop.
fn is_face(x: usize, y: usize) -> bool {
    let (u, v) = (x as f32 / GRID.0 as f32, y as f32 / GRID.1 as f32);
    ((u - HEAD_CENTRE.0) / 0.2).hypot((v - HEAD_CENTRE.1) / 0.28) < 1.0
}

/// Returns the cells to the left, to the right, above and below.
fn neighbours(x: usize, y: usize) -> impl Iterator<Item = (usize, usize)> {
    let steps = [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)];
    steps.into_iter().filter(|(x, y)| *x < GRID.0 && *y < GRID.1)
}

/// Returns the largest difference between two colours in any channel.
fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Returns the mean colour of the pixels of each cell.
fn cell_means(rgb: &[[u8; 3]], width: usize, height: usize) -> Vec<[f32; 3]> {
    let pixel_range = |cell: usize, cells: usize, pixels: usize| {
        let from = cell * pixels / cells;
        from..((cell + 1) * pixels / cells).max(from + 1)
    };
    let mut cells = Vec::with_capacity(GRID.0 * GRID.1);
    for y in 0..GRID.1 {
        for x in 0..GRID.0 {
            let (mut sum, mut count) = ([0.0; 3], 0.0);
            for y in pixel_range(y, GRID.1, height) {
                for pixel in &rgb[y * width..][pixel_range(x, GRID.0, width)] {
                    for (sum, channel) in sum.iter_mut().zip(pixel) {
                        *sum += f32::from(*channel);
                    }
                    count += 1.0;
                }
            }
            cells.push(sum.map(|sum| sum / count));
        }
    }
    cells
}

/// Returns the opacity of each cell. The edge is soft and slightly inside the person, so that no rim of
/// backdrop remains.
fn soft_opacities(backdrop: &[bool]) -> Vec<f32> {
    let backdrop_share = |x: usize, y: usize| {
        let (columns, rows) =
            (x.saturating_sub(2)..(x + 3).min(GRID.0), y.saturating_sub(2)..(y + 3).min(GRID.1));
        let count = (columns.len() * rows.len()) as f32;
        let backdrop_count = rows
            .flat_map(|y| &backdrop[y * GRID.0..][columns.clone()])
            .filter(|is_backdrop| **is_backdrop)
            .count();
        backdrop_count as f32 / count
    };
    (0..GRID.1)
        .flat_map(|y| (0..GRID.0).map(move |x| (x, y)))
        .map(|(x, y)| (1.0 - 1.6 * backdrop_share(x, y)).max(0.0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: (usize, usize) = (300, 400);

    /// Returns the matte of a dark person in front of a wall whose pixels have the colours of `wall`.
    fn matte(wall: impl Fn(usize, usize) -> [u8; 3]) -> Matte {
        let (width, height) = SIZE;
        let pixel = |x: usize, y: usize| {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let is_head = ((u - 0.5) / 0.22).hypot((v - 0.42) / 0.3) < 1.0;
            if is_head || v > 0.75 { [70, 50, 40] } else { wall(x, y) }
        };
        let rgb: Vec<_> = (0..width * height).map(|i| pixel(i % width, i / width)).collect();
        Matte::new(&rgb, width, height)
    }

    #[test]
    fn wall_with_gradient_is_removed_and_person_stays() {
        let matte = matte(|_, y| [(230 - y / 6) as u8; 3]);
        for (u, v) in [(0.02, 0.02), (0.9, 0.3), (0.5, 0.05), (0.1, 0.7)] {
            assert!(matte.opacity(u, v) < 0.01, "{u} {v}");
        }
        for (u, v) in [(0.5, 0.42), (0.4, 0.3), (0.5, 0.9), (0.05, 0.95)] {
            assert!(matte.opacity(u, v) > 0.99, "{u} {v}");
        }
    }

    #[test]
    fn textured_wall_does_not_remove_person() {
        let matte = matte(|x, y| if (x / 30 + y / 30) % 2 == 0 { [250; 3] } else { [150, 90, 60] });
        assert!(matte.opacity(0.5, 0.42) > 0.99 && matte.opacity(0.5, 0.9) > 0.99);
    }
}
