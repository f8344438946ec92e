//! The layers of the shipped networks, one after the other, with weights that mean nothing: what the
//! kernels cost, without the program around them.
//!
//!     cargo run --release -p instored-kernels --example layers -- NETWORK [floats] [RUNS]

use std::process::ExitCode;
use std::time::Instant;

use instored_kernels::{
    Convolution, Depthwise, Finish, Pointwise, Processor, Scratch, Size, Weights, Window,
    add_doubled, max_pool, padded,
};

/// A layer on a square picture of so many pixels a side.
#[derive(Clone, Copy)]
enum Layer {
    /// 3 × 3, of the three colours.
    First {
        side: usize,
        outputs: usize,
        stride: usize,
    },
    /// Each channel by itself.
    Depthwise {
        side: usize,
        channels: usize,
        stride: usize,
    },
    /// The whole picture at once, each channel by itself.
    Global {
        side: usize,
        channels: usize,
    },
    Pointwise {
        side: usize,
        inputs: usize,
        outputs: usize,
    },
    Pool {
        side: usize,
        channels: usize,
    },
    Double {
        side: usize,
        channels: usize,
    },
}

use Layer::{Depthwise as Dw, Double, First, Global, Pointwise as Pw, Pool};

/// A pointwise layer behind a depthwise one, as in SFace.
fn separable(side: usize, inputs: usize, outputs: usize, stride: usize) -> [Layer; 2] {
    [Dw { side, channels: inputs, stride }, Pw { side: side / stride, inputs, outputs }]
}

fn sface() -> Vec<Layer> {
    let mut layers = vec![First { side: 112, outputs: 32, stride: 1 }];
    let mut blocks =
        vec![(112, 32, 64, 1), (112, 64, 128, 2), (56, 128, 128, 1), (56, 128, 256, 2)];
    blocks.extend([(28, 256, 256, 1), (28, 256, 512, 2)]);
    blocks.extend([(14, 512, 512, 1); 5]);
    blocks.extend([(14, 512, 1024, 2), (7, 1024, 1024, 1)]);
    layers
        .extend(blocks.into_iter().flat_map(|(side, k, n, stride)| separable(side, k, n, stride)));
    layers.push(Pw { side: 1, inputs: 50_176, outputs: 128 });
    layers
}

fn mobilefacenet() -> Vec<Layer> {
    let mut layers = vec![First { side: 112, outputs: 64, stride: 2 }];
    layers.push(Dw { side: 56, channels: 64, stride: 1 });
    let mut bottlenecks = vec![(56, 64, 128, 2, 64)];
    bottlenecks.extend([(28, 64, 128, 1, 64); 4]);
    bottlenecks.push((28, 64, 256, 2, 128));
    bottlenecks.extend([(14, 128, 256, 1, 128); 6]);
    bottlenecks.push((14, 128, 512, 2, 128));
    bottlenecks.extend([(7, 128, 256, 1, 128); 2]);
    for (side, inputs, inside, stride, outputs) in bottlenecks {
        layers.push(Pw { side, inputs, outputs: inside });
        layers.extend(separable(side, inside, outputs, stride));
    }
    layers.push(Pw { side: 7, inputs: 128, outputs: 512 });
    layers.push(Global { side: 7, channels: 512 });
    layers.push(Pw { side: 1, inputs: 512, outputs: 512 });
    layers
}

/// At 320 × 320.
fn yunet() -> Vec<Layer> {
    let unit = |side, inputs, outputs| {
        [Pw { side, inputs, outputs }, Dw { side, channels: outputs, stride: 1 }]
    };
    let mut layers = vec![First { side: 320, outputs: 16, stride: 2 }];
    layers.extend(unit(160, 16, 16));
    layers.push(Pool { side: 160, channels: 16 });
    for (inputs, outputs) in [(16, 16), (16, 32), (32, 32), (32, 64)] {
        layers.extend(unit(80, inputs, outputs));
    }
    for side in [40, 20] {
        layers.push(Pool { side: 2 * side, channels: 64 });
        layers.extend([unit(side, 64, 64), unit(side, 64, 64)].concat());
    }
    layers.push(Pool { side: 20, channels: 64 });
    layers.extend([unit(10, 64, 64), unit(10, 64, 64), unit(10, 64, 64)].concat());
    for side in [20, 40] {
        layers.push(Double { side, channels: 64 });
        layers.extend(unit(side, 64, 64));
    }
    for side in [40, 20, 10] {
        // Classes, boxes, objects and landmarks: 1, 4, 1 and 10 channels, padded.
        layers.extend([unit(side, 64, 16), unit(side, 64, 16)].concat());
        layers.extend([unit(side, 64, 16), unit(side, 64, 16)].concat());
    }
    layers
}

/// Numbers without a pattern, -0.5 to 0.5.
fn noise(length: usize) -> Vec<f32> {
    let mut state = 1u64;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..length).map(|_| next()).collect()
}

type Run = Box<dyn Fn(Processor, &mut Scratch, &mut [f32])>;

/// A layer with its weights and its input, and how many values it writes.
fn prepared(layer: Layer, bytes: bool) -> (Run, usize) {
    let square = |side: usize| Size { height: side, width: side };
    let finish = |outputs: usize| (vec![0.1; outputs], vec![0.25; outputs]);
    match layer {
        First { side, outputs, stride } => {
            let window = Window { side: 3, stride, pad: 1 };
            let (bias, slope) = finish(outputs);
            let (weights, input) = (noise(27 * outputs), noise(3 * side * side));
            let finish = Finish { bias: &bias, slope: &slope };
            let layer = Convolution::new(window, 3, Weights::Floats(&weights), finish);
            let length = layer.outputs(square(side));
            let run = move |processor, scratch: &mut Scratch, out: &mut [f32]| {
                layer.run(processor, square(side), &input, out, scratch);
            };
            (Box::new(run), length)
        }
        Dw { .. } | Global { .. } => {
            let (side, channels, window) = match layer {
                Dw { side, channels, stride } => {
                    (side, channels, Window { side: 3, stride, pad: 1 })
                }
                Global { side, channels } => (side, channels, Window { side, stride: 1, pad: 0 }),
                _ => unreachable!("the two that are matched above"),
            };
            let (bias, slope) = finish(channels);
            let weights = noise(window.side * window.side * channels);
            let layer = Depthwise::new(window, &weights, Finish { bias: &bias, slope: &slope });
            let (input, length) = (noise(side * side * channels), layer.outputs(square(side)));
            let run = move |processor, _: &mut Scratch, out: &mut [f32]| {
                layer.run(processor, square(side), &input, out);
            };
            (Box::new(run), length)
        }
        Pw { side, inputs, outputs } => {
            let (bias, slope) = finish(outputs);
            let finish = Finish { bias: &bias, slope: &slope };
            let weights = noise(inputs * outputs);
            let codes: Vec<i8> = weights.iter().map(|weight| (weight * 254.0) as i8).collect();
            let scales = vec![0.01; outputs];
            let weights = if bytes && inputs >= 64 {
                Weights::Bytes { codes: &codes, scales: &scales }
            } else {
                Weights::Floats(&weights)
            };
            let layer = Pointwise::new(inputs, weights, finish);
            let (input, length) = (noise(side * side * inputs), side * side * layer.outputs());
            let run = move |processor, scratch: &mut Scratch, out: &mut [f32]| {
                layer.run(processor, &input, None, out, scratch);
            };
            (Box::new(run), length)
        }
        Pool { side, channels } => {
            let input = noise(side * side * padded(channels));
            let run = move |processor, _: &mut Scratch, out: &mut [f32]| {
                max_pool(processor, square(side), channels, &input, out);
            };
            (Box::new(run), side * side / 4 * padded(channels))
        }
        Double { side, channels } => {
            let length = side * side * padded(channels);
            let (large, small) = (noise(length), noise(length / 4));
            let run = move |processor, _: &mut Scratch, out: &mut [f32]| {
                add_doubled(processor, square(side), channels, &large, &small, out);
            };
            (Box::new(run), length)
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let layers = match arguments.first().map(String::as_str) {
        Some("sface") => sface(),
        Some("mobilefacenet") => mobilefacenet(),
        Some("yunet") => yunet(),
        _ => {
            eprintln!("layers sface|mobilefacenet|yunet [floats] [RUNS]");
            return ExitCode::from(2);
        }
    };
    let runs = arguments.last().and_then(|runs| runs.parse().ok()).unwrap_or(1);
    let processor = Processor::detect().unwrap_or(Processor::portable());
    let bytes = processor.has_byte_products() && !arguments.iter().any(|a| a == "floats");
    let layers: Vec<_> = layers.into_iter().map(|layer| prepared(layer, bytes)).collect();
    let longest = layers.iter().map(|(_, length)| *length).max().unwrap_or(0);
    let (mut out, mut scratch) = (vec![0.0; longest], Scratch::default());
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let began = Instant::now();
        for (run, length) in &layers {
            run(processor, &mut scratch, &mut out[..*length]);
        }
        best = best.min(began.elapsed().as_secs_f64());
    }
    println!("{} layers, {}: {:.3} ms at best", layers.len(), processor.name(), best * 1e3);
    ExitCode::SUCCESS
}
