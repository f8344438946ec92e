//! Pictures of which memory holds all rows, or only the newest.

use std::ops::Range;

use crate::Size;

/// How the rows of a picture lie in memory: row `y` at the place `y % kept`. Where fewer are kept than
/// the picture has, newer rows have taken the places of older ones.
#[derive(Clone, Copy, Debug)]
struct Layout {
    size: Size,
    /// Values of a row.
    row: usize,
    kept: usize,
}

/// A picture to be read.
#[derive(Clone, Copy, Debug)]
pub struct RowBuffer<'a> {
    layout: Layout,
    values: &'a [f32],
}

/// A picture to be written.
#[derive(Debug)]
pub struct RowBufferMut<'a> {
    layout: Layout,
    values: &'a mut [f32],
}

impl Layout {
    fn new(size: Size, pixel: usize, length: usize) -> Self {
        let row = size.width * pixel;
        assert!(row > 0 && length.is_multiple_of(row), "{length} values in rows of {row}");
        Self { size, row, kept: length / row }
    }

    fn row(&self, y: usize) -> Range<usize> {
        let from = y % self.kept * self.row;
        from..from + self.row
    }

    /// As many of `rows`, from the first on, as lie together.
    fn together(&self, rows: &Range<usize>) -> usize {
        rows.len().min(self.kept - rows.start % self.kept)
    }
}

impl<'a> RowBuffer<'a> {
    /// A picture of `size` with `pixel` values a pixel; `values` are those of the rows that are kept.
    ///
    /// # Panics
    /// When they are not whole rows.
    pub fn new(size: Size, pixel: usize, values: &'a [f32]) -> Self {
        Self { layout: Layout::new(size, pixel, values.len()), values }
    }

    pub(crate) fn size(&self) -> Size {
        self.layout.size
    }

    /// Values of a pixel.
    pub(crate) fn pixel(&self) -> usize {
        self.layout.row / self.layout.size.width
    }

    pub(crate) fn row(&self, y: usize) -> &'a [f32] {
        &self.values[self.layout.row(y)]
    }

    /// As [`row`](Self::row), of several that lie together.
    pub(crate) fn several(&self, rows: &Range<usize>) -> &'a [f32] {
        &self.values[self.layout.row(rows.start).start..][..rows.len() * self.layout.row]
    }

    /// As many of `rows`, from the first on, as lie together.
    pub(crate) fn together(&self, rows: &Range<usize>) -> usize {
        self.layout.together(rows)
    }
}

impl<'a> RowBufferMut<'a> {
    /// As [`RowBuffer::new`].
    ///
    /// # Panics
    /// When they are not whole rows.
    pub fn new(size: Size, pixel: usize, values: &'a mut [f32]) -> Self {
        Self { layout: Layout::new(size, pixel, values.len()), values }
    }

    pub(crate) fn size(&self) -> Size {
        self.layout.size
    }

    /// Values of a pixel.
    pub(crate) fn pixel(&self) -> usize {
        self.layout.row / self.layout.size.width
    }

    pub(crate) fn row(&mut self, y: usize) -> &mut [f32] {
        &mut self.values[self.layout.row(y)]
    }

    /// As [`row`](Self::row), of several that lie together.
    pub(crate) fn several(&mut self, rows: &Range<usize>) -> &mut [f32] {
        &mut self.values[self.layout.row(rows.start).start..][..rows.len() * self.layout.row]
    }

    /// As many of `rows`, from the first on, as lie together.
    pub(crate) fn together(&self, rows: &Range<usize>) -> usize {
        self.layout.together(rows)
    }
}
