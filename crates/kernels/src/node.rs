//! What a network is made of: steps, each with its kernel.

use std::ops::Range;

use crate::{Convolution, Depthwise, Pointwise, Size, Window, padded};

/// The making of one value.
#[derive(Debug)]
pub struct Node {
    /// How.
    pub work: Op,
    /// From which value: that of the step of this number.
    pub from: usize,
    /// The size of what is read.
    pub size: Size,
}

/// A kernel with its weights.
#[derive(Debug)]
pub enum Op {
    /// The picture itself, of so many values a pixel, from outside. Only the first step is one.
    Picture(usize),
    /// A convolution over all channels.
    Convolution(Convolution),
    /// A convolution of each channel.
    Depthwise(Depthwise),
    /// A 1 × 1 convolution, with the value that is added.
    Pointwise(Pointwise, Option<usize>),
    /// The largest of each two by two pixels of so many channels.
    MaxPool(usize),
    /// The value `small` is doubled and added.
    AddUpsample2x {
        /// Half as high and half as wide.
        small: usize,
        /// Channels of both.
        channels: usize,
    },
}

/// What is read from a value in the end: pixel by pixel, some of its channels.
#[derive(Debug)]
pub struct Output {
    /// The value.
    pub value: usize,
    /// The channels.
    pub channels: Range<usize>,
    /// Whether each number is put through the logistic function.
    pub sigmoid: bool,
}

impl Node {
    /// The values that it reads.
    pub(crate) fn reads(&self) -> impl Iterator<Item = usize> {
        let (first, second) = match self.work {
            Op::Picture(_) => (None, None),
            Op::Pointwise(_, residual) => (Some(self.from), residual),
            Op::AddUpsample2x { small, .. } => (Some(self.from), Some(small)),
            Op::Convolution(_) | Op::Depthwise(_) | Op::MaxPool(_) => (Some(self.from), None),
        };
        first.into_iter().chain(second)
    }

    /// The size of what is made.
    pub fn output(&self) -> Size {
        self.work.window().output(self.size).expect("a plan has only windows that fit")
    }
}

impl Op {
    /// The pixels that one of the value is made of.
    pub(crate) fn window(&self) -> Window {
        match self {
            Self::Convolution(layer) => layer.window(),
            Self::Depthwise(layer) => layer.window(),
            Self::MaxPool(_) => Window { side: 2, stride: 2, pad: 0 },
            Self::Picture(_) | Self::Pointwise(..) | Self::AddUpsample2x { .. } => {
                Window { side: 1, stride: 1, pad: 0 }
            }
        }
    }

    /// Values of a pixel that it reads.
    pub(crate) fn inputs(&self) -> usize {
        match self {
            Self::Picture(_) => 0,
            Self::Convolution(layer) => layer.pixel(),
            Self::Pointwise(layer, _) => layer.inputs(),
            Self::Depthwise(_) | Self::MaxPool(_) | Self::AddUpsample2x { .. } => self.outputs(),
        }
    }

    /// Values of a pixel that it makes.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::Picture(values) => *values,
            Self::Convolution(layer) => layer.outputs(),
            Self::Depthwise(layer) => layer.channels(),
            Self::Pointwise(layer, _) => layer.outputs(),
            Self::MaxPool(channels) | Self::AddUpsample2x { channels, .. } => padded(*channels),
        }
    }
}
