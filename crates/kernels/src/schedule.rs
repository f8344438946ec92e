//! Which step of a plan makes which rows when, and where in memory.

use std::ops::Range;

use crate::Window;
use crate::node::{Node, Output};

/// Some rows of a step's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    pub step: usize,
    pub rows: Range<usize>,
}

/// Where a value lies.
#[derive(Debug)]
pub struct Place {
    /// In which buffer.
    pub buffer: usize,
    /// How much of it.
    pub length: usize,
}

pub struct Schedule {
    pub turns: Vec<Turn>,
    /// Of each step's value.
    pub places: Vec<Place>,
    /// Their lengths.
    pub buffers: Vec<usize>,
}

/// A value of more numbers than this is worth making in turns: it does not fit half of the second
/// cache of a Cortex-A76.
const LARGE: usize = 64 * 1024;

/// Pixels a row from which turns are worth their while: with less, reading the weights again for
/// each costs more than it saves.
const WIDE: usize = 32;

/// RowBuffer of its value that the first of a chain makes in its turn.
const TURN: usize = 4;

/// Plans when each row is made, and lets values that nobody will read make room for later ones.
pub fn schedule(steps: &[Node], outputs: &[Output]) -> Schedule {
    let chains = chains(steps, outputs);
    let mut last_read = vec![0; steps.len()];
    for (chain, range) in chains.iter().enumerate() {
        steps[range.clone()].iter().flat_map(Node::reads).for_each(|v| last_read[v] = chain);
    }
    outputs.iter().for_each(|output| last_read[output.value] = usize::MAX);

    let mut schedule = Schedule { turns: Vec::new(), places: Vec::new(), buffers: Vec::new() };
    let mut free: Vec<usize> = Vec::new();
    for (chain, range) in chains.iter().enumerate() {
        let turns = turns(steps, range.clone());
        for step in range.clone() {
            let (size, work) = (steps[step].output(), &steps[step].work);
            let kept = if step + 1 == range.end { size.height } else { kept(&turns, steps, step) };
            let length = kept * size.width * work.outputs();
            // Of those that are free, the one that is nearest in length.
            let lengths = &mut schedule.buffers;
            let nearest = (0..free.len()).min_by_key(|i| lengths[free[*i]].abs_diff(length));
            let buffer = nearest.map_or_else(
                || {
                    lengths.push(0);
                    lengths.len() - 1
                },
                |i| free.swap_remove(i),
            );
            lengths[buffer] = lengths[buffer].max(length);
            schedule.places.push(Place { buffer, length });
        }
        let done = (0..range.end).filter(|value| last_read[*value] == chain);
        free.extend(done.map(|value| schedule.places[value].buffer));
        schedule.turns.extend(turns);
    }
    schedule
}

/// Steps that take turns: each reads what the one before it makes, which nobody else does.
fn chains(steps: &[Node], outputs: &[Output]) -> Vec<Range<usize>> {
    let mut readers = vec![0; steps.len()];
    let reads = steps.iter().flat_map(Node::reads);
    reads.chain(outputs.iter().map(|output| output.value)).for_each(|value| readers[value] += 1);

    let mut chains: Vec<Range<usize>> = Vec::new();
    for (i, step) in steps.iter().enumerate() {
        let follows = i > 0 && step.from == i - 1 && readers[i - 1] == 1 && {
            let size = steps[i - 1].output();
            let length = size.area() * steps[i - 1].work.outputs();
            size == step.size && length > LARGE && size.width >= WIDE
        };
        match chains.last_mut() {
            Some(chain) if follows => chain.end = i + 1,
            _ => chains.push(i..i + 1),
        }
    }
    chains
}

/// The turns of a chain. The first makes a few rows, each other one all that it can of those.
fn turns(steps: &[Node], chain: Range<usize>) -> Vec<Turn> {
    let height = |step: usize| steps[step].output().height;
    let mut turns = Vec::new();
    let mut made = vec![0; chain.len()];
    while made[chain.len() - 1] < height(chain.end - 1) {
        for (i, step) in chain.clone().enumerate() {
            let end = match i {
                0 if chain.len() == 1 => height(step),
                0 => height(step).min(made[0] + TURN),
                _ => ready(&steps[step], made[i - 1]),
            };
            if end > made[i] {
                turns.push(Turn { step, rows: made[i]..end });
                made[i] = end;
            }
        }
    }
    turns
}

/// How many rows of its value a step can make of the first `rows` of what it reads.
fn ready(step: &Node, rows: usize) -> usize {
    let Window { side, stride, pad } = step.work.window();
    let all = step.output().height;
    if rows == step.size.height {
        return all;
    }
    (rows + pad).checked_sub(side).map_or(0, |room| (room / stride + 1).min(all))
}

/// The most rows of a step's value that have been made and are still to be read by the next one.
fn kept(turns: &[Turn], steps: &[Node], step: usize) -> usize {
    let Window { stride, pad, .. } = steps[step + 1].work.window();
    let (mut most, mut oldest) = (0, 0);
    for turn in turns {
        if turn.step == step {
            most = most.max(turn.rows.end - oldest);
        } else if turn.step == step + 1 {
            oldest = (turn.rows.end * stride).saturating_sub(pad);
        }
    }
    most
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
        Pointwise { outputs: usize, residual: bool },
        Pool,
    }

    fn layers() -> impl Strategy<Value = Vec<Layer>> {
        let layer = prop_oneof![
            3 => (1usize..5, 1usize..3).prop_map(|(side, stride)| Layer::Depthwise { side, stride }),
            3 => (1usize..40, any::<bool>())
                .prop_map(|(outputs, residual)| Layer::Pointwise { outputs, residual }),
            1 => Just(Layer::Pool),
        ];
        prop::collection::vec(layer, 1..7)
    }

    fn noise(length: usize, seed: usize) -> Vec<f32> {
        (0..length).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    /// A 3 × 3 convolution to 16 channels, and `layers` behind it.
    fn network(size: Size, layers: &[Layer]) -> Vec<Node> {
        let finish = |outputs| (noise(outputs, 1), vec![0.3; outputs]);
        let window = Window { side: 3, stride: 1, pad: 1 };
        let (weights, (bias, slope)) = (noise(27 * 16, 2), finish(16));
        let finish_first = Epilogue { bias: &bias, slope: &slope };
        let first = Convolution::new(window, 3, Weights::F32(&weights), finish_first);
        let mut steps = vec![
            Node { work: Op::Picture(3), from: 0, size },
            Node { work: Op::Convolution(first), from: 0, size },
        ];
        let mut channels = 16;
        for layer in layers {
            let from = steps.len() - 1;
            let size = steps[from].output();
            let work = match *layer {
                Layer::Depthwise { side, stride } => {
                    let window = Window { side, stride, pad: side / 2 };
                    let (weights, (bias, slope)) =
                        (noise(side * side * channels, 3), finish(channels));
                    let finish = Epilogue { bias: &bias, slope: &slope };
                    Op::Depthwise(Depthwise::new(window, &weights, finish))
                }
                Layer::Pointwise { outputs, residual } => {
                    let outputs = if residual { channels } else { outputs };
                    let (weights, (bias, slope)) = (noise(channels * outputs, 4), finish(outputs));
                    let finish = Epilogue { bias: &bias, slope: &slope };
                    let layer = Pointwise::new(channels, Weights::F32(&weights), finish);
                    channels = outputs;
                    // Of what was made last but one, where that has the same form.
                    let earlier = &steps[from - 1];
                    let alike =
                        earlier.output() == size && earlier.work.outputs() == padded(channels);
                    Op::Pointwise(layer, (residual && alike).then_some(from - 1))
                }
                Layer::Pool => Op::MaxPool(channels),
            };
            if work.window().output(size).is_none() {
                break;
            }
            steps.push(Node { work, from, size });
        }
        steps
    }

    fn output(value: usize) -> Output {
        Output { value, channels: 0..1, sigmoid: false }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn layers_that_take_turns_say_what_they_say_one_after_the_other(
            (height, width) in (100usize..130, 200usize..230),
            layers in layers(),
        ) {
            let size = Size { height, width };
            let steps = network(size, &layers);
            let (count, last) = (steps.len(), steps.len() - 1);
            let everything = (0..count).map(output).collect();
            let isa = InstructionSet::all().pop().unwrap_or(InstructionSet::portable());
            // What is an output lies in memory as a whole.
            let whole = Plan::new(isa, network(size, &layers), everything);
            let in_turns = Plan::new(isa, steps, vec![output(last)]);
            let picture = noise(3 * size.area(), 5);
            let fill = |y: usize, row: &mut [f32]| {
                row.copy_from_slice(&picture[3 * y * width..][..3 * width]);
            };
            let expected = whole.run(&fill).pop();
            for _ in 0..2 {
                prop_assert_eq!(in_turns.run(&fill).pop(), expected.clone());
                prop_assert!(in_turns.is_wiped());
            }
        }
    }

    #[test]
    fn a_large_picture_never_lies_in_memory_as_a_whole() {
        let size = Size { height: 160, width: 200 };
        let layers = [
            Layer::Pointwise { outputs: 32, residual: false },
            Layer::Depthwise { side: 3, stride: 1 },
            Layer::Pool,
        ];
        let steps = network(size, &layers);
        let schedule = schedule(&steps, &[output(steps.len() - 1)]);
        let rows = |step: usize| {
            schedule.places[step].length / steps[step].output().width / steps[step].work.outputs()
        };
        // Four new ones, at the lower edge five, and those that are still under the next window.
        assert_eq!((0..steps.len()).map(rows).collect::<Vec<_>>(), [6, 5, 7, 6, 80]);
    }
}
