//! A network as a list of kernels to run, and the memory that they work in.

use std::sync::{Mutex, PoisonError};

use instored_kernels::{
    Convolution, Depthwise, Pointwise, Processor, Scratch, Size, add_doubled, max_pool, padded,
};

/// A network, for pictures of one size.
pub struct Plan {
    processor: Processor,
    steps: Vec<Step>,
    outputs: Vec<Output>,
    /// Values of each buffer; the picture is in the first.
    buffers: Vec<usize>,
    /// Memory that no run is using.
    idle: Mutex<Vec<Arena>>,
}

/// What is done, from one buffer into another.
pub struct Step {
    pub work: Work,
    pub from: usize,
    pub to: usize,
    /// The size of what is read.
    pub size: Size,
}

/// A kernel with its weights.
pub enum Work {
    Convolution(Convolution),
    Depthwise(Depthwise),
    /// With the buffer that is added.
    Pointwise(Pointwise, Option<usize>),
    MaxPool {
        channels: usize,
    },
    /// The buffer `small` is doubled and added.
    AddDoubled {
        small: usize,
        channels: usize,
    },
}

/// What is read from a buffer in the end: pixel by pixel, without what the channels are padded with.
pub struct Output {
    pub buffer: usize,
    pub pixels: usize,
    pub channels: usize,
    pub sigmoid: bool,
}

/// The memory of a run.
#[derive(Default)]
struct Arena {
    buffers: Vec<Vec<f32>>,
    scratch: Scratch,
}

impl Plan {
    /// A plan whose steps read and write `buffers` of that many values.
    pub fn new(
        processor: Processor,
        steps: Vec<Step>,
        outputs: Vec<Output>,
        buffers: Vec<usize>,
    ) -> Self {
        Self { processor, steps, outputs, buffers, idle: Mutex::default() }
    }

    /// Runs it on the picture that `fill` writes: three values a pixel. All memory that it went
    /// through is overwritten before this returns, but for what is returned.
    pub fn run(&self, fill: impl FnOnce(&mut [f32])) -> Vec<Vec<f32>> {
        let mut arena = self.idle().pop().unwrap_or_else(|| Arena {
            buffers: self.buffers.iter().map(|length| vec![0.0; *length]).collect(),
            scratch: Scratch::default(),
        });
        fill(&mut arena.buffers[0]);
        for step in &self.steps {
            self.take(step, &mut arena);
        }
        let outputs = self.outputs.iter().map(|output| output.read(&arena.buffers)).collect();
        arena.wipe();
        self.idle().push(arena);
        outputs
    }

    fn take(&self, Step { work, from, to, size }: &Step, arena: &mut Arena) {
        let (processor, size) = (self.processor, *size);
        let Arena { buffers, scratch } = arena;
        // A step never writes where it reads.
        let mut out = std::mem::take(&mut buffers[*to]);
        let from = &buffers[*from];
        match work {
            Work::Convolution(layer) => {
                let input = &from[..size.area() * layer.values()];
                layer.run(processor, size, input, &mut out[..layer.outputs(size)], scratch);
            }
            Work::Depthwise(layer) => {
                let input = &from[..size.area() * layer.channels()];
                layer.run(processor, size, input, &mut out[..layer.outputs(size)]);
            }
            Work::Pointwise(layer, residual) => {
                let length = size.area() * layer.outputs();
                let residual = residual.map(|buffer| &buffers[buffer][..length]);
                let input = &from[..size.area() * layer.inputs()];
                layer.run(processor, input, residual, &mut out[..length], scratch);
            }
            Work::MaxPool { channels } => {
                let length = size.height / 2 * (size.width / 2) * padded(*channels);
                let input = &from[..size.area() * padded(*channels)];
                max_pool(processor, size, *channels, input, &mut out[..length]);
            }
            Work::AddDoubled { small, channels } => {
                let length = size.area() * padded(*channels);
                let small = &buffers[*small][..length / 4];
                add_doubled(processor, size, *channels, &from[..length], small, &mut out[..length]);
            }
        }
        buffers[*to] = out;
    }

    /// Whether no memory that is kept holds anything of a picture.
    #[cfg(test)]
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

impl Step {
    /// The buffers that it reads.
    pub fn reads(&self) -> [Option<usize>; 2] {
        let second = match self.work {
            Work::Pointwise(_, residual) => residual,
            Work::AddDoubled { small, .. } => Some(small),
            Work::Convolution(_) | Work::Depthwise(_) | Work::MaxPool { .. } => None,
        };
        [Some(self.from), second]
    }

    /// Every buffer is to be found at the place that `places` has for it.
    pub fn relocate(&mut self, places: &[usize]) {
        self.from = places[self.from];
        self.to = places[self.to];
        match &mut self.work {
            Work::Pointwise(_, Some(second)) | Work::AddDoubled { small: second, .. } => {
                *second = places[*second];
            }
            _ => {}
        }
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

impl Output {
    fn read(&self, buffers: &[Vec<f32>]) -> Vec<f32> {
        let pixels = buffers[self.buffer].chunks_exact(padded(self.channels)).take(self.pixels);
        let values = pixels.flat_map(|pixel| &pixel[..self.channels]).copied();
        if self.sigmoid {
            values.map(|value| 1.0 / (1.0 + (-value).exp())).collect()
        } else {
            values.collect()
        }
    }
}
