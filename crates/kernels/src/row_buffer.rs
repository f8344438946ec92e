//! Tensors that keep all rows in memory, or only the newest rows in a ring buffer.

use std::ops::Range;

use crate::Size;

/// Positions of rows in memory: row `y` is at position `y % capacity`.
#[derive(Clone, Copy, Debug)]
struct RowLayout {
    size: Size,
    /// Number of values of a row.
    row_len: usize,
    /// Number of rows in memory.
    capacity: usize,
}

/// Tensor for reading.
#[derive(Clone, Copy, Debug)]
pub struct RowBuffer<'a> {
    layout: RowLayout,
    values: &'a [f32],
}

/// Tensor for writing.
#[derive(Debug)]
pub struct RowBufferMut<'a> {
    layout: RowLayout,
    values: &'a mut [f32],
}

impl RowLayout {
    fn new(size: Size, pixel_stride: usize, length: usize) -> Self {
        let row_len = size.width * pixel_stride;
        assert!(
            row_len > 0 && length.is_multiple_of(row_len),
            "{length} values are not whole rows of {row_len}"
        );
        Self { size, row_len, capacity: length / row_len }
    }

    fn pixel_stride(&self) -> usize {
        self.row_len / self.size.width
    }

    fn row(&self, y: usize) -> Range<usize> {
        let start = y % self.capacity * self.row_len;
        start..start + self.row_len
    }

    fn rows(&self, rows: &Range<usize>) -> Range<usize> {
        let start = self.row(rows.start).start;
        start..start + rows.len() * self.row_len
    }

    fn contiguous_count(&self, rows: &Range<usize>) -> usize {
        rows.len().min(self.capacity - rows.start % self.capacity)
    }
}

impl<'a> RowBuffer<'a> {
    /// Creates a tensor of `size` with `pixel_stride` values per pixel. `values` are the rows that
    /// are in memory.
    ///
    /// # Panics
    /// If the length of `values` is not a multiple of the row length.
    pub fn new(size: Size, pixel_stride: usize, values: &'a [f32]) -> Self {
        Self { layout: RowLayout::new(size, pixel_stride, values.len()), values }
    }

    /// Returns the size of the whole tensor.
    pub(crate) fn size(&self) -> Size {
        self.layout.size
    }

    /// Returns the number of values per pixel.
    pub(crate) fn pixel_stride(&self) -> usize {
        self.layout.pixel_stride()
    }

    /// Returns row `y`.
    pub(crate) fn row(&self, y: usize) -> &'a [f32] {
        &self.values[self.layout.row(y)]
    }

    /// Returns several rows, which must be [contiguous](Self::contiguous_count).
    pub(crate) fn rows(&self, rows: &Range<usize>) -> &'a [f32] {
        &self.values[self.layout.rows(rows)]
    }

    /// Returns the number of `rows` that are contiguous in memory, counted from the first.
    pub(crate) fn contiguous_count(&self, rows: &Range<usize>) -> usize {
        self.layout.contiguous_count(rows)
    }
}

impl<'a> RowBufferMut<'a> {
    /// Creates a tensor for writing; see [`RowBuffer::new`].
    ///
    /// # Panics
    /// If the length of `values` is not a multiple of the row length.
    pub fn new(size: Size, pixel_stride: usize, values: &'a mut [f32]) -> Self {
        Self { layout: RowLayout::new(size, pixel_stride, values.len()), values }
    }

    /// Returns the size of the whole tensor.
    pub(crate) fn size(&self) -> Size {
        self.layout.size
    }

    /// Returns the number of values per pixel.
    pub(crate) fn pixel_stride(&self) -> usize {
        self.layout.pixel_stride()
    }

    /// Returns row `y`.
    pub(crate) fn row(&mut self, y: usize) -> &mut [f32] {
        &mut self.values[self.layout.row(y)]
    }

    /// Returns several rows, which must be [contiguous](Self::contiguous_count).
    pub(crate) fn rows(&mut self, rows: &Range<usize>) -> &mut [f32] {
        &mut self.values[self.layout.rows(rows)]
    }

    /// Returns the number of `rows` that are contiguous in memory, counted from the first.
    pub(crate) fn contiguous_count(&self, rows: &Range<usize>) -> usize {
        self.layout.contiguous_count(rows)
    }
}
