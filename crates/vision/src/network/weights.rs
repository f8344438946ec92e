//! Conversion of ONNX weights to the order and type that the kernels require.

use instored_kernels::Weights;

use super::graph::Values;

/// Reorders weights from OIHW (ONNX) to OHWI. Each tap is padded with zeros to `pixel_stride`
/// values. Returns `None` for `i64`.
pub fn oihw_to_ohwi(
    weights: &Values,
    channels: usize,
    taps: usize,
    pixel_stride: usize,
) -> Option<Values> {
    fn reorder<T: Copy + Default>(
        from: &[T],
        channels: usize,
        taps: usize,
        pixel_stride: usize,
    ) -> Vec<T> {
        let mut to = vec![T::default(); from.len() / channels * pixel_stride];
        let rows = from.chunks_exact(channels * taps).zip(to.chunks_exact_mut(pixel_stride * taps));
        for (from, to) in rows {
            for (i, weight) in from.iter().enumerate() {
                to[i % taps * pixel_stride + i / taps] = *weight;
            }
        }
        to
    }
    Some(match weights {
        Values::F32(values) => Values::F32(reorder(values, channels, taps, pixel_stride)),
        Values::Int8 { values, scales } => Values::Int8 {
            values: reorder(values, channels, taps, pixel_stride),
            scales: scales.clone(),
        },
        Values::Int64(_) => return None,
    })
}

/// Concatenates the rows of several matrices. The result is int8 if the first matrix is int8,
/// otherwise `f32`. Returns `None` if the first matrix is int8 and another one is not.
pub fn concat_rows(matrices: &[&Values]) -> Option<Values> {
    if let [Values::Int8 { .. }, ..] = matrices {
        let (mut all_values, mut all_scales) = (Vec::new(), Vec::new());
        for matrix in matrices {
            let Values::Int8 { values, scales } = matrix else { return None };
            all_values.extend_from_slice(values);
            all_scales.extend_from_slice(scales);
        }
        return Some(Values::Int8 { values: all_values, scales: all_scales });
    }
    let floats: Option<Vec<_>> = matrices.iter().map(|matrix| dequantize(matrix)).collect();
    Some(Values::F32(floats?.concat()))
}

/// Returns the weights as `f32`, or `None` for `i64`.
pub fn dequantize(weights: &Values) -> Option<Vec<f32>> {
    match weights {
        Values::F32(values) => Some(values.clone()),
        Values::Int8 { values, scales } => {
            let row_len = values.len() / scales.len();
            let rows = values.chunks_exact(row_len).zip(scales);
            let dequantize_row = |(values, scale): (&[i8], &f32)| -> Vec<f32> {
                values.iter().map(|value| f32::from(*value) * scale).collect()
            };
            Some(rows.flat_map(dequantize_row).collect())
        }
        Values::Int64(_) => None,
    }
}

/// Borrows weights for the kernels. Returns `None` for `i64`.
pub fn as_kernel_weights(weights: &Values) -> Option<Weights<'_>> {
    match weights {
        Values::F32(values) => Some(Weights::F32(values)),
        Values::Int8 { values, scales } => Some(Weights::Int8 { values, scales }),
        Values::Int64(_) => None,
    }
}
