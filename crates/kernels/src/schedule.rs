//! Execution order and memory of a plan.
//!
//! Consecutive nodes on large tensors are interleaved: a node computes a band of a few rows, and
//! the next node reads the band while it is in the L1 cache. Such tensors are never in memory as a
//! whole.

use std::ops::Range;

use crate::Window;
use crate::node::{Node, Output};

/// Band of rows that a node computes in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowBand {
    pub node: usize,
    pub rows: Range<usize>,
}

/// Memory of a tensor: the first values of a buffer.
#[derive(Debug)]
pub struct BufferSlice {
    /// Index of the buffer.
    pub buffer: usize,
    /// Number of values.
    pub length: usize,
}

/// Result of [`schedule`].
pub struct Schedule {
    /// Bands in execution order.
    pub bands: Vec<RowBand>,
    /// Memory of each node's tensor.
    pub slices: Vec<BufferSlice>,
    /// Length of each buffer, in values.
    pub buffer_lengths: Vec<usize>,
}

/// Number of values above which a tensor is computed in bands. As `f32`, they take 256 KiB, half of
/// the L2 cache of a Cortex-A76.
const UNBANDED_VALUES_MAX: usize = 64 * 1024;

/// Row width in pixels from which a tensor is computed in bands. With narrower rows, bands take
/// more time, because the weights are read again for each band.
const BANDED_WIDTH_MIN: usize = 32;

/// Number of rows that the first node of a chain computes per band.
const BAND_ROWS: usize = 4;

/// Plans the execution order. Buffers of tensors that no later node reads are reused.
pub fn schedule(nodes: &[Node], outputs: &[Output]) -> Schedule {
    let chains = chains(nodes, outputs);
    let mut last_reader = vec![0; nodes.len()];
    for (chain, range) in chains.iter().enumerate() {
        nodes[range.clone()]
            .iter()
            .flat_map(Node::inputs)
            .for_each(|tensor| last_reader[tensor] = chain);
    }
    outputs.iter().for_each(|output| last_reader[output.tensor] = usize::MAX);

    let mut schedule =
        Schedule { bands: Vec::new(), slices: Vec::new(), buffer_lengths: Vec::new() };
    let mut free: Vec<usize> = Vec::new();
    for (chain, range) in chains.iter().enumerate() {
        let bands = bands(nodes, range.clone());
        for node in range.clone() {
            let (size, op) = (nodes[node].output_size(), &nodes[node].op);
            let is_last = node + 1 == range.end;
            let rows = if is_last { size.height } else { live_rows(&bands, nodes, node) };
            let length = rows * size.width * op.output_stride();
            let buffer = take_buffer(&mut free, &mut schedule.buffer_lengths, length);
            schedule.slices.push(BufferSlice { buffer, length });
        }
        let unused = (0..range.end).filter(|tensor| last_reader[*tensor] == chain);
        free.extend(unused.map(|tensor| schedule.slices[tensor].buffer));
        schedule.bands.extend(bands);
    }
    schedule
}

/// Takes the free buffer whose length is nearest to `length`, or adds a buffer. Enlarges the buffer
/// to `length` if it is shorter.
fn take_buffer(free: &mut Vec<usize>, lengths: &mut Vec<usize>, length: usize) -> usize {
    let nearest = (0..free.len()).min_by_key(|i| lengths[free[*i]].abs_diff(length));
    let buffer = match nearest {
        Some(i) => free.swap_remove(i),
        None => {
            lengths.push(0);
            lengths.len() - 1
        }
    };
    lengths[buffer] = lengths[buffer].max(length);
    buffer
}

/// Returns the chains of nodes that are interleaved. In a chain, each node is the only reader of
/// the previous node's tensor.
fn chains(nodes: &[Node], outputs: &[Output]) -> Vec<Range<usize>> {
    let mut readers = vec![0; nodes.len()];
    let reads = nodes.iter().flat_map(Node::inputs);
    reads.chain(outputs.iter().map(|output| output.tensor)).for_each(|tensor| readers[tensor] += 1);

    let mut chains: Vec<Range<usize>> = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        let extends_chain = i > 0 && node.input == i - 1 && readers[i - 1] == 1 && {
            let size = nodes[i - 1].output_size();
            let length = size.area() * nodes[i - 1].op.output_stride();
            size == node.input_size
                && length > UNBANDED_VALUES_MAX
                && size.width >= BANDED_WIDTH_MIN
        };
        match chains.last_mut() {
            Some(chain) if extends_chain => chain.end = i + 1,
            _ => chains.push(i..i + 1),
        }
    }
    chains
}

/// Returns the bands of a chain: [`BAND_ROWS`] rows of the first node, then all rows of the
/// following nodes whose inputs are computed, and so on.
fn bands(nodes: &[Node], chain: Range<usize>) -> Vec<RowBand> {
    let height = |node: usize| nodes[node].output_size().height;
    let mut bands = Vec::new();
    let mut computed = vec![0; chain.len()];
    while computed[chain.len() - 1] < height(chain.end - 1) {
        for (i, node) in chain.clone().enumerate() {
            let end = match i {
                0 if chain.len() == 1 => height(node),
                0 => height(node).min(computed[0] + BAND_ROWS),
                _ => computable_rows(&nodes[node], computed[i - 1]),
            };
            if end > computed[i] {
                bands.push(RowBand { node, rows: computed[i]..end });
                computed[i] = end;
            }
        }
    }
    bands
}

/// Returns the number of rows that a node can compute from the first `rows` rows of its input.
fn computable_rows(node: &Node, rows: usize) -> usize {
    let Window { side, stride, pad } = node.op.window();
    let height = node.output_size().height;
    if rows == node.input_size.height {
        return height;
    }
    (rows + pad).checked_sub(side).map_or(0, |room| (room / stride + 1).min(height))
}

/// Returns the largest number of rows of a node's tensor that are computed and still needed by the
/// next node.
fn live_rows(bands: &[RowBand], nodes: &[Node], node: usize) -> usize {
    let Window { stride, pad, .. } = nodes[node + 1].op.window();
    let (mut max_rows, mut first_needed) = (0, 0);
    for band in bands {
        if band.node == node {
            max_rows = max_rows.max(band.rows.end - first_needed);
        } else if band.node == node + 1 {
            first_needed = (band.rows.end * stride).saturating_sub(pad);
        }
    }
    max_rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Convolution, Depthwise, Epilogue, InstructionSet, Op, Plan, Pointwise, Size, Weights,
        padded,
    };

    #[derive(Clone, Debug)]
    enum Layer {
        Depthwise { side: usize, stride: usize },
        Pointwise { outputs: usize, has_residual: bool },
        Pool,
    }

    fn layers() -> impl Strategy<Value = Vec<Layer>> {
        let layer = prop_oneof![
            3 => (1usize..5, 1usize..3).prop_map(|(side, stride)| Layer::Depthwise { side, stride }),
            3 => (1usize..40, any::<bool>())
                .prop_map(|(outputs, has_residual)| Layer::Pointwise { outputs, has_residual }),
            1 => Just(Layer::Pool),
        ];
        prop::collection::vec(layer, 1..7)
    }

    /// Returns values of -1 to 1.
    fn noise(length: usize, seed: u64) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..length).map(|_| 2.0 * random.f32() - 1.0).collect()
    }

    /// Returns a 3 × 3 convolution to 16 channels, followed by `layers`.
    fn network(size: Size, layers: &[Layer]) -> Vec<Node> {
        let bias_and_slope = |outputs| (noise(outputs, 1), vec![0.3; outputs]);
        let window = Window { side: 3, stride: 1, pad: 1 };
        let (weights, (bias, slope)) = (noise(27 * 16, 2), bias_and_slope(16));
        let epilogue = Epilogue { bias: &bias, slope: &slope };
        let first = Convolution::new(window, 3, Weights::F32(&weights), epilogue);
        let mut nodes = vec![
            Node { op: Op::Input(3), input: 0, input_size: size },
            Node { op: Op::Convolution(first), input: 0, input_size: size },
        ];
        let mut channels = 16;
        for layer in layers {
            let input = nodes.len() - 1;
            let input_size = nodes[input].output_size();
            let op = match *layer {
                Layer::Depthwise { side, stride } => {
                    let window = Window { side, stride, pad: side / 2 };
                    let (weights, (bias, slope)) =
                        (noise(side * side * channels, 3), bias_and_slope(channels));
                    let epilogue = Epilogue { bias: &bias, slope: &slope };
                    Op::Depthwise(Depthwise::new(window, &weights, epilogue))
                }
                Layer::Pointwise { outputs, has_residual } => {
                    let outputs = if has_residual { channels } else { outputs };
                    let (weights, (bias, slope)) =
                        (noise(channels * outputs, 4), bias_and_slope(outputs));
                    let epilogue = Epilogue { bias: &bias, slope: &slope };
                    let layer = Pointwise::new(channels, Weights::F32(&weights), epilogue);
                    channels = outputs;
                    // The residual is the tensor before the input, if it has the same shape.
                    let earlier = &nodes[input - 1];
                    let has_same_shape = earlier.output_size() == input_size
                        && earlier.op.output_stride() == padded(channels);
                    Op::Pointwise(layer, (has_residual && has_same_shape).then_some(input - 1))
                }
                Layer::Pool => Op::MaxPool(channels),
            };
            if op.window().output_size(input_size).is_none() {
                break;
            }
            nodes.push(Node { op, input, input_size });
        }
        nodes
    }

    fn output(tensor: usize) -> Output {
        Output { tensor, channels: 0..1, has_sigmoid: false }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn execution_in_bands_equals_execution_by_layer(
            (height, width) in (100usize..130, 200usize..230),
            layers in layers(),
        ) {
            let size = Size { height, width };
            let nodes = network(size, &layers);
            let (count, last) = (nodes.len(), nodes.len() - 1);
            let isa = InstructionSet::detect().unwrap_or(InstructionSet::portable());
            // Outputs are never computed in bands, so this plan runs layer by layer.
            let all_outputs = (0..count).map(output).collect();
            let layer_by_layer = Plan::new(isa, network(size, &layers), all_outputs);
            let banded = Plan::new(isa, nodes, vec![output(last)]);
            let picture = noise(3 * size.area(), 5);
            let fill = |y: usize, row: &mut [f32]| {
                row.copy_from_slice(&picture[3 * y * width..][..3 * width]);
            };
            let expected = layer_by_layer.run(&fill).pop();
            for _ in 0..2 {
                prop_assert_eq!(banded.run(&fill).pop(), expected.clone());
                prop_assert!(banded.is_wiped());
            }
        }
    }

    #[test]
    fn output_has_exact_capacity() {
        let size = Size { height: 8, width: 8 };
        let nodes = network(size, &[Layer::Pointwise { outputs: 5, has_residual: false }]);
        let output = Output { tensor: nodes.len() - 1, channels: 0..5, has_sigmoid: true };
        let values = Plan::new(InstructionSet::portable(), nodes, vec![output])
            .run(&|_, row| row.fill(0.5))
            .remove(0);
        assert_eq!((values.len(), values.capacity()), (5 * 64, 5 * 64), "it has grown");
    }

    #[test]
    fn large_tensor_has_buffer_of_few_rows() {
        let size = Size { height: 160, width: 200 };
        let layers = [
            Layer::Pointwise { outputs: 32, has_residual: false },
            Layer::Depthwise { side: 3, stride: 1 },
            Layer::Pool,
        ];
        let nodes = network(size, &layers);
        let schedule = schedule(&nodes, &[output(nodes.len() - 1)]);
        let rows = |node: usize| {
            let row = nodes[node].output_size().width * nodes[node].op.output_stride();
            schedule.slices[node].length / row
        };
        // A buffer holds four new rows, or five at the lower edge, and the rows that the next
        // window still covers.
        assert_eq!((0..nodes.len()).map(rows).collect::<Vec<_>>(), [6, 5, 7, 6, 80]);
    }
}
