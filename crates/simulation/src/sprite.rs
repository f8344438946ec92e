//! A person cut out of a portrait, and drawn into a frame.

use instored_imaging::Picture;

use super::matte::{HEAD, Matte};
use super::movement::Pose;

/// A portrait's height in frame heights, at scale 1.
const TALL: f32 = 5.0 / 6.0;
/// How far the coat goes on below the portrait, in portrait heights.
const COAT: f32 = 1.5;
/// Portraits taller than this are halved first: no frame shows more of them.
const MAX_HEIGHT: u32 = 1_000;

/// Head, shoulders and a coat, with soft edges, in sizes from whole to small.
pub(super) struct Sprite {
    /// Each half as large as the one before.
    levels: Vec<Level>,
    /// Of the portrait, without the coat, in pixels of the first level.
    width: f32,
    height: f32,
}

/// Premultiplied RGBA.
struct Level {
    width: usize,
    height: usize,
    rgba: Vec<[u8; 4]>,
}

impl Sprite {
    /// Cuts a person out of a portrait, and dresses them in a coat of the colours at its foot.
    pub(super) fn cut(portrait: &Picture) -> Self {
        let mut portrait = Rgb::of(portrait);
        while portrait.height as u32 > MAX_HEIGHT {
            portrait = portrait.halved();
        }
        let (width, height) = (portrait.width, portrait.height);
        let whole = height + (height as f32 * COAT) as usize;
        let coat = coat(&portrait);
        let matte = Matte::of(&portrait.rgb, width, height);
        let mut rgba = Vec::with_capacity(width * whole);
        for y in 0..whole {
            for x in 0..width {
                let (u, v) = ((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
                let colour = if y < height {
                    portrait.rgb[y * width + x].map(f32::from)
                } else {
                    // Fold by fold darker, and of one colour farther down.
                    let down = ((v - 1.0) / COAT).min(1.0);
                    let mix = (down * 4.0).min(1.0);
                    let own = coat.row[x];
                    std::array::from_fn(|c| {
                        (own[c] + (coat.mean[c] - own[c]) * mix) * (1.0 - 0.35 * down)
                    })
                };
                let alpha = alpha(u, v) * matte.person(u, v);
                let [r, g, b] = colour.map(|c| (c * alpha) as u8);
                rgba.push([r, g, b, (alpha * 255.0) as u8]);
            }
        }
        let mut levels = vec![Level { width, height: whole, rgba }];
        while let Some(last) = levels.last()
            && last.width >= 32
            && last.height >= 32
        {
            let half = last.halved();
            levels.push(half);
        }
        Self { levels, width: width as f32, height: height as f32 }
    }

    /// Draws the person over the picture.
    pub(super) fn draw(&self, picture: &mut Picture, pose: &Pose) {
        let (w, h) = (picture.width() as f32, picture.height() as f32);
        // Pixels of the frame for one of the portrait, across and down.
        let down = pose.scale * TALL * h / self.height;
        let across = down * pose.aspect;
        if !(down > 0.0 && across > 0.0) {
            return;
        }
        let wanted = (1.0 / down).log2() + 0.4 + if pose.blurred { 1.0 } else { 0.0 };
        let nth = (wanted.max(0.0) as usize).min(self.levels.len() - 1);
        let level = &self.levels[nth];
        let fine = (1u32 << nth) as f32;

        let (sin, cos) = pose.tilt.sin_cos();
        let (head_x, head_y) = (pose.x * w, pose.y * h);
        // From the frame to the level: step for one pixel to the right and one down.
        let right = (cos / across / fine, -sin / down / fine);
        let below = (sin / across / fine, cos / down / fine);
        let origin = (HEAD.0 * self.width / fine, HEAD.1 * self.height / fine);

        // Nobody is wider than this, however tilted.
        let reach = self.width * across * 0.5 + (sin.abs() * (1.0 + COAT)) * self.height * down;
        let first = (head_x - reach).clamp(0.0, w) as usize;
        let last = (head_x + reach).ceil().clamp(0.0, w) as usize;
        let top = (head_y - HEAD.1 * self.height * down - reach * sin.abs()).clamp(0.0, h) as usize;
        let row = picture.width() as usize * 3;
        for (y, row) in picture.rgb_mut().chunks_exact_mut(row).enumerate().skip(top) {
            let dy = y as f32 + 0.5 - head_y;
            let dx = first as f32 + 0.5 - head_x;
            let mut u = origin.0 + dx * right.0 + dy * below.0 - 0.5;
            let mut v = origin.1 + dx * right.1 + dy * below.1 - 0.5;
            for pixel in row[first * 3..last * 3].chunks_exact_mut(3) {
                if let Some([r, g, b, alpha]) = level.sample(u, v) {
                    let through = 1.0 - alpha * (1.0 / 255.0);
                    for (level, value) in pixel.iter_mut().zip([r, g, b]) {
                        *level = (f32::from(*level) * through + value * pose.light) as u8;
                    }
                }
                u += right.0;
                v += right.1;
            }
        }
    }
}

impl Level {
    /// The colour between the four pixels around a point; `None` outside.
    #[inline]
    fn sample(&self, u: f32, v: f32) -> Option<[f32; 4]> {
        if !(u >= 0.0 && v >= 0.0) {
            return None;
        }
        let (x, y) = (u as usize, v as usize);
        if x + 1 >= self.width || y + 1 >= self.height {
            return None;
        }
        let (fx, fy) = (u - x as f32, v - y as f32);
        let above = &self.rgba[y * self.width + x..][..2];
        let below = &self.rgba[(y + 1) * self.width + x..][..2];
        Some(std::array::from_fn(|c| {
            let [a, b] = [above[0][c], above[1][c]].map(f32::from);
            let [d, e] = [below[0][c], below[1][c]].map(f32::from);
            let (top, foot) = (a + (b - a) * fx, d + (e - d) * fx);
            top + (foot - top) * fy
        }))
    }

    fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let rgba = halve(&self.rgba, self.width, width, height);
        Self { width, height, rgba }
    }
}

struct Rgb {
    width: usize,
    height: usize,
    rgb: Vec<[u8; 3]>,
}

impl Rgb {
    fn of(picture: &Picture) -> Self {
        let rgb = picture.rgb().chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
        Self { width: picture.width() as usize, height: picture.height() as usize, rgb }
    }

    fn halved(&self) -> Self {
        let (width, height) = ((self.width / 2).max(1), self.height / 2);
        Self { width, height, rgb: halve(&self.rgb, self.width, width, height) }
    }
}

/// The mean of every four pixels.
fn halve<const N: usize>(
    pixels: &[[u8; N]],
    stride: usize,
    width: usize,
    height: usize,
) -> Vec<[u8; N]> {
    let mut half = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let (at, next) = (2 * y * stride + 2 * x, if stride > 1 { 1 } else { 0 });
            let four = [at, at + next, at + stride, at + stride + next].map(|i| pixels[i]);
            half.push(std::array::from_fn(|c| {
                (four.iter().map(|p| u32::from(p[c])).sum::<u32>().div_ceil(4)).min(255) as u8
            }));
        }
    }
    half
}

struct Coat {
    /// Colours across.
    row: Vec<[f32; 3]>,
    mean: [f32; 3],
}

/// The colours at a portrait's foot, softened across.
fn coat(portrait: &Rgb) -> Coat {
    let (width, height) = (portrait.width, portrait.height);
    let rows = (height / 20).max(1);
    let mean_of = |from: usize, to: usize| {
        let mut sum = [0.0; 3];
        for y in height - rows..height {
            for pixel in &portrait.rgb[y * width + from..y * width + to] {
                for (sum, level) in sum.iter_mut().zip(pixel) {
                    *sum += f32::from(*level);
                }
            }
        }
        sum.map(|sum| sum / (rows * (to - from)) as f32)
    };
    let soft = width / 40;
    let row =
        (0..width).map(|x| mean_of(x.saturating_sub(soft), (x + soft + 1).min(width))).collect();
    Coat { row, mean: mean_of(0, width) }
}

/// How much of the portrait is the person, 0 to 1, at a point in its widths and heights.
fn alpha(u: f32, v: f32) -> f32 {
    let aside = (u - 0.5).abs();
    let head = ((u - HEAD.0) / 0.36).hypot((v - HEAD.1) / 0.42);
    let head = step(1.0, 0.8, head);
    let shoulders = 0.5 * step(0.58, 0.8, v) - 0.1 * (v - 1.0).max(0.0);
    let body = step(shoulders, shoulders - 0.09, aside);
    head.max(body)
}

/// Rises smoothly from 0 at `from` to 1 at `to`.
fn step(from: f32, to: f32, at: f32) -> f32 {
    let t = ((at - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
