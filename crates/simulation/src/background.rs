//! Picture of the empty shop: a glass door, shelves on both sides, a tiled floor.

use instored_imaging::Picture;

use crate::random::Random;

/// Upper edge of the floor, in picture heights.
const FLOOR: f32 = 0.66;
/// Sides of the door, in picture widths.
const DOOR: (f32, f32) = (0.36, 0.62);
/// Inner edges of the shelves, in picture widths.
const SHELVES: (f32, f32) = (0.27, 0.74);
/// Number of boards of a shelf.
const BOARDS: usize = 5;

/// Red, green and blue, 0 to 255.
type Colour = [f32; 3];

/// Paints the shop, slightly out of focus. The goods on the shelves depend on the seed.
pub(super) fn paint(width: u32, height: u32, seed: u64) -> Picture {
    let mut picture = Picture::filled(width, height, [0; 3]);
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let goods = [stock(seed), stock(seed ^ 1)];
    for (y, row) in picture.rgb_mut().chunks_exact_mut(w * 3).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            let (u, v) = ((x as f32 + 0.5) / w as f32, (y as f32 + 0.5) / h as f32);
            let colour = colour_at(u, v, w as f32 / h as f32, &goods);
            for (level, value) in pixel.iter_mut().zip(colour) {
                *level = value.clamp(0.0, 255.0) as u8;
            }
        }
    }
    for _ in 0..2 {
        blur(&mut picture, h / 160);
    }
    picture
}

/// Goods on one board: right edge, height and colour of each.
type Board = Vec<(f32, f32, Colour)>;

/// Returns random goods for one shelf.
fn stock(seed: u64) -> [Board; BOARDS] {
    let mut random = Random::new(seed);
    std::array::from_fn(|_| {
        let (mut at, mut board) = (0.0, Vec::new());
        while at < 1.0 {
            at += random.between(0.06, 0.16);
            let shade = random.between(70.0, 150.0);
            let colour = [0; 3].map(|_: i32| shade + random.between(-38.0, 38.0));
            board.push((at, random.between(0.5, 0.9), colour));
        }
        board
    })
}

/// Returns the colour at a point in picture widths and heights.
fn colour_at(u: f32, v: f32, aspect: f32, goods: &[[Board; BOARDS]; 2]) -> Colour {
    let colour = if v > FLOOR {
        floor(u, v, aspect)
    } else if u < SHELVES.0 {
        shelf(1.0 - u / SHELVES.0, v, &goods[0])
    } else if u > SHELVES.1 {
        shelf((u - SHELVES.1) / (1.0 - SHELVES.1), v, &goods[1])
    } else if (DOOR.0..DOOR.1).contains(&u) && v > 0.1 {
        door((u - DOOR.0) / (DOOR.1 - DOOR.0), (v - 0.1) / (FLOOR - 0.1))
    } else {
        wall(u, v)
    };
    // The lamps are above the middle; the corners are darker.
    let shade = 0.35 * ((u - 0.5).powi(2) + (v - 0.45).powi(2)) * 2.0;
    colour.map(|c| c * (1.0 - shade))
}

/// Returns the colour of the wall.
fn wall(u: f32, v: f32) -> Colour {
    let lamp = (1.0 - v / FLOOR).powi(2) * 26.0;
    let skirting = if v > FLOOR - 0.02 { 0.72 } else { 1.0 };
    [172.0 + lamp, 164.0 + lamp, 150.0 + lamp * 0.8].map(|c| c * skirting - 8.0 * (u - 0.5).abs())
}

/// Returns the colour of the door, at a point in its widths and heights.
fn door(u: f32, v: f32) -> Colour {
    let is_frame =
        !(0.04..=0.96).contains(&u) || (u - 0.5).abs() < 0.015 || !(0.04..=0.97).contains(&v);
    let is_handle = (0.54..0.57).contains(&u) && (0.5..0.7).contains(&v);
    if is_frame {
        [74.0, 78.0, 82.0]
    } else if is_handle {
        [150.0, 152.0, 155.0]
    } else if v < 0.62 {
        // The sky above the houses across the street.
        let house = 0.34 + 0.1 * ((u * 5.0).floor() * 2.4).sin();
        if v < house { [206.0, 218.0, 230.0] } else { [158.0, 150.0, 143.0] }
    } else {
        let near = (v - 0.62) / 0.38;
        [132.0 + 20.0 * near, 134.0 + 18.0 * near, 136.0 + 14.0 * near]
    }
}

/// Returns the colour of a shelf, at a point in its widths and picture heights.
fn shelf(u: f32, v: f32, goods: &[Board; BOARDS]) -> Colour {
    let down = (v - 0.08) / (FLOOR - 0.08) * BOARDS as f32;
    if down < 0.0 {
        return wall(u, v).map(|c| c * 0.9);
    }
    let (board, within) = ((down as usize).min(BOARDS - 1), down.fract());
    if within > 0.9 {
        return [196.0, 190.0, 180.0];
    }
    let Some(&(end, height, colour)) = goods[board].iter().find(|(end, ..)| u < *end) else {
        return [58.0, 54.0, 50.0];
    };
    if within < 0.9 - 0.8 * height || end - u < 0.008 {
        [62.0, 58.0, 54.0]
    } else {
        // A label across the middle.
        let label = if ((0.9 - within) / (0.8 * height) - 0.5).abs() < 0.14 { 45.0 } else { 0.0 };
        colour.map(|c| c + label)
    }
}

/// Returns the colour of the floor.
fn floor(u: f32, v: f32, aspect: f32) -> Colour {
    // Tiles in perspective; the vanishing point is above the lower edge of the wall.
    let depth = 1.0 / (v - FLOOR + 0.16);
    let across = (u - 0.5) * aspect * depth * 1.4;
    let is_gap = (across - across.round()).abs() < 0.025 || (depth * 2.0).fract() < 0.06;
    let is_odd = (across.round() as i32 + (depth * 2.0) as i32) % 2 != 0;
    let near = (v - FLOOR) / (1.0 - FLOOR);
    // Daylight from the door.
    let spread = 0.13 + 0.2 * near;
    let daylight = 34.0 * (1.0 - ((u - 0.49).abs() / spread).powi(2)).max(0.0) * (1.0 - 0.5 * near);
    let tile = 138.0 - 22.0 * near + daylight - if is_odd { 7.0 } else { 0.0 };
    let tile = if is_gap { tile - 24.0 } else { tile };
    [tile, tile * 0.97, tile * 0.92]
}

/// Replaces each pixel by the mean of those up to `radius` away, along rows and then along columns.
fn blur(picture: &mut Picture, radius: usize) {
    let (w, h) = (picture.width() as usize, picture.height() as usize);
    let rgb = picture.rgb_mut();
    for (count, length, along, across) in [(h, w, 3, w * 3), (w, h, w * 3, 3)] {
        for line in 0..count {
            for channel in 0..3 {
                let at = |i: usize| line * across + i * along + channel;
                let levels: Vec<u32> = (0..length).map(|i| u32::from(rgb[at(i)])).collect();
                for i in 0..length {
                    let near = &levels[i.saturating_sub(radius)..(i + radius + 1).min(length)];
                    rgb[at(i)] = (near.iter().sum::<u32>() / near.len() as u32) as u8;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_of_the_shop_has_texture() {
        let shop = paint(640, 480, 1);
        for (left, top) in [(0, 0), (430, 0), (230, 60), (100, 330)] {
            let levels: Vec<_> = (0..100 * 200)
                .map(|i| shop.rgb()[((top + i / 200) * 640 + left + i % 200) * 3 + 1])
                .collect();
            let spread = levels.iter().max().unwrap() - levels.iter().min().unwrap();
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
    fn picture_depends_on_the_seed() {
        assert_eq!(paint(160, 120, 1), paint(160, 120, 1));
        assert_ne!(paint(160, 120, 1), paint(160, 120, 2));
    }
}
