//! Memory and threads of one step, and what happens when they do not suffice.

/// What one step may use; `run` divides the whole among the steps that run together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Bytes for sorts, joins and groups; beyond them sorts and groups spill to disk.
    pub memory: u64,
    /// Streams a plan may have.
    pub threads: usize,
}

impl Share {
    /// One of `steps` equal parts, never without a thread.
    #[must_use]
    pub fn divided(self, steps: usize) -> Self {
        let steps = steps.max(1);
        let memory = self.memory / u64::try_from(steps).unwrap_or(u64::MAX);
        Self { memory, threads: (self.threads / steps).max(1) }
    }
}

/// How a step is planned: as a rule, or after it ran out of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// Hash joins, all streams.
    Usual,
    /// Sort-merge joins, which spill, and fewer streams, which each hold less.
    Frugal,
}

impl Effort {
    pub(super) fn streams(self, share: Share) -> usize {
        match self {
            Self::Usual => share.threads.max(1),
            Self::Frugal => (share.threads / 4).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn a_share_keeps_a_thread_however_often_it_is_divided() {
        let whole = Share { memory: 1000, threads: 2 };
        assert_eq!(whole.divided(4), Share { memory: 250, threads: 1 });
        assert_eq!(whole.divided(0), whole);
    }
}
