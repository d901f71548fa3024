//! A fixed sequence of numbers, so that a failure can be run again.

/// Marsaglia's xorshift.
pub struct Numbers(u64);

impl Numbers {
    /// The sequence of a seed; any will do.
    pub fn new(seed: u64) -> Numbers {
        Numbers(seed ^ 0x2545_f491_4f6c_dd1d | 1)
    }

    /// The next number below `end`, or 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % end.max(1) as u64) as usize
    }

    /// One of these.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// Whether it happens this time, in one of `of` times.
    pub fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// Any bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}
