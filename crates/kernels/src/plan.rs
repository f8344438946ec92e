//! Execution of a network: its nodes, their order, and the memory of a run.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use crate::node::{Node, Op, Output};
use crate::schedule::{self, BufferSlice, RowBand};
use crate::{
    InstructionSet, RowBuffer, RowBufferMut, Scratch, Size, add_upsample2x, max_pool, padded,
};

/// Network for pictures of one size.
pub struct Plan {
    isa: InstructionSet,
    nodes: Vec<Node>,
    bands: Vec<RowBand>,
    outputs: Vec<Output>,
    /// Memory of each tensor.
    slices: Vec<BufferSlice>,
    /// Length of each buffer, in values.
    buffer_lengths: Vec<usize>,
    /// Memory of finished runs, for reuse.
    idle: Mutex<Vec<Arena>>,
}

/// Memory of one run. A buffer keeps its address, so that no copy of its values is left in freed memory.
#[derive(Default)]
struct Arena {
    buffers: Vec<Zeroizing<Vec<f32>>>,
    scratch: Scratch,
}

impl Plan {
    /// Plans the execution of `nodes`. A node reads tensors of earlier nodes only; the first node is
    /// [`Op::Input`].
    ///
    /// # Panics
    /// If a window does not fit into its input.
    pub fn new(isa: InstructionSet, nodes: Vec<Node>, outputs: Vec<Output>) -> Self {
        let schedule::Schedule { bands, slices, buffer_lengths } =
            schedule::schedule(&nodes, &outputs);
        Self { isa, nodes, bands, outputs, slices, buffer_lengths, idle: Mutex::default() }
    }

    /// Runs the network and returns its outputs. `fill` writes one row of the picture; it is called
    /// once for each row, in order.
    ///
    /// All memory of the run except the outputs is overwritten with zeros before this function
    /// returns. The outputs are overwritten when they are dropped.
    ///
    /// # Panics
    /// If a node's `input_size` is not the size of its input tensor.
    pub fn run(&self, fill: &dyn Fn(usize, &mut [f32])) -> Vec<Zeroizing<Vec<f32>>> {
        let buffer = |length: &usize| Zeroizing::new(vec![0.0; *length]);
        let mut arena = self.idle().pop().unwrap_or_else(|| Arena {
            buffers: self.buffer_lengths.iter().map(buffer).collect(),
            scratch: Scratch::default(),
        });
        for RowBand { node, rows } in &self.bands {
            self.compute(*node, rows.clone(), &mut arena, fill);
        }
        let outputs = self.outputs.iter().map(|output| self.read(output, &arena)).collect();
        arena.wipe();
        self.idle().push(arena);
        outputs
    }

    /// Computes `rows` of a node's tensor.
    fn compute(
        &self,
        node: usize,
        rows: Range<usize>,
        arena: &mut Arena,
        fill: &dyn Fn(usize, &mut [f32]),
    ) {
        let (isa, slice) = (self.isa, &self.slices[node]);
        let node = &self.nodes[node];
        // The schedule never puts a tensor into the buffer of one of its inputs.
        let mut output_buffer = std::mem::take(&mut arena.buffers[slice.buffer]);
        let Arena { buffers, scratch } = arena;
        let tensor = |number: usize, size: Size, pixel_stride: usize| {
            let BufferSlice { buffer, length } = self.slices[number];
            RowBuffer::new(size, pixel_stride, &buffers[buffer][..length])
        };
        let input = || tensor(node.input, node.input_size, node.op.input_stride());
        let mut out = RowBufferMut::new(
            node.output_size(),
            node.op.output_stride(),
            &mut output_buffer[..slice.length],
        );
        match &node.op {
            Op::Input(_) => rows.for_each(|y| fill(y, out.row(y))),
            Op::Convolution(layer) => layer.run(isa, input(), out, rows, scratch),
            Op::Depthwise(layer) => layer.run(isa, input(), out, rows),
            Op::Pointwise(layer, residual) => {
                let residual =
                    residual.map(|number| tensor(number, node.input_size, layer.output_stride()));
                layer.run(isa, input(), residual, out, rows, scratch);
            }
            Op::MaxPool(_) => max_pool(isa, input(), out, rows),
            Op::AddUpsample2x { small, channels } => {
                let Size { height, width } = node.input_size;
                let half = Size { height: height / 2, width: width / 2 };
                let small = tensor(*small, half, padded(*channels));
                add_upsample2x(isa, input(), small, out, rows);
            }
        }
        arena.buffers[slice.buffer] = output_buffer;
    }

    /// Copies an output from the memory of a run.
    fn read(&self, output: &Output, arena: &Arena) -> Zeroizing<Vec<f32>> {
        let BufferSlice { buffer, length } = self.slices[output.tensor];
        let pixel_stride = self.nodes[output.tensor].op.output_stride();
        let pixels = arena.buffers[buffer][..length].chunks_exact(pixel_stride);
        let count = pixels.len() * output.channels.len();
        let mut values = Zeroizing::new(Vec::with_capacity(count));
        pixels.for_each(|pixel| values.extend_from_slice(&pixel[output.channels.clone()]));
        if output.has_sigmoid {
            values.iter_mut().for_each(|value| *value = 1.0 / (1.0 + (-*value).exp()));
        }
        values
    }

    /// Returns true if at least one run has ended and the memory of all ended runs contains only
    /// zeros.
    pub fn is_wiped(&self) -> bool {
        let idle = self.idle();
        let is_wiped = |arena: &Arena| {
            arena.buffers.iter().all(|buffer| buffer.iter().all(|value| *value == 0.0))
                && arena.scratch.is_wiped()
        };
        !idle.is_empty() && idle.iter().all(is_wiped)
    }

    /// Returns the memory of finished runs. A poisoned lock is safe to use, because a push or a pop
    /// leaves the vector valid.
    fn idle(&self) -> MutexGuard<'_, Vec<Arena>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arena {
    fn wipe(&mut self) {
        for buffer in &mut self.buffers {
            buffer.fill(0.0);
        }
        self.scratch.wipe();
    }
}
