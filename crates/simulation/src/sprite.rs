//! A person who is cut out of a portrait and drawn into frames.

use instored_imaging::Picture;

use crate::matte::{HEAD_CENTRE, Matte};
use crate::movement::{Pose, smoothstep};

/// Height of a portrait in frame heights, at scale 1.
const PORTRAIT_HEIGHT: f32 = 5.0 / 6.0;
/// Length of the coat below the portrait, in portrait heights.
const COAT_LENGTH: f32 = 1.5;
/// Largest height of a portrait in pixels; taller portraits are halved first.
const MAX_HEIGHT: u32 = 1_000;

/// Head, shoulders and a coat with soft edges, as a mipmap.
pub(super) struct Sprite {
    /// Images, each at half the width and height of the previous image.
    levels: Vec<Level>,
    /// Width of the portrait in pixels of the first level.
    width: f32,
    /// Height of the portrait without the coat, in pixels of the first level.
    height: f32,
}

/// One image of the mipmap, in premultiplied RGBA.
struct Level {
    width: usize,
    height: usize,
    rgba: Vec<[u8; 4]>,
}

impl Sprite {
    /// Cuts a person out of a portrait, and adds a coat in the colours of its lower edge.
    pub(super) fn cut(portrait: &Picture) -> Self {
        let mut portrait = RgbPortrait::from_picture(portrait);
        while portrait.height as u32 > MAX_HEIGHT {
            portrait = portrait.halved();
        }
        let (width, height) = (portrait.width, portrait.height);
        let full_height = height + (height as f32 * COAT_LENGTH) as usize;
        let coat = coat_below(&portrait);
        let matte = Matte::new(&portrait.rgb, width, height);
        let mut rgba = Vec::with_capacity(width * full_height);
        for y in 0..full_height {
            for x in 0..width {
                let (u, v) = ((x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / height as f32);
                let colour = if y < height {
                    portrait.rgb[y * width + x].map(f32::from)
                } else {
                    // The coat becomes darker and more uniform towards its lower end.
                    let depth = ((v - 1.0) / COAT_LENGTH).min(1.0);
                    let mix = (depth * 4.0).min(1.0);
                    let own = coat.row[x];
                    std::array::from_fn(|c| {
                        (own[c] + (coat.mean[c] - own[c]) * mix) * (1.0 - 0.35 * depth)
                    })
                };
                let alpha = silhouette_opacity(u, v) * matte.opacity(u, v);
                let [r, g, b] = colour.map(|c| (c * alpha) as u8);
                rgba.push([r, g, b, (alpha * 255.0) as u8]);
            }
        }
        let mut levels = vec![Level { width, height: full_height, rgba }];
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
        // Frame pixels per portrait pixel.
        let y_scale = pose.scale * PORTRAIT_HEIGHT * h / self.height;
        let x_scale = y_scale * pose.aspect;
        if !(y_scale > 0.0 && x_scale > 0.0) {
            return;
        }
        let detail = (1.0 / y_scale).log2() + 0.4 + if pose.is_blurred { 1.0 } else { 0.0 };
        let index = (detail.max(0.0) as usize).min(self.levels.len() - 1);
        let level = &self.levels[index];
        let reduction = (1u32 << index) as f32;

        let (sin, cos) = pose.tilt.sin_cos();
        let (head_x, head_y) = (pose.x * w, pose.y * h);
        // Steps in the level for one frame pixel to the right and one frame pixel down.
        let right = (cos / x_scale / reduction, -sin / y_scale / reduction);
        let down = (sin / x_scale / reduction, cos / y_scale / reduction);
        let origin =
            (HEAD_CENTRE.0 * self.width / reduction, HEAD_CENTRE.1 * self.height / reduction);

        // Upper bound of half the width of the drawn person in frame pixels, for any tilt.
        let reach =
            self.width * x_scale * 0.5 + (sin.abs() * (1.0 + COAT_LENGTH)) * self.height * y_scale;
        let first = (head_x - reach).clamp(0.0, w) as usize;
        let last = (head_x + reach).ceil().clamp(0.0, w) as usize;
        let top = (head_y - HEAD_CENTRE.1 * self.height * y_scale - reach * sin.abs()).clamp(0.0, h)
            as usize;
        let row_length = picture.width() as usize * 3;
        for (y, row) in picture.rgb_mut().chunks_exact_mut(row_length).enumerate().skip(top) {
            let dy = y as f32 + 0.5 - head_y;
            let dx = first as f32 + 0.5 - head_x;
            let mut u = origin.0 + dx * right.0 + dy * down.0 - 0.5;
            let mut v = origin.1 + dx * right.1 + dy * down.1 - 0.5;
            for pixel in row[first * 3..last * 3].chunks_exact_mut(3) {
                if let Some([r, g, b, alpha]) = level.sample(u, v) {
                    let transmission = 1.0 - alpha * (1.0 / 255.0);
                    for (channel, value) in pixel.iter_mut().zip([r, g, b]) {
                        *channel =
                            (f32::from(*channel) * transmission + value * pose.brightness) as u8;
                    }
                }
                u += right.0;
                v += right.1;
            }
        }
    }
}

impl Level {
    /// Interpolates between the four pixels around a point; returns `None` outside the image.
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
            let (top, bottom) = (a + (b - a) * fx, d + (e - d) * fx);
            top + (bottom - top) * fy
        }))
    }

    /// Returns the level at half the width and height.
    fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let rgba = halve(&self.rgba, self.width, width, height);
        Self { width, height, rgba }
    }
}

/// A portrait as RGB pixels.
struct RgbPortrait {
    width: usize,
    height: usize,
    rgb: Vec<[u8; 3]>,
}

impl RgbPortrait {
    /// Copies the pixels of a picture.
    fn from_picture(picture: &Picture) -> Self {
        let rgb = picture.rgb().chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
        Self { width: picture.width() as usize, height: picture.height() as usize, rgb }
    }

    /// Returns the portrait at half the width and height.
    fn halved(&self) -> Self {
        let (width, height) = ((self.width / 2).max(1), self.height / 2);
        Self { width, height, rgb: halve(&self.rgb, self.width, width, height) }
    }
}

/// Returns the means of blocks of 2 x 2 pixels. `stride` is the width of `pixels`; `width` and `height`
/// are those of the result.
fn halve<const N: usize>(
    pixels: &[[u8; N]],
    stride: usize,
    width: usize,
    height: usize,
) -> Vec<[u8; N]> {
    let mut half = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let (first, next) = (2 * y * stride + 2 * x, if stride > 1 { 1 } else { 0 });
            let block =
                [first, first + next, first + stride, first + stride + next].map(|i| pixels[i]);
            half.push(std::array::from_fn(|c| {
                (block.iter().map(|p| u32::from(p[c])).sum::<u32>().div_ceil(4)).min(255) as u8
            }));
        }
    }
    half
}

/// Colours of a coat.
struct Coat {
    /// Colours from left to right.
    row: Vec<[f32; 3]>,
    /// Mean of all colours.
    mean: [f32; 3],
}

/// Returns a coat in the colours at the lower edge of a portrait, smoothed horizontally.
fn coat_below(portrait: &RgbPortrait) -> Coat {
    let (width, height) = (portrait.width, portrait.height);
    let rows = (height / 20).max(1);
    let mean_of_columns = |from: usize, to: usize| {
        let mut sum = [0.0; 3];
        for y in height - rows..height {
            for pixel in &portrait.rgb[y * width + from..y * width + to] {
                for (sum, channel) in sum.iter_mut().zip(pixel) {
                    *sum += f32::from(*channel);
                }
            }
        }
        sum.map(|sum| sum / (rows * (to - from)) as f32)
    };
    let radius = width / 40;
    let row = (0..width)
        .map(|x| mean_of_columns(x.saturating_sub(radius), (x + radius + 1).min(width)))
        .collect();
    Coat { row, mean: mean_of_columns(0, width) }
}

/// Returns the opacity of a silhouette, 0 to 1, at a point in portrait widths and heights.
fn silhouette_opacity(u: f32, v: f32) -> f32 {
    let offset = (u - 0.5).abs();
    let head = ((u - HEAD_CENTRE.0) / 0.36).hypot((v - HEAD_CENTRE.1) / 0.42);
    let head = smooth_step_between(1.0, 0.8, head);
    let shoulders = 0.5 * smooth_step_between(0.58, 0.8, v) - 0.1 * (v - 1.0).max(0.0);
    let body = smooth_step_between(shoulders, shoulders - 0.09, offset);
    head.max(body)
}

/// Returns the value at `at` of a smooth step from 0 at `from` to 1 at `to`.
fn smooth_step_between(from: f32, to: f32, at: f32) -> f32 {
    smoothstep(((at - from) / (to - from)).clamp(0.0, 1.0))
}
