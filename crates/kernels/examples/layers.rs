//! The layers of the shipped networks, with weights that mean nothing: what the kernels cost, without
//! the program around them.
//!
//!     cargo run --release -p instored-kernels --example layers -- NETWORK [floats] [RUNS]

use std::process::ExitCode;
use std::time::Instant;

use instored_kernels::{
    Convolution, Depthwise, Epilogue, InstructionSet, Node, Op, Output, Plan, Pointwise, Size,
    Weights, Window, padded,
};

/// A network that is being put together. Values are called by the number of their step.
struct Network {
    steps: Vec<Node>,
    /// Channels of each value.
    channels: Vec<usize>,
    /// Whether products of bytes are used where the program does.
    bytes: bool,
}

impl Network {
    fn new(height: usize, width: usize, bytes: bool) -> Self {
        let mut network = Self { steps: Vec::new(), channels: Vec::new(), bytes };
        network.step(Op::Picture(3), 0, Size { height, width }, 3);
        network
    }

    fn step(&mut self, work: Op, from: usize, size: Size, channels: usize) -> usize {
        self.steps.push(Node { work, from, size });
        self.channels.push(channels);
        self.steps.len() - 1
    }

    /// 3 × 3, of the three colours.
    fn first(&mut self, outputs: usize, stride: usize) -> usize {
        let window = Window { side: 3, stride, pad: 1 };
        let weights = noise(27 * outputs);
        let layer = with_finish(outputs, 0.25, |finish| {
            Convolution::new(window, 3, Weights::F32(&weights), finish)
        });
        self.step(Op::Convolution(layer), 0, self.steps[0].output(), outputs)
    }

    fn depthwise(&mut self, from: usize, window: Window, slope: f32) -> usize {
        let channels = self.channels[from];
        let weights = noise(window.side * window.side * channels);
        let layer = with_finish(channels, slope, |finish| Depthwise::new(window, &weights, finish));
        self.step(Op::Depthwise(layer), from, self.steps[from].output(), channels)
    }

    /// 3 × 3, each channel by itself.
    fn three(&mut self, from: usize, stride: usize, slope: f32) -> usize {
        self.depthwise(from, Window { side: 3, stride, pad: 1 }, slope)
    }

    fn pointwise(
        &mut self,
        from: usize,
        outputs: usize,
        slope: f32,
        residual: Option<usize>,
    ) -> usize {
        let layer = self.products(self.channels[from], outputs, slope);
        let work = Op::Pointwise(layer, residual);
        self.step(work, from, self.steps[from].output(), outputs)
    }

    /// A fully connected layer.
    fn connected(&mut self, from: usize, outputs: usize) -> usize {
        let inputs = self.steps[from].output().area() * padded(self.channels[from]);
        let layer = self.products(inputs, outputs, 1.0);
        self.step(Op::Pointwise(layer, None), from, Size { height: 1, width: 1 }, outputs)
    }

    fn products(&self, inputs: usize, outputs: usize, slope: f32) -> Pointwise {
        let weights = noise(inputs * outputs);
        let codes: Vec<i8> = weights.iter().map(|weight| (weight * 254.0) as i8).collect();
        let scales = vec![0.01; outputs];
        // Small layers are shipped in floats.
        let weights = if self.bytes && inputs >= 64 && outputs > 16 {
            Weights::Int8 { codes: &codes, scales: &scales }
        } else {
            Weights::F32(&weights)
        };
        with_finish(outputs, slope, |finish| Pointwise::new(inputs, weights, finish))
    }

    fn pool(&mut self, from: usize) -> usize {
        let channels = self.channels[from];
        self.step(Op::MaxPool(channels), from, self.steps[from].output(), channels)
    }

    fn add_upsample2x(&mut self, large: usize, small: usize) -> usize {
        let channels = self.channels[large];
        let work = Op::AddUpsample2x { small, channels };
        self.step(work, large, self.steps[large].output(), channels)
    }

    fn plan(self, isa: InstructionSet, outputs: &[usize]) -> Plan {
        let output = |value: &usize| Output {
            value: *value,
            channels: 0..self.channels[*value],
            sigmoid: false,
        };
        let outputs = outputs.iter().map(output).collect();
        Plan::new(isa, self.steps, outputs)
    }
}

fn with_finish<T>(outputs: usize, slope: f32, layer: impl FnOnce(Epilogue<'_>) -> T) -> T {
    layer(Epilogue { bias: &vec![0.1; outputs], slope: &vec![slope; outputs] })
}

/// Of a PReLU.
const SLOPE: f32 = 0.25;

fn sface(isa: InstructionSet, bytes: bool) -> Plan {
    let mut network = Network::new(112, 112, bytes);
    let mut last = network.first(32, 1);
    let mut blocks = vec![(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)];
    blocks.extend([(512, 1); 5]);
    blocks.extend([(1024, 2), (1024, 1)]);
    for (outputs, stride) in blocks {
        last = network.three(last, stride, SLOPE);
        last = network.pointwise(last, outputs, SLOPE, None);
    }
    last = network.connected(last, 128);
    network.plan(isa, &[last])
}

fn mobilefacenet(isa: InstructionSet, bytes: bool) -> Plan {
    let mut network = Network::new(112, 112, bytes);
    let mut last = network.first(64, 2);
    last = network.three(last, 1, SLOPE);
    let mut bottlenecks = vec![(128, 2, 64)];
    bottlenecks.extend([(128, 1, 64); 4]);
    bottlenecks.push((256, 2, 128));
    bottlenecks.extend([(256, 1, 128); 6]);
    bottlenecks.push((512, 2, 128));
    bottlenecks.extend([(256, 1, 128); 2]);
    for (inside, stride, outputs) in bottlenecks {
        let before = last;
        last = network.pointwise(last, inside, SLOPE, None);
        last = network.three(last, stride, SLOPE);
        last = network.pointwise(last, outputs, 1.0, (stride == 1).then_some(before));
    }
    last = network.pointwise(last, 512, SLOPE, None);
    last = network.depthwise(last, Window { side: 7, stride: 1, pad: 0 }, 1.0);
    last = network.connected(last, 512);
    network.plan(isa, &[last])
}

fn yunet(isa: InstructionSet, bytes: bool, height: usize, width: usize) -> Plan {
    let mut network = Network::new(height, width, bytes);
    let unit = |network: &mut Network, from, outputs| {
        let sums = network.pointwise(from, outputs, 1.0, None);
        network.three(sums, 1, 0.0)
    };
    let mut last = network.first(16, 2);
    last = unit(&mut network, last, 16);
    last = network.pool(last);
    for outputs in [16, 32, 32, 64] {
        last = unit(&mut network, last, outputs);
    }
    let mut levels = [0; 3];
    for (level, units) in levels.iter_mut().zip([2, 2, 3]) {
        last = network.pool(last);
        for _ in 0..units {
            last = unit(&mut network, last, 64);
        }
        *level = last;
    }
    for level in [1, 0] {
        let sum = network.add_upsample2x(levels[level], levels[level + 1]);
        levels[level] = unit(&mut network, sum, 64);
    }
    let outputs = levels.map(|level| {
        // Classes, objects, boxes and landmarks: 1, 1, 4 and 10 channels, side by side.
        let heads = network.pointwise(level, 16, 1.0, None);
        network.three(heads, 1, 1.0)
    });
    network.plan(isa, &outputs)
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

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runs = arguments.last().and_then(|runs| runs.parse().ok()).unwrap_or(1);
    let isa = InstructionSet::detect().unwrap_or(InstructionSet::portable());
    let bytes = isa.has_int8_dot() && !arguments.iter().any(|a| a == "floats");
    let plan = match arguments.first().map(String::as_str) {
        Some("sface") => sface(isa, bytes),
        Some("mobilefacenet") => mobilefacenet(isa, bytes),
        Some("yunet") => yunet(isa, bytes, 320, 320),
        Some("yunet-vga") => yunet(isa, bytes, 480, 640),
        _ => {
            eprintln!("layers sface|mobilefacenet|yunet|yunet-vga [floats] [RUNS]");
            return ExitCode::from(2);
        }
    };
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let began = Instant::now();
        plan.run(&|_, row| row.fill(0.5));
        best = best.min(began.elapsed().as_secs_f64());
    }
    println!("{}: {:.3} ms at best", isa.name(), best * 1e3);
    ExitCode::SUCCESS
}
