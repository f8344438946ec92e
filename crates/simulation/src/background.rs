//! Picture of the empty shop: a glass door, shelves on both sides, a tiled floor.

use instored_imaging::Picture;

use crate::random::Random;

/// Upper edge of the floor, in picture heights.
const FLOOR_TOP: f32 = 0.66;
/// Left and right edge of the door, in picture widths.
const DOOR_EDGES: (f32, f32) = (0.36, 0.62);
/// Inner edges of the left and the right shelf, in picture widths.
const SHELF_EDGES: (f32, f32) = (0.27, 0.74);
/// Number of boards of a shelf.
const BOARD_COUNT: usize = 5;

/// Red, green and blue, 0 to 255.
type Colour = [f32; 3];

/// Paints the shop, slightly out of focus. The goods on the shelves depend on the seed.
pub(super) fn paint(width: u32, height: u32, seed: u64) -> Picture {
    let mut picture = Picture::filled(width, height, [0; 3]);
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let goods = [random_goods(seed), random_goods(seed ^ 1)];
    for (y, row) in picture.rgb_mut().chunks_exact_mut(w * 3).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            let (u, v) = ((x as f32 + 0.5) / w as f32, (y as f32 + 0.5) / h as f32);
            let colour = colour_at(u, v, w as f32 / h as f32, &goods);
            for (channel, value) in pixel.iter_mut().zip(colour) {
                *channel = value.clamp(0.0, 255.0) as u8;
            }
        }
    }
    for _ in 0..2 {
        blur(&mut picture, h / 160);
    }
    picture
}

/// Goods on one board. Each has a right edge in shelf widths, a height relative to the largest possible
/// height, and a colour.
type Board = Vec<(f32, f32, Colour)>;

/// Returns random goods for one shelf.
fn random_goods(seed: u64) -> [Board; BOARD_COUNT] {
    let mut random = Random::new(seed);
    std::array::from_fn(|_| {
        let (mut right, mut board) = (0.0, Vec::new());
        while right < 1.0 {
            right += random.between(0.06, 0.16);
            let shade = random.between(70.0, 150.0);
            let colour = [0; 3].map(|_: i32| shade + random.between(-38.0, 38.0));
            board.push((right, random.between(0.5, 0.9), colour));
        }
        board
    })
}

/// Returns the colour at the point (`u`, `v`) in picture widths and heights.
fn colour_at(u: f32, v: f32, aspect: f32, goods: &[[Board; BOARD_COUNT]; 2]) -> Colour {
    let colour = if v > FLOOR_TOP {
        floor(u, v, aspect)
    } else if u < SHELF_EDGES.0 {
        shelf(1.0 - u / SHELF_EDGES.0, v, &goods[0])
    } else if u > SHELF_EDGES.1 {
        shelf((u - SHELF_EDGES.1) / (1.0 - SHELF_EDGES.1), v, &goods[1])
    } else if (DOOR_EDGES.0..DOOR_EDGES.1).contains(&u) && v > 0.1 {
        door((u - DOOR_EDGES.0) / (DOOR_EDGES.1 - DOOR_EDGES.0), (v - 0.1) / (FLOOR_TOP - 0.1))
    } else {
        wall(u, v)
    };
    // The lamps are above the middle; the corners are darker.
    let shade = 0.35 * ((u - 0.5).powi(2) + (v - 0.45).powi(2)) * 2.0;
    colour.map(|c| c * (1.0 - shade))
}

/// Returns the colour of the wall at a point in picture widths and heights.
fn wall(u: f32, v: f32) -> Colour {
    let lamp = (1.0 - v / FLOOR_TOP).powi(2) * 26.0;
    let skirting = if v > FLOOR_TOP - 0.02 { 0.72 } else { 1.0 };
    [172.0 + lamp, 164.0 + lamp, 150.0 + lamp * 0.8].map(|c| c * skirting - 8.0 * (u - 0.5).abs())
}

/// Returns the colour of the door at a point in door widths and heights.
fn door(u: f32, v: f32) -> Colour {
    let is_frame =
        !(0.04..=0.96).contains(&u) || (u - 0.5).abs() < 0.015 || !(0.04..=0.97).contains(&v);
    let is_handle = (0.54..0.57).contains(&u) && (0.5..0.7).contains(&v);
    if is_frame {
        [74.0, 78.0, 82.0]
    } else if is_handle {
        [150.0, 152.0, 155.0]
    } else if v < 0.62 {
        // The upper part of the glass shows the sky and houses.
        let house = 0.34 + 0.1 * ((u * 5.0).floor() * 2.4).sin();
        if v < house { [206.0, 218.0, 230.0] } else { [158.0, 150.0, 143.0] }
    } else {
        let nearness = (v - 0.62) / 0.38;
        [132.0 + 20.0 * nearness, 134.0 + 18.0 * nearness, 136.0 + 14.0 * nearness]
    }
}

/// Returns the colour of a shelf at a point in shelf widths and picture heights.
fn shelf(u: f32, v: f32, goods: &[Board; BOARD_COUNT]) -> Colour {
    let position = (v - 0.08) / (FLOOR_TOP - 0.08) * BOARD_COUNT as f32;
    if position < 0.0 {
        return wall(u, v).map(|c| c * 0.9);
    }
    let (board, within) = ((position as usize).min(BOARD_COUNT - 1), position.fract());
    if within > 0.9 {
        return [196.0, 190.0, 180.0];
    }
    let Some(&(end, height, colour)) = goods[board].iter().find(|(end, ..)| u < *end) else {
        return [58.0, 54.0, 50.0];
    };
    if within < 0.9 - 0.8 * height || end - u < 0.008 {
        [62.0, 58.0, 54.0]
    } else {
        // Each product has a label at half its height.
        let label = if ((0.9 - within) / (0.8 * height) - 0.5).abs() < 0.14 { 45.0 } else { 0.0 };
        colour.map(|c| c + label)
    }
}

/// Returns the colour of the floor at a point in picture widths and heights.
fn floor(u: f32, v: f32, aspect: f32) -> Colour {
    // The tiles are drawn in perspective. The vanishing point is above the lower edge of the wall.
    let depth = 1.0 / (v - FLOOR_TOP + 0.16);
    let column = (u - 0.5) * aspect * depth * 1.4;
    let is_gap = (column - column.round()).abs() < 0.025 || (depth * 2.0).fract() < 0.06;
    let is_dark_tile = (column.round() as i32 + (depth * 2.0) as i32) % 2 != 0;
    let nearness = (v - FLOOR_TOP) / (1.0 - FLOOR_TOP);
    // Daylight falls through the door.
    let spread = 0.13 + 0.2 * nearness;
    let daylight =
        34.0 * (1.0 - ((u - 0.49).abs() / spread).powi(2)).max(0.0) * (1.0 - 0.5 * nearness);
    let tile = 138.0 - 22.0 * nearness + daylight - if is_dark_tile { 7.0 } else { 0.0 };
    let red = if is_gap { tile - 24.0 } else { tile };
    [red, red * 0.97, red * 0.92]
}

/// Replaces each pixel by the mean of the pixels up to `radius` pixels away, along rows and then along
/// columns.
fn blur(picture: &mut Picture, radius: usize) {
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let rgb = picture.rgb_mut();
    for (line_count, length, pixel_stride, line_stride) in [(h, w, 3, w * 3), (w, h, w * 3, 3)] {
        for line in 0..line_count {
            for channel in 0..3 {
                let at = |i: usize| line * line_stride + i * pixel_stride + channel;
                let values: Vec<u32> = (0..length).map(|i| u32::from(rgb[at(i)])).collect();
                for i in 0..length {
                    let neighbours =
                        &values[i.saturating_sub(radius)..(i + radius + 1).min(length)];
                    rgb[at(i)] = (neighbours.iter().sum::<u32>() / neighbours.len() as u32) as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_of_shop_has_texture() {
        let shop = paint(640, 480, 1);
        for (left, top) in [(0, 0), (430, 0), (230, 60), (100, 330)] {
            let green_values: Vec<_> = (0..100 * 200)
                .map(|i| shop.rgb()[((top + i / 200) * 640 + left + i % 200) * 3 + 1])
                .collect();
            let spread = green_values.iter().max().unwrap() - green_values.iter().min().unwrap();
            assert!(spread > 25, "{left} {top} {spread}");
        }
    }

    #[test]
    fn any_size_can_be_painted() {
        for (width, height) in [(1, 1), (64, 64), (3, 500)] {
            let shop = paint(width, height, 9);
            assert_eq!((shop.width(), shop.height()), (width, height));
        }
    }

    #[test]
    fn picture_depends_on_seed() {
        assert_eq!(paint(160, 120, 1), paint(160, 120, 1));
        assert_ne!(paint(160, 120, 1), paint(160, 120, 2));
    }
}
