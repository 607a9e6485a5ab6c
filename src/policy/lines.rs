//! Tables made of 64-byte lines, each inside one cache line, so that a key costs one memory access.
//!
//! `vec![zero; n]` asks the system for zeroed pages, which cost nothing until they are touched; it does not
//! align them, and a line type with its own alignment would not be zeroed lazily. So the first
//! line starts where the alignment says, inside a vector that is a little longer.

/// Zeroed lines of `N` words `W`; `N * size_of::<W>()` is 64.
#[derive(Debug)]
pub(super) struct Lines<W, const N: usize> {
    words: Vec<W>,
    /// The position of the first line in `words`; below `N`.
    start: usize,
    len: usize,
}

impl<W: Copy + Default, const N: usize> Lines<W, N> {
    /// `len` zeroed lines.
    pub(super) fn zeroed(len: usize) -> Self {
        const { assert!(N * size_of::<W>() == 64, "a line is 64 bytes") };
        let words = vec![W::default(); len * N + N - 1];
        let start = words.as_ptr().align_offset(64).min(N - 1);
        Self { words, start, len }
    }

    /// Lines of `len` words, a multiple of `N`.
    pub(super) fn collect(words: impl Iterator<Item = W>, len: usize) -> Self {
        let mut lines = Self::zeroed(len / N);
        lines.all_mut().as_flattened_mut().iter_mut().zip(words).for_each(|(to, word)| *to = word);
        lines
    }

    /// The number of lines.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Line `at`, below [`len`](Self::len).
    #[inline]
    pub(super) fn line(&self, at: usize) -> &[W; N] {
        &self.words[self.start..].as_chunks().0[at]
    }

    /// Line `at`, to change it.
    #[inline]
    pub(super) fn line_mut(&mut self, at: usize) -> &mut [W; N] {
        &mut self.words[self.start..].as_chunks_mut().0[at]
    }

    /// Every line in order.
    #[inline]
    pub(super) fn all(&self) -> &[[W; N]] {
        self.words[self.start..self.start + self.len * N].as_chunks().0
    }

    /// Every line in order, to change them.
    #[inline]
    pub(super) fn all_mut(&mut self) -> &mut [[W; N]] {
        self.words[self.start..self.start + self.len * N].as_chunks_mut().0
    }

    /// Twice as many lines; the second half repeats the first. Where lines are addressed by the low bits
    /// of a hash, every key finds what it left, whichever half it now belongs to.
    pub(super) fn double(&mut self) {
        let mut doubled = Self::zeroed(self.len * 2);
        let (first, second) = doubled.all_mut().split_at_mut(self.len);
        first.copy_from_slice(self.all());
        second.copy_from_slice(self.all());
        *self = doubled;
    }

    /// Half as many lines, each made of the two whose keys it serves from now on. There are at least two.
    pub(super) fn halve(&mut self, merge: impl Fn(W, W) -> W) {
        let mut halved = Self::zeroed(self.len / 2);
        let (first, second) = self.all().split_at(self.len / 2);
        for ((line, one), other) in halved.all_mut().iter_mut().zip(first).zip(second) {
            *line = std::array::from_fn(|at| merge(one[at], other[at]));
        }
        *self = halved;
    }

    /// Bytes of heap memory held.
    pub(super) fn memory(&self) -> usize {
        self.words.capacity() * size_of::<W>()
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn lines_are_aligned_and_doubling_repeats_them() {
        let mut lines = Lines::<u32, 16>::zeroed(3);
        for at in 0..3 {
            lines.line_mut(at)[15] = at as u32 + 1;
        }
        lines.double();
        assert_eq!(lines.len(), 6);
        let lasts: Vec<u32> = lines.all().iter().map(|line| line[15]).collect();
        assert_eq!(lasts, [1, 2, 3, 1, 2, 3]);
        assert_eq!(lines.line(0).as_ptr() as usize % 64, 0);
    }
}
