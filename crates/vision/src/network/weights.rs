//! Weights of an ONNX file in the order that the kernels take them in.

use instored_kernels::Weights;

use super::graph::Values;

/// From channel by channel to tap by tap, each with the channels of a pixel of `pixel` values.
pub fn by_pixel(weights: &Values, channels: usize, taps: usize, pixel: usize) -> Option<Values> {
    fn moved<T: Copy + Default>(from: &[T], channels: usize, taps: usize, pixel: usize) -> Vec<T> {
        let mut to = vec![T::default(); from.len() / channels * pixel];
        for (row, to) in from.chunks_exact(channels * taps).zip(to.chunks_exact_mut(pixel * taps)) {
            for (i, weight) in row.iter().enumerate() {
                to[i % taps * pixel + i / taps] = *weight;
            }
        }
        to
    }
    Some(match weights {
        Values::Floats(values) => Values::Floats(moved(values, channels, taps, pixel)),
        Values::Bytes { codes, scales } => {
            Values::Bytes { codes: moved(codes, channels, taps, pixel), scales: scales.clone() }
        }
        Values::Integers(_) => return None,
    })
}

/// One matrix above the other.
pub fn joined(matrices: &[&Values]) -> Option<Values> {
    if let [Values::Bytes { .. }, ..] = matrices {
        let (mut all_codes, mut all_scales) = (Vec::new(), Vec::new());
        for matrix in matrices {
            let Values::Bytes { codes, scales } = matrix else { return None };
            all_codes.extend_from_slice(codes);
            all_scales.extend_from_slice(scales);
        }
        return Some(Values::Bytes { codes: all_codes, scales: all_scales });
    }
    let floats: Option<Vec<_>> = matrices.iter().map(|matrix| unpacked(matrix)).collect();
    Some(Values::Floats(floats?.concat()))
}

/// As floats.
pub fn unpacked(weights: &Values) -> Option<Vec<f32>> {
    match weights {
        Values::Floats(values) => Some(values.clone()),
        Values::Bytes { codes, scales } => {
            let row = codes.len() / scales.len();
            let rows = codes.chunks_exact(row).zip(scales);
            let unpack = |(codes, scale): (&[i8], &f32)| -> Vec<f32> {
                codes.iter().map(|code| f32::from(*code) * scale).collect()
            };
            Some(rows.flat_map(unpack).collect())
        }
        Values::Integers(_) => None,
    }
}

/// As the kernels take them.
pub fn borrowed(weights: &Values) -> Option<Weights<'_>> {
    match weights {
        Values::Floats(values) => Some(Weights::F32(values)),
        Values::Bytes { codes, scales } => Some(Weights::Int8 { codes, scales }),
        Values::Integers(_) => None,
    }
}
