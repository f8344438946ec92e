//! Every instruction set gives the bits of the portable one, and that one what the formula says, on
//! random and on extreme values.

use proptest::prelude::*;

use crate::*;

/// Extreme values come often: zeros of both signs, the smallest and the largest magnitudes that
/// networks could reach, and ties in rounding.
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

fn codes(length: usize) -> impl Strategy<Value = Vec<i8>> {
    let extreme = prop::sample::select(vec![-127i8, -127, 127, 127, 0, 1, -1]);
    prop::collection::vec(prop_oneof![any::<i8>(), extreme], length)
}

/// `f` on all that this isa has: the same bits each time. Returns them.
fn same_everywhere(f: impl Fn(InstructionSet) -> Vec<f32>) -> Vec<f32> {
    let expected = f(InstructionSet::portable());
    for isa in InstructionSet::all() {
        let found = f(isa);
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            // A sum of zeros has no sign that matters.
            let same = found.to_bits() == expected.to_bits() || (*found == 0.0 && *expected == 0.0);
            assert!(same, "{} at {i}: {found} for {expected}", isa.name());
        }
    }
    expected
}

fn prelu(sum: f64, slope: f32) -> f64 {
    if sum > 0.0 { sum } else { sum * f64::from(slope) }
}

/// Whether `found` is `expected` up to the rounding of sums of that magnitude.
fn close(found: f32, expected: f64, magnitude: f64) -> bool {
    (f64::from(found) - expected).abs() <= 1e-5 * magnitude + 1e-30
}

/// Channels side by side, padded.
fn pad(rows: &[f32], channels: usize) -> Vec<f32> {
    let row = |row: &[f32]| {
        let mut row = row.to_vec();
        row.resize(padded(channels), 0.0);
        row
    };
    rows.chunks(channels).flat_map(row).collect()
}

/// All of a picture that `write` writes.
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
    codes: Vec<i8>,
    scales: Vec<f32>,
    bias: Vec<f32>,
    slope: Vec<f32>,
    residual: Vec<f32>,
}

/// As they are, ReLU, PReLU.
fn slopes(outputs: usize) -> impl Strategy<Value = Vec<f32>> {
    prop_oneof![
        Just(vec![1.0; outputs]),
        Just(vec![0.0; outputs]),
        prop::collection::vec(-2f32..2.0, outputs),
    ]
}

/// Sizes on both sides of every tile's and block's edge.
fn layer() -> impl Strategy<Value = Layer> {
    (1usize..60, 1usize..70, 1usize..150).prop_flat_map(|(rows, inputs, outputs)| {
        let inside = (values(rows * inputs), values(inputs * outputs), codes(inputs * outputs));
        let outside = (
            prop::collection::vec(0.0001f32..0.1, outputs),
            values(outputs),
            slopes(outputs),
            values(rows * outputs),
        );
        (inside, outside).prop_map(
            move |((values, weights, codes), (scales, bias, slope, residual))| Layer {
                rows,
                inputs,
                outputs,
                values,
                weights,
                codes,
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
        let finish = Epilogue { bias: &self.bias, slope: &self.slope };
        let layer = Pointwise::new(self.inputs, weights, finish);
        let mut out = vec![f32::NAN; self.rows * layer.outputs()];
        let (rows, residual) = (pad(&self.values, self.inputs), pad(&self.residual, self.outputs));
        layer.multiply(isa, &rows, Some(&residual), &mut out, &mut Scratch::default());
        out
    }

    /// Row and output of every value, with what is added and the slope.
    fn outputs<'a>(&'a self, out: &'a [f32]) -> impl Iterator<Item = (usize, usize, f32)> + 'a {
        out.chunks(padded(self.outputs)).enumerate().flat_map(move |(row, values)| {
            values[..self.outputs].iter().enumerate().map(move |(o, value)| (row, o, *value))
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn products_with_floats_are_the_same_everywhere_and_right(layer in layer()) {
        let out = same_everywhere(|isa| layer.run(Weights::F32(&layer.weights), isa));
        for (row, o, found) in layer.outputs(&out) {
            let values = &layer.values[row * layer.inputs..][..layer.inputs];
            let weights = &layer.weights[o * layer.inputs..][..layer.inputs];
            let products = || values.iter().zip(weights).map(|(v, w)| f64::from(*v) * f64::from(*w));
            let sum: f64 = products().sum::<f64>() + f64::from(layer.bias[o]);
            let residual = f64::from(layer.residual[row * layer.outputs + o]);
            let magnitude = (products().map(f64::abs).sum::<f64>() + f64::from(layer.bias[o].abs()))
                * f64::from(layer.slope[o].abs().max(1.0)) + residual.abs();
            let expected = prelu(sum, layer.slope[o]) + residual;
            prop_assert!(close(found, expected, magnitude), "{found} for {expected}");
        }
    }

    #[test]
    fn products_with_bytes_are_the_same_everywhere_and_right(layer in layer()) {
        let weights = Weights::Int8 { codes: &layer.codes, scales: &layer.scales };
        let out = same_everywhere(|isa| layer.run(weights, isa));
        for (row, o, found) in layer.outputs(&out) {
            let values = &layer.values[row * layer.inputs..][..layer.inputs];
            let highest = values.iter().fold(0f32, |highest, v| highest.max(v.abs()));
            let weights = &layer.codes[o * layer.inputs..][..layer.inputs];
            let (inverse, scale) =
                if highest > 1e-30 { (127.0 / highest, highest / 127.0) } else { (0.0, 0.0) };
            let code = |v: &f32| (v * inverse).round_ties_even() as i64;
            let sum: i64 = values.iter().zip(weights).map(|(v, w)| code(v) * i64::from(*w)).sum();
            let product = sum as f64 * f64::from(scale) * f64::from(layer.scales[o]);
            let residual = f64::from(layer.residual[row * layer.outputs + o]);
            let expected = prelu(product + f64::from(layer.bias[o]), layer.slope[o]) + residual;
            let magnitude = (product.abs() + f64::from(layer.bias[o].abs())) * 2.0 + residual.abs();
            prop_assert!(close(found, expected, magnitude), "{found} for {expected}");
        }
    }

    #[test]
    fn windows_are_the_same_everywhere_and_right(
        (height, width, channels) in (1usize..24, 1usize..24, 1usize..40),
        (side, stride, pad_by) in (1usize..6, 1usize..4, 0usize..4),
        slope in slopes(40),
        seed in values(64),
    ) {
        let (size, window) = (Size { height, width }, Window { side, stride, pad: pad_by });
        prop_assume!(pad_by < side);
        let Some(places) = window.output(size) else { return Ok(()) };
        let from_seed = |length: usize, step: usize| -> Vec<f32> {
            (0..length).map(|i| seed[(i * step + i / 7) % seed.len()]).collect()
        };
        let picture = from_seed(size.area() * channels, 5);
        let (bias, slope) = (from_seed(channels, 3), &slope[..channels]);
        let finish = Epilogue { bias: &bias, slope };
        let taps = side * side;

        let weights = from_seed(channels * taps, 13);
        let depthwise = Depthwise::new(window, &weights, finish);
        let input = pad(&picture, channels);
        let each = same_everywhere(|isa| {
            let pixel = depthwise.channels();
            written(places, pixel, |out| {
                depthwise.run(isa, RowBuffer::new(size, pixel, &input), out, 0..places.height);
            })
        });

        let dense = from_seed(channels * channels * taps, 17);
        let convolution = Convolution::new(window, channels, Weights::F32(&dense), finish);
        let all = same_everywhere(|isa| {
            let (picture, scratch) = (RowBuffer::new(size, channels, &picture), &mut Scratch::default());
            written(places, convolution.outputs(), |out| {
                convolution.run(isa, picture, out, 0..places.height, scratch);
            })
        });

        for (place, (each, all)) in
            each.chunks(padded(channels)).zip(all.chunks(padded(channels))).enumerate()
        {
            let (y, x) = (place / places.width, place % places.width);
            let tap = |tap: usize, channel: usize| {
                let row = (y * stride + tap / side).checked_sub(pad_by).filter(|row| *row < height)?;
                let column = (x * stride + tap % side).checked_sub(pad_by).filter(|c| *c < width)?;
                Some(f64::from(picture[(row * width + column) * channels + channel]))
            };
            for o in 0..channels {
                let own = (0..taps).filter_map(|t| Some(tap(t, o)? * f64::from(weights[o * taps + t])));
                let every = (0..taps * channels).filter_map(|i| {
                    let weight = f64::from(dense[o * taps * channels + i]);
                    Some(tap(i / channels, i % channels)? * weight)
                });
                for (found, products) in
                    [(each[o], own.collect::<Vec<_>>()), (all[o], every.collect())]
                {
                    let expected =
                        prelu(products.iter().sum::<f64>() + f64::from(bias[o]), slope[o]);
                    let magnitude = products.iter().map(|p| p.abs()).sum::<f64>()
                        + f64::from(bias[o].abs());
                    let magnitude = magnitude * f64::from(slope[o].abs().max(1.0));
                    prop_assert!(close(found, expected, magnitude), "{found} for {expected}");
                }
            }
        }
    }

    #[test]
    fn half_and_double_are_the_same_everywhere_and_right(
        (height, width, channels) in (1usize..9, 1usize..9, 1usize..40),
        seed in values(64),
    ) {
        let size = Size { height: 2 * height, width: 2 * width };
        let half = Size { height, width };
        let large: Vec<f32> =
            (0..size.area() * channels).map(|i| seed[(i * 7 + i / 5) % seed.len()]).collect();
        let small: Vec<f32> =
            (0..half.area() * channels).map(|i| seed[(i * 3 + i / 11) % seed.len()]).collect();
        let (input, added) = (pad(&large, channels), pad(&small, channels));
        let pooled = same_everywhere(|isa| {
            let picture = RowBuffer::new(size, padded(channels), &input);
            written(half, padded(channels), |out| max_pool(isa, picture, out, 0..height))
        });
        let doubled = same_everywhere(|isa| {
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
            let place = y / 2 * width + x / 2;
            let expected = at(y, x) + small[place * channels + c];
            let found = doubled[(y * size.width + x) * padded(channels) + c];
            prop_assert!(found == expected);
            prop_assert!(pooled[place * padded(channels) + c] >= at(y, x));
        }
        for (place, pixel) in pooled.chunks(padded(channels)).enumerate() {
            let (y, x) = (place / width * 2, place % width * 2);
            for c in 0..channels {
                let at = |y: usize, x: usize| large[(y * size.width + x) * channels + c];
                let four = [at(y, x), at(y, x + 1), at(y + 1, x), at(y + 1, x + 1)];
                prop_assert!(four.contains(&pixel[c]));
            }
        }
    }
}

#[test]
fn the_longest_row_of_the_largest_bytes_does_not_overflow() {
    let inputs = 65_776;
    for (value, code) in [(1.0, 127), (1.0, -128), (-1.0, 127), (-1.0, -128)] {
        let (codes, rows) = (vec![code; inputs], vec![value; inputs]);
        let finish = Epilogue { bias: &[0.0], slope: &[1.0] };
        let weights = Weights::Int8 { codes: &codes, scales: &[1.0] };
        let layer = Pointwise::new(inputs, weights, finish);
        let out = same_everywhere(|isa| {
            let mut out = vec![0.0; 16];
            layer.multiply(isa, &rows, None, &mut out, &mut Scratch::default());
            out
        });
        let expected = f64::from(value) * f64::from(code) * inputs as f64;
        assert!(close(out[0], expected, expected.abs()), "{} for {expected}", out[0]);
    }
}

#[test]
fn nothing_of_a_row_is_left_after_a_wipe() {
    let mut scratch = Scratch::default();
    let finish = Epilogue { bias: &[0.0; 16], slope: &[1.0; 16] };
    let window = Window { side: 2, stride: 1, pad: 0 };
    let weights = Weights::Int8 { codes: &[1; 16 * 64], scales: &[1.0; 16] };
    let layer = Convolution::new(window, 16, weights, finish);
    let size = Size { height: 3, width: 3 };
    let (picture, places) = (RowBuffer::new(size, 16, &[0.5; 144]), Size { height: 2, width: 2 });
    written(places, 16, |out| {
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
    fn a_table_holds_what_was_put_in_and_not_taken_out(
        (dimension, changes) in changes(),
        probe in values(70),
    ) {
        let probe = &probe[..dimension];
        let (mut table, mut rows) = (QuantizedIndex::new(dimension), Vec::<Vec<f32>>::new());
        for change in changes {
            match change {
                Change::Push(row) => {
                    table.push(&row);
                    rows.push(row);
                }
                Change::Remove(index) if !rows.is_empty() => {
                    let place = index.index(rows.len());
                    table.swap_remove(place);
                    rows.swap_remove(place);
                }
                Change::Remove(_) => {}
            }
        }
        prop_assert_eq!(table.len(), rows.len());
        for (place, row) in rows.iter().enumerate() {
            let length = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let expected: f64 = row.iter().zip(probe).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            let highest = row.iter().fold(0f32, |highest, v| highest.max(v.abs()));
            // Half a step a value.
            let rounded = f64::from(highest / 254.0) * (dimension as f64).sqrt();
            let kept = f64::from(table.dot(place, probe));
            let slack = 1e-4 * length(row) * length(probe) + 1e-30;
            prop_assert!((kept - expected).abs() <= rounded * length(probe) * 1.001 + slack);
        }
        let found = table.top2(InstructionSet::portable(), probe);
        for isa in InstructionSet::all() {
            prop_assert_eq!(&table.top2(isa, probe), &found, "{}", isa.name());
        }
        prop_assert!(found.is_sorted_by(|a, b| a < b));
        let mut products: Vec<_> = (0..rows.len()).map(|i| table.dot(i, probe)).collect();
        let looked_at: Vec<_> = found.iter().map(|place| products[*place]).collect();
        products.sort_by(|a, b| b.total_cmp(a));
        for product in products.iter().take(2) {
            prop_assert!(looked_at.contains(product), "{looked_at:?} of {products:?}");
        }
    }
}

proptest! {
    #[test]
    fn colours_are_the_same_everywhere_and_right(
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
            YuvToRgb::new(isa, YuvMatrix::LIMITED, 2 * row.len()).row(&luma, &u, &v, &mut rgb);
            prop_assert_eq!(&rgb, &expected, "{}", isa.name());
        }
    }
}
