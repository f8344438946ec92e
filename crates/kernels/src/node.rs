//! Nodes of a network: an operator and its inputs.

use std::ops::Range;

use crate::{Convolution, Depthwise, Pointwise, Size, Window, padded};

/// Operator with its inputs. The number of a node is also the number of the tensor that it computes.
#[derive(Debug)]
pub struct Node {
    /// Operator.
    pub op: Op,
    /// Number of the input tensor. [`Op::Input`] ignores it.
    pub input: usize,
    /// Size of the input tensor.
    pub input_size: Size,
}

/// Operator with its weights.
#[derive(Debug)]
pub enum Op {
    /// Picture that is passed to [`Plan::run`](crate::Plan::run), with this number of values per pixel.
    /// Only the first node has this operator.
    Input(usize),
    /// Convolution over all channels.
    Convolution(Convolution),
    /// Convolution of each channel with its own kernel.
    Depthwise(Depthwise),
    /// 1 × 1 convolution, with the number of the tensor that is added after the activation.
    Pointwise(Pointwise, Option<usize>),
    /// Maximum of each block of 2 × 2 pixels, for this number of channels.
    MaxPool(usize),
    /// Sum of the input and the tensor `small`, which is upsampled to twice its size.
    AddUpsample2x {
        /// Number of a tensor with half the height and width of the input.
        small: usize,
        /// Number of channels of both tensors.
        channels: usize,
    },
}

/// Output of a network: a range of a tensor's channels, returned pixel by pixel.
#[derive(Debug)]
pub struct Output {
    /// Number of the tensor.
    pub tensor: usize,
    /// Range of channels.
    pub channels: Range<usize>,
    /// True if the logistic function is applied to each value.
    pub has_sigmoid: bool,
}

impl Node {
    /// Returns the numbers of the tensors that the node reads.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = usize> {
        let (first, second) = match self.op {
            Op::Input(_) => (None, None),
            Op::Pointwise(_, residual) => (Some(self.input), residual),
            Op::AddUpsample2x { small, .. } => (Some(self.input), Some(small)),
            Op::Convolution(_) | Op::Depthwise(_) | Op::MaxPool(_) => (Some(self.input), None),
        };
        first.into_iter().chain(second)
    }

    /// Returns the size of the tensor that the node computes.
    ///
    /// # Panics
    /// If the window does not fit into the input.
    pub fn output_size(&self) -> Size {
        self.op.window().output_size(self.input_size).expect("the window fits into the input")
    }
}

impl Op {
    /// Returns the window of input pixels that an output pixel depends on.
    pub(crate) fn window(&self) -> Window {
        match self {
            Self::Convolution(layer) => layer.window(),
            Self::Depthwise(layer) => layer.window(),
            Self::MaxPool(_) => Window { side: 2, stride: 2, pad: 0 },
            Self::Input(_) | Self::Pointwise(..) | Self::AddUpsample2x { .. } => Window::POINTWISE,
        }
    }

    /// Returns the number of values per pixel of the input tensor, padding included.
    pub(crate) fn input_stride(&self) -> usize {
        match self {
            Self::Input(_) => 0,
            Self::Convolution(layer) => layer.input_stride(),
            Self::Pointwise(layer, _) => layer.input_stride(),
            Self::Depthwise(_) | Self::MaxPool(_) | Self::AddUpsample2x { .. } => {
                self.output_stride()
            }
        }
    }

    /// Returns the number of values per pixel of the output tensor, padding included.
    pub(crate) fn output_stride(&self) -> usize {
        match self {
            Self::Input(values) => *values,
            Self::Convolution(layer) => layer.output_stride(),
            Self::Depthwise(layer) => layer.pixel_stride(),
            Self::Pointwise(layer, _) => layer.output_stride(),
            Self::MaxPool(channels) | Self::AddUpsample2x { channels, .. } => padded(*channels),
        }
    }
}
