//! Property tests on random and extreme values. Every instruction set must return the same bits as
//! the portable implementation, whose results must match the formula.

use proptest::prelude::*;

use crate::*;

/// Generates random and extreme values. Extreme values are zeros of both signs, the smallest and
/// largest magnitudes that networks can reach, and ties in rounding.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -8f32..8.0,
        1 => prop::sample::select(vec![
            0.0, -0.0, 1e-40, -1e-40, 1e-20, 1.0, -1.0, 0.5, -0.5, 127.0, -127.0, 63.5, 1e6, -1e6,
        ]),
    ]
}

fn values(length: usize) -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(value(), length)
}

fn int8_values(length: usize) -> impl Strategy<Value = Vec<i8>> {
    let extreme = prop::sample::select(vec![-127i8, -127, 127, 127, 0, 1, -1]);
    prop::collection::vec(prop_oneof![any::<i8>(), extreme], length)
}

/// Runs `f` with every instruction set, asserts that the results have the same bits, and returns
/// the result.
fn assert_same_on_all(f: impl Fn(InstructionSet) -> Vec<f32>) -> Vec<f32> {
    let expected = f(InstructionSet::portable());
    for isa in InstructionSet::all() {
        let found = f(isa);
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            // The sign of a zero sum does not matter.
            let is_same =
                found.to_bits() == expected.to_bits() || (*found == 0.0 && *expected == 0.0);
            assert!(is_same, "{} at {i}: {found} instead of {expected}", isa.name());
        }
    }
    expected
}

fn prelu(sum: f64, slope: f32) -> f64 {
    if sum > 0.0 { sum } else { sum * f64::from(slope) }
}

/// Returns true if `found` differs from `expected` only by the rounding error of sums of this
/// magnitude.
fn is_close(found: f32, expected: f64, magnitude: f64) -> bool {
    (f64::from(found) - expected).abs() <= 1e-5 * magnitude + 1e-30
}

/// Pads the channels of each pixel with zeros.
fn pad_channels(rows: &[f32], channels: usize) -> Vec<f32> {
    let row = |row: &[f32]| {
        let mut row = row.to_vec();
        row.resize(padded(channels), 0.0);
        row
    };
    rows.chunks(channels).flat_map(row).collect()
}

/// Returns the tensor that `write` writes.
fn written(size: Size, pixel: usize, write: impl FnOnce(RowBufferMut<'_>)) -> Vec<f32> {
    let mut out = vec![f32::NAN; size.area() * pixel];
    write(RowBufferMut::new(size, pixel, &mut out));
    out
}

#[derive(Debug)]
struct Layer {
    rows: usize,
    inputs: usize,
    outputs: usize,
    values: Vec<f32>,
    weights: Vec<f32>,
    int8_weights: Vec<i8>,
    scales: Vec<f32>,
    bias: Vec<f32>,
    slope: Vec<f32>,
    residual: Vec<f32>,
}

/// Generates the slopes of the identity, ReLU and PReLU.
fn slopes(outputs: usize) -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        Just(vec![1.0; outputs]),
        Just(vec![0.0; outputs]),
        prop::collection::vec(-2f32..2.0, outputs),
    ]
}

/// Generates layers whose sizes are below and above every tile and block size.
fn layer() -> impl Strategy<Value = Layer> {
    (1usize..60, 1usize..70, 1usize..150).prop_flat_map(|(rows, inputs, outputs)| {
        let inputs_and_weights =
            (values(rows * inputs), values(inputs * outputs), int8_values(inputs * outputs));
        let epilogue = (
            prop::collection::vec(0.0001f32..0.1, outputs),
            values(outputs),
            slopes(outputs),
            values(rows * outputs),
        );
        (inputs_and_weights, epilogue).prop_map(
            move |((values, weights, int8_weights), (scales, bias, slope, residual))| Layer {
                rows,
                inputs,
                outputs,
                values,
                weights,
                int8_weights,
                scales,
                bias,
                slope,
                residual,
            },
        )
    })
}

impl Layer {
    fn run(&self, weights: Weights<'_>, isa: InstructionSet) -> Vec<f32> {
        let epilogue = Epilogue { bias: &self.bias, slope: &self.slope };
        let layer = Pointwise::new(self.inputs, weights, epilogue);
        let mut out = vec![f32::NAN; self.rows * layer.output_stride()];
        let (rows, residual) =
            (pad_channels(&self.values, self.inputs), pad_channels(&self.residual, self.outputs));
        layer.multiply(isa, &rows, Some(&residual), &mut out, &mut Scratch::default());
        out
    }

    /// Iterates over row, output channel and value, without the padding.
    fn outputs<'a>(&'a self, out: &'a [f32]) -> impl Iterator<Item = (usize, usize, f32)> + 'a {
        out.chunks(padded(self.outputs)).enumerate().flat_map(move |(row, values)| {
            values[..self.outputs].iter().enumerate().map(move |(o, value)| (row, o, *value))
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn f32_products_match_formula_on_all_instruction_sets(layer in layer()) {
        let out = assert_same_on_all(|isa| layer.run(Weights::F32(&layer.weights), isa));
        for (row, o, found) in layer.outputs(&out) {
            let values = &layer.values[row * layer.inputs..][..layer.inputs];
            let weights = &layer.weights[o * layer.inputs..][..layer.inputs];
            let products = || values.iter().zip(weights).map(|(v, w)| f64::from(*v) * f64::from(*w));
            let sum: f64 = products().sum::<f64>() + f64::from(layer.bias[o]);
            let residual = f64::from(layer.residual[row * layer.outputs + o]);
            let magnitude = (products().map(f64::abs).sum::<f64>() + f64::from(layer.bias[o].abs()))
                * f64::from(layer.slope[o].abs().max(1.0)) + residual.abs();
            let expected = prelu(sum, layer.slope[o]) + residual;
            prop_assert!(is_close(found, expected, magnitude), "{found} instead of {expected}");
        }
    }

    #[test]
    fn int8_products_match_formula_on_all_instruction_sets(layer in layer()) {
        let weights = Weights::Int8 { values: &layer.int8_weights, scales: &layer.scales };
        let out = assert_same_on_all(|isa| layer.run(weights, isa));
        for (row, o, found) in layer.outputs(&out) {
            let values = &layer.values[row * layer.inputs..][..layer.inputs];
            let max = values.iter().fold(0f32, |max, v| max.max(v.abs()));
            let weights = &layer.int8_weights[o * layer.inputs..][..layer.inputs];
            let (inverse, scale) =
                if max > 1e-30 { (127.0 / max, max / 127.0) } else { (0.0, 0.0) };
            let quantize = |v: &f32| (v * inverse).round_ties_even() as i64;
            let sum: i64 = values.iter().zip(weights).map(|(v, w)| quantize(v) * i64::from(*w)).sum();
            let product = sum as f64 * f64::from(scale) * f64::from(layer.scales[o]);
            let residual = f64::from(layer.residual[row * layer.outputs + o]);
            let expected = prelu(product + f64::from(layer.bias[o]), layer.slope[o]) + residual;
            let magnitude = (product.abs() + f64::from(layer.bias[o].abs())) * 2.0 + residual.abs();
            prop_assert!(is_close(found, expected, magnitude), "{found} instead of {expected}");
        }
    }

    #[test]
    fn convolutions_match_formula_on_all_instruction_sets(
        (height, width, channels) in (1usize..24, 1usize..24, 1usize..40),
        (side, stride, padding) in (1usize..6, 1usize..4, 0usize..4),
        slope in slopes(40),
        seed in values(64),
    ) {
        let (size, window) = (Size { height, width }, Window { side, stride, pad: padding });
        prop_assume!(padding < side);
        let Some(positions) = window.output_size(size) else { return Ok(()) };
        let from_seed = |length: usize, step: usize| -> Vec<f32> {
            (0..length).map(|i| seed[(i * step + i / 7) % seed.len()]).collect()
        };
        let input = from_seed(size.area() * channels, 5);
        let (bias, slope) = (from_seed(channels, 3), &slope[..channels]);
        let epilogue = Epilogue { bias: &bias, slope };
        let taps = side * side;

        let weights = from_seed(channels * taps, 13);
        let depthwise = Depthwise::new(window, &weights, epilogue);
        let padded_input = pad_channels(&input, channels);
        let depthwise_out = assert_same_on_all(|isa| {
            let pixel = depthwise.pixel_stride();
            written(positions, pixel, |out| {
                depthwise.run(isa, RowBuffer::new(size, pixel, &padded_input), out, 0..positions.height);
            })
        });

        let dense = from_seed(channels * channels * taps, 17);
        let convolution = Convolution::new(window, channels, Weights::F32(&dense), epilogue);
        let dense_out = assert_same_on_all(|isa| {
            let (input, scratch) = (RowBuffer::new(size, channels, &input), &mut Scratch::default());
            written(positions, convolution.output_stride(), |out| {
                convolution.run(isa, input, out, 0..positions.height, scratch);
            })
        });

        for (position, (depthwise_out, dense_out)) in depthwise_out
            .chunks(padded(channels))
            .zip(dense_out.chunks(padded(channels)))
            .enumerate()
        {
            let (y, x) = (position / positions.width, position % positions.width);
            let tap = |tap: usize, channel: usize| {
                let row = (y * stride + tap / side).checked_sub(padding).filter(|row| *row < height)?;
                let column = (x * stride + tap % side).checked_sub(padding).filter(|c| *c < width)?;
                Some(f64::from(input[(row * width + column) * channels + channel]))
            };
            for o in 0..channels {
                let depthwise_products = (0..taps).filter_map(|t| Some(tap(t, o)? * f64::from(weights[o * taps + t])));
                let dense_products = (0..taps * channels).filter_map(|i| {
                    let weight = f64::from(dense[o * taps * channels + i]);
                    Some(tap(i / channels, i % channels)? * weight)
                });
                for (found, products) in
                    [
                    (depthwise_out[o], depthwise_products.collect::<Vec<_>>()),
                    (dense_out[o], dense_products.collect()),
                ]
                {
                    let expected =
                        prelu(products.iter().sum::<f64>() + f64::from(bias[o]), slope[o]);
                    let magnitude = products.iter().map(|p| p.abs()).sum::<f64>()
                        + f64::from(bias[o].abs());
                    let magnitude = magnitude * f64::from(slope[o].abs().max(1.0));
                    prop_assert!(is_close(found, expected, magnitude), "{found} instead of {expected}");
                }
            }
        }
    }

    #[test]
    fn resampling_matches_formula_on_all_instruction_sets(
        (height, width, channels) in (1usize..9, 1usize..9, 1usize..40),
        seed in values(64),
    ) {
        let size = Size { height: 2 * height, width: 2 * width };
        let half = Size { height, width };
        let large: Vec<f32> =
            (0..size.area() * channels).map(|i| seed[(i * 7 + i / 5) % seed.len()]).collect();
        let small: Vec<f32> =
            (0..half.area() * channels).map(|i| seed[(i * 3 + i / 11) % seed.len()]).collect();
        let (input, added) = (pad_channels(&large, channels), pad_channels(&small, channels));
        let pooled = assert_same_on_all(|isa| {
            let picture = RowBuffer::new(size, padded(channels), &input);
            written(half, padded(channels), |out| max_pool(isa, picture, out, 0..height))
        });
        let doubled = assert_same_on_all(|isa| {
            let large = RowBuffer::new(size, padded(channels), &input);
            let small = RowBuffer::new(half, padded(channels), &added);
            let rows = 0..size.height;
            written(size, padded(channels), |out| add_upsample2x(isa, large, small, out, rows))
        });
        for (y, x, c) in (0..size.height)
            .flat_map(|y| (0..size.width).map(move |x| (y, x)))
            .flat_map(|(y, x)| (0..channels).map(move |c| (y, x, c)))
        {
            let at = |y: usize, x: usize| large[(y * size.width + x) * channels + c];
            let position = y / 2 * width + x / 2;
            let expected = at(y, x) + small[position * channels + c];
            let found = doubled[(y * size.width + x) * padded(channels) + c];
            prop_assert!(found == expected);
            prop_assert!(pooled[position * padded(channels) + c] >= at(y, x));
        }
        for (position, pixel) in pooled.chunks(padded(channels)).enumerate() {
            let (y, x) = (position / width * 2, position % width * 2);
            for c in 0..channels {
                let at = |y: usize, x: usize| large[(y * size.width + x) * channels + c];
                let four = [at(y, x), at(y, x + 1), at(y + 1, x), at(y + 1, x + 1)];
                prop_assert!(four.contains(&pixel[c]));
            }
        }
    }
}

#[test]
fn longest_row_of_extreme_int8_values_does_not_overflow() {
    let inputs = 65_776;
    for (value, weight) in [(1.0, 127), (1.0, -128), (-1.0, 127), (-1.0, -128)] {
        let (weights, rows) = (vec![weight; inputs], vec![value; inputs]);
        let epilogue = Epilogue { bias: &[0.0], slope: &[1.0] };
        let weights = Weights::Int8 { values: &weights, scales: &[1.0] };
        let layer = Pointwise::new(inputs, weights, epilogue);
        let out = assert_same_on_all(|isa| {
            let mut out = vec![0.0; 16];
            layer.multiply(isa, &rows, None, &mut out, &mut Scratch::default());
            out
        });
        let expected = f64::from(value) * f64::from(weight) * inputs as f64;
        assert!(is_close(out[0], expected, expected.abs()), "{} instead of {expected}", out[0]);
    }
}

#[test]
fn scratch_contains_zeros_after_wipe() {
    let mut scratch = Scratch::default();
    let epilogue = Epilogue { bias: &[0.0; 16], slope: &[1.0; 16] };
    let window = Window { side: 2, stride: 1, pad: 0 };
    let weights = Weights::Int8 { values: &[1; 16 * 64], scales: &[1.0; 16] };
    let layer = Convolution::new(window, 16, weights, epilogue);
    let size = Size { height: 3, width: 3 };
    let (picture, positions) =
        (RowBuffer::new(size, 16, &[0.5; 144]), Size { height: 2, width: 2 });
    written(positions, 16, |out| {
        layer.run(InstructionSet::portable(), picture, out, 0..2, &mut scratch);
    });
    assert!(!scratch.is_wiped());
    scratch.wipe();
    assert!(scratch.is_wiped());
}

#[derive(Clone, Debug)]
enum Change {
    Push(Vec<f32>),
    Remove(prop::sample::Index),
}

fn changes() -> impl Strategy<Value = (usize, Vec<Change>)> {
    (1usize..70).prop_flat_map(|dimension| {
        let change = prop_oneof![
            4 => values(dimension).prop_map(Change::Push),
            1 => any::<prop::sample::Index>().prop_map(Change::Remove),
        ];
        (Just(dimension), prop::collection::vec(change, 1..200))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn index_contains_added_vectors_and_finds_top2(
        (dimension, changes) in changes(),
        query in values(70),
    ) {
        let query = &query[..dimension];
        let (mut index, mut rows) = (QuantizedIndex::new(dimension), Vec::<Vec<f32>>::new());
        for change in changes {
            match change {
                Change::Push(row) => {
                    index.push(&row);
                    rows.push(row);
                }
                Change::Remove(choice) if !rows.is_empty() => {
                    let position = choice.index(rows.len());
                    index.swap_remove(position);
                    rows.swap_remove(position);
                }
                Change::Remove(_) => {}
            }
        }
        prop_assert_eq!(index.len(), rows.len());
        for (position, row) in rows.iter().enumerate() {
            let norm = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let expected: f64 = row.iter().zip(query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let max = row.iter().fold(0f32, |max, v| max.max(v.abs()));
            // The error is at most half a quantization step per value.
            let quantization_error = f64::from(max / 254.0) * (dimension as f64).sqrt();
            let found = f64::from(index.dot(position, query));
            let slack = 1e-4 * norm(row) * norm(query) + 1e-30;
            prop_assert!((found - expected).abs() <= quantization_error * norm(query) * 1.001 + slack);
        }
        let found = index.top2(InstructionSet::portable(), query);
        for isa in InstructionSet::all() {
            prop_assert_eq!(&index.top2(isa, query), &found, "{}", isa.name());
        }
        prop_assert!(found.is_sorted_by(|a, b| a < b));
        let mut products: Vec<_> = (0..rows.len()).map(|i| index.dot(i, query)).collect();
        let candidates: Vec<_> = found.iter().map(|position| products[*position]).collect();
        products.sort_by(|a, b| b.total_cmp(a));
        for product in products.iter().take(2) {
            prop_assert!(candidates.contains(product), "{candidates:?} of {products:?}");
        }
    }
}

proptest! {
    #[test]
    fn yuv_conversion_matches_formula_on_all_instruction_sets(
        row in prop::collection::vec((any::<[u8; 2]>(), any::<u8>(), any::<u8>()), 1..90),
    ) {
        let luma: Vec<u8> = row.iter().flat_map(|(luma, ..)| *luma).collect();
        let (u, v): (Vec<u8>, Vec<u8>) = row.iter().map(|(_, u, v)| (*u, *v)).unzip();
        let expected: Vec<u8> = row
            .iter()
            .flat_map(|(luma, u, v)| luma.map(|y| (i64::from(y) - 16, i64::from(*u), i64::from(*v))))
            .map(|(y, u, v)| (y * 76_309 + 32_768, u - 128, v - 128))
            .flat_map(|(y, u, v)| [y + 104_597 * v, y - 25_675 * u - 53_279 * v, y + 132_201 * u])
            .map(|sum| sum.div_euclid(65_536).clamp(0, 255) as u8)
            .collect();
        for isa in InstructionSet::all() {
            let mut rgb = vec![0; 6 * row.len()];
            YuvToRgb::new(isa, YuvMatrix::LIMITED, 2 * row.len()).convert_row(&luma, &u, &v, &mut rgb);
            prop_assert_eq!(&rgb, &expected, "{}", isa.name());
        }
    }
}
