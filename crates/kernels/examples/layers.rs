//! Measures the run time of the shipped networks' layers on the kernels, with random weights.
//!
//!     cargo run --release -p instored-kernels --example layers -- NETWORK [floats] [RUNS]

use std::process::ExitCode;
use std::time::Instant;

use instored_kernels::{
    Convolution, Depthwise, Epilogue, InstructionSet, Node, Op, Output, Plan, Pointwise, Size,
    Weights, Window, padded,
};

/// Network under construction. Tensors are identified by the number of their node.
struct Network {
    nodes: Vec<Node>,
    /// Number of channels of each tensor.
    channels: Vec<usize>,
    /// True if weights are int8 in the layers where the program uses int8.
    has_int8: bool,
    random: fastrand::Rng,
}

impl Network {
    fn new(height: usize, width: usize, has_int8: bool) -> Self {
        let random = fastrand::Rng::with_seed(1);
        let mut network = Self { nodes: Vec::new(), channels: Vec::new(), has_int8, random };
        network.push(Op::Input(3), 0, Size { height, width }, 3);
        network
    }

    fn push(&mut self, op: Op, input: usize, input_size: Size, channels: usize) -> usize {
        self.nodes.push(Node { op, input, input_size });
        self.channels.push(channels);
        self.nodes.len() - 1
    }

    /// Adds a 3 × 3 convolution of the picture.
    fn first_layer(&mut self, outputs: usize, stride: usize) -> usize {
        let window = Window { side: 3, stride, pad: 1 };
        let weights = self.weights(27 * outputs);
        let layer = with_epilogue(outputs, PRELU_SLOPE, |epilogue| {
            Convolution::new(window, 3, Weights::F32(&weights), epilogue)
        });
        self.push(Op::Convolution(layer), 0, self.nodes[0].output_size(), outputs)
    }

    fn depthwise(&mut self, input: usize, window: Window, slope: f32) -> usize {
        let channels = self.channels[input];
        let weights = self.weights(window.side * window.side * channels);
        let layer =
            with_epilogue(channels, slope, |epilogue| Depthwise::new(window, &weights, epilogue));
        self.push(Op::Depthwise(layer), input, self.nodes[input].output_size(), channels)
    }

    /// Adds a 3 × 3 depthwise convolution.
    fn depthwise3(&mut self, input: usize, stride: usize, slope: f32) -> usize {
        self.depthwise(input, Window { side: 3, stride, pad: 1 }, slope)
    }

    fn pointwise(
        &mut self,
        input: usize,
        outputs: usize,
        slope: f32,
        residual: Option<usize>,
    ) -> usize {
        let layer = self.product(self.channels[input], outputs, slope);
        let op = Op::Pointwise(layer, residual);
        self.push(op, input, self.nodes[input].output_size(), outputs)
    }

    fn fully_connected(&mut self, input: usize, outputs: usize) -> usize {
        let inputs = self.nodes[input].output_size().area() * padded(self.channels[input]);
        let layer = self.product(inputs, outputs, 1.0);
        self.push(Op::Pointwise(layer, None), input, Size { height: 1, width: 1 }, outputs)
    }

    /// Returns a layer with random weights.
    fn product(&mut self, inputs: usize, outputs: usize, slope: f32) -> Pointwise {
        let weights = self.weights(inputs * outputs);
        let values: Vec<i8> = weights.iter().map(|weight| (weight * 254.0) as i8).collect();
        let scales = vec![0.01; outputs];
        // The shipped models store the weights of small layers in f32.
        let weights = if self.has_int8 && inputs >= 64 && outputs > 16 {
            Weights::Int8 { values: &values, scales: &scales }
        } else {
            Weights::F32(&weights)
        };
        with_epilogue(outputs, slope, |epilogue| Pointwise::new(inputs, weights, epilogue))
    }

    fn max_pool(&mut self, input: usize) -> usize {
        let channels = self.channels[input];
        self.push(Op::MaxPool(channels), input, self.nodes[input].output_size(), channels)
    }

    fn add_upsample2x(&mut self, large: usize, small: usize) -> usize {
        let channels = self.channels[large];
        let op = Op::AddUpsample2x { small, channels };
        self.push(op, large, self.nodes[large].output_size(), channels)
    }

    /// Returns random weights of -0.5 to 0.5.
    fn weights(&mut self, length: usize) -> Vec<f32> {
        (0..length).map(|_| self.random.f32() - 0.5).collect()
    }

    fn plan(self, isa: InstructionSet, outputs: &[usize]) -> Plan {
        let output = |tensor: &usize| Output {
            tensor: *tensor,
            channels: 0..self.channels[*tensor],
            has_sigmoid: false,
        };
        let outputs = outputs.iter().map(output).collect();
        Plan::new(isa, self.nodes, outputs)
    }
}

fn with_epilogue<T>(outputs: usize, slope: f32, layer: impl FnOnce(Epilogue<'_>) -> T) -> T {
    layer(Epilogue { bias: &vec![0.1; outputs], slope: &vec![slope; outputs] })
}

const PRELU_SLOPE: f32 = 0.25;

fn sface(isa: InstructionSet, has_int8: bool) -> Plan {
    let mut network = Network::new(112, 112, has_int8);
    let mut last = network.first_layer(32, 1);
    let mut blocks = vec![(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)];
    blocks.extend([(512, 1); 5]);
    blocks.extend([(1024, 2), (1024, 1)]);
    for (outputs, stride) in blocks {
        last = network.depthwise3(last, stride, PRELU_SLOPE);
        last = network.pointwise(last, outputs, PRELU_SLOPE, None);
    }
    last = network.fully_connected(last, 128);
    network.plan(isa, &[last])
}

fn mobilefacenet(isa: InstructionSet, has_int8: bool) -> Plan {
    let mut network = Network::new(112, 112, has_int8);
    let mut last = network.first_layer(64, 2);
    last = network.depthwise3(last, 1, PRELU_SLOPE);
    let mut bottlenecks = vec![(128, 2, 64)];
    bottlenecks.extend([(128, 1, 64); 4]);
    bottlenecks.push((256, 2, 128));
    bottlenecks.extend([(256, 1, 128); 6]);
    bottlenecks.push((512, 2, 128));
    bottlenecks.extend([(256, 1, 128); 2]);
    for (expansion, stride, outputs) in bottlenecks {
        let before = last;
        last = network.pointwise(last, expansion, PRELU_SLOPE, None);
        last = network.depthwise3(last, stride, PRELU_SLOPE);
        last = network.pointwise(last, outputs, 1.0, (stride == 1).then_some(before));
    }
    last = network.pointwise(last, 512, PRELU_SLOPE, None);
    last = network.depthwise(last, Window { side: 7, stride: 1, pad: 0 }, 1.0);
    last = network.fully_connected(last, 512);
    network.plan(isa, &[last])
}

fn yunet(isa: InstructionSet, has_int8: bool, height: usize, width: usize) -> Plan {
    let mut network = Network::new(height, width, has_int8);
    let unit = |network: &mut Network, input, outputs| {
        let sums = network.pointwise(input, outputs, 1.0, None);
        network.depthwise3(sums, 1, 0.0)
    };
    let mut last = network.first_layer(16, 2);
    last = unit(&mut network, last, 16);
    last = network.max_pool(last);
    for outputs in [16, 32, 32, 64] {
        last = unit(&mut network, last, outputs);
    }
    let mut features = [0; 3];
    for (feature, units) in features.iter_mut().zip([2, 2, 3]) {
        last = network.max_pool(last);
        for _ in 0..units {
            last = unit(&mut network, last, 64);
        }
        *feature = last;
    }
    for i in [1, 0] {
        let sum = network.add_upsample2x(features[i], features[i + 1]);
        features[i] = unit(&mut network, sum, 64);
    }
    let outputs = features.map(|feature| {
        // Classes, objects, boxes and landmarks: 1, 1, 4 and 10 channels, fused into 16.
        let heads = network.pointwise(feature, 16, 1.0, None);
        network.depthwise3(heads, 1, 1.0)
    });
    network.plan(isa, &outputs)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runs = arguments.last().and_then(|runs| runs.parse().ok()).unwrap_or(1);
    let isa = InstructionSet::detect().unwrap_or(InstructionSet::portable());
    let has_int8 = isa.has_int8_dot() && !arguments.iter().any(|a| a == "floats");
    let plan = match arguments.first().map(String::as_str) {
        Some("sface") => sface(isa, has_int8),
        Some("mobilefacenet") => mobilefacenet(isa, has_int8),
        Some("yunet") => yunet(isa, has_int8, 320, 320),
        Some("yunet-vga") => yunet(isa, has_int8, 480, 640),
        _ => {
            eprintln!("usage: layers sface|mobilefacenet|yunet|yunet-vga [floats] [RUNS]");
            return ExitCode::from(2);
        }
    };
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let began = Instant::now();
        plan.run(&|_, row| row.fill(0.5));
        best = best.min(began.elapsed().as_secs_f64());
    }
    println!("{}: fastest run {:.3} ms", isa.name(), best * 1e3);
    ExitCode::SUCCESS
}
