//! A network as a list of layers to run, and the memory that they work in.
//!
//! Layers that follow each other on a large picture take turns, a few rows each: what one writes is
//! read by the next before it has left the near cache, and never lies in memory as a whole.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::node::{Node, Op, Output};
use crate::schedule::{self, Place, Turn};
use crate::{
    InstructionSet, RowBuffer, RowBufferMut, Scratch, Size, add_upsample2x, max_pool, padded,
};

/// A network, for pictures of one size.
pub struct Plan {
    isa: InstructionSet,
    steps: Vec<Node>,
    turns: Vec<Turn>,
    outputs: Vec<Output>,
    /// Where each value lies.
    places: Vec<Place>,
    /// Lengths of the buffers.
    buffers: Vec<usize>,
    /// Memory that no run is using.
    idle: Mutex<Vec<Arena>>,
}

/// The memory of a run.
#[derive(Default)]
struct Arena {
    buffers: Vec<Vec<f32>>,
    scratch: Scratch,
}

impl Plan {
    /// Plans `steps`, each of which reads values of steps before it. The first is the picture.
    ///
    /// # Panics
    /// When a window is larger than what it is to stand in.
    pub fn new(isa: InstructionSet, steps: Vec<Node>, outputs: Vec<Output>) -> Self {
        let schedule::Schedule { turns, places, buffers } = schedule::schedule(&steps, &outputs);
        Self { isa, steps, turns, outputs, places, buffers, idle: Mutex::default() }
    }

    /// Runs it on the picture whose rows `fill` writes, each once and in order, and returns the
    /// outputs. All other memory that the picture went through is overwritten before this returns.
    ///
    /// # Panics
    /// When a step reads a value that is not of the size that it says.
    pub fn run(&self, fill: &dyn Fn(usize, &mut [f32])) -> Vec<Vec<f32>> {
        let mut arena = self.idle().pop().unwrap_or_else(|| Arena {
            buffers: self.buffers.iter().map(|length| vec![0.0; *length]).collect(),
            scratch: Scratch::default(),
        });
        for Turn { step, rows } in &self.turns {
            self.take(*step, rows.clone(), &mut arena, fill);
        }
        let outputs = self.outputs.iter().map(|output| self.read(output, &arena)).collect();
        arena.wipe();
        self.idle().push(arena);
        outputs
    }

    /// Makes some rows of a step's value.
    fn take(
        &self,
        step: usize,
        rows: Range<usize>,
        arena: &mut Arena,
        fill: &dyn Fn(usize, &mut [f32]),
    ) {
        let (isa, place) = (self.isa, &self.places[step]);
        let step = &self.steps[step];
        // A value never lies where one lies that it is made of.
        let mut written = std::mem::take(&mut arena.buffers[place.buffer]);
        let Arena { buffers, scratch } = arena;
        let value = |value: usize, size: Size, pixel: usize| {
            let Place { buffer, length } = self.places[value];
            RowBuffer::new(size, pixel, &buffers[buffer][..length])
        };
        let from = || value(step.from, step.size, step.work.inputs());
        let mut out =
            RowBufferMut::new(step.output(), step.work.outputs(), &mut written[..place.length]);
        match &step.work {
            Op::Picture(_) => rows.for_each(|y| fill(y, out.row(y))),
            Op::Convolution(layer) => layer.run(isa, from(), out, rows, scratch),
            Op::Depthwise(layer) => layer.run(isa, from(), out, rows),
            Op::Pointwise(layer, residual) => {
                let residual = residual.map(|other| value(other, step.size, layer.outputs()));
                layer.run(isa, from(), residual, out, rows, scratch);
            }
            Op::MaxPool(_) => max_pool(isa, from(), out, rows),
            Op::AddUpsample2x { small, channels } => {
                let half = Size { height: step.size.height / 2, width: step.size.width / 2 };
                let small = value(*small, half, padded(*channels));
                add_upsample2x(isa, from(), small, out, rows);
            }
        }
        arena.buffers[place.buffer] = written;
    }

    fn read(&self, output: &Output, arena: &Arena) -> Vec<f32> {
        let Place { buffer, length } = self.places[output.value];
        let pixel = self.steps[output.value].work.outputs();
        let pixels = arena.buffers[buffer][..length].chunks_exact(pixel);
        let values = pixels.flat_map(|pixel| &pixel[output.channels.clone()]).copied();
        if output.sigmoid {
            values.map(|value| 1.0 / (1.0 + (-value).exp())).collect()
        } else {
            values.collect()
        }
    }

    /// Whether no memory that is kept holds anything of a picture.
    pub fn is_wiped(&self) -> bool {
        let idle = self.idle();
        let clean = |arena: &Arena| {
            arena.buffers.iter().flatten().all(|value| *value == 0.0) && arena.scratch.is_wiped()
        };
        !idle.is_empty() && idle.iter().all(clean)
    }

    // A panic while the lock was held left nothing half done: a push or a pop.
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Arena>> {
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
