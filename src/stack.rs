//! Work that recurses deeply, on a thread of its own: threads have stacks of 2 MiB by default,
//! and a process whose stack overflows is dead.

use std::thread;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The work panicked.
    #[error("it panicked")]
    Panicked,
    /// The machine gave no thread.
    #[error("no thread could be started")]
    NoThread,
}

/// Does `work` with a stack of `bytes`; only what is used of them is ever allocated.
///
/// # Errors
///
/// Returns why there is no result.
pub fn deep<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> Result<T, Lost> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(bytes).spawn_scoped(scope, work);
        thread.map_err(|_| Lost::NoThread)?.join().map_err(|_| Lost::Panicked)
    })
}

#[cfg(test)]
mod tests {
    use super::deep;

    /// Some 60 MiB of frames.
    fn sum_to(number: u64) -> u64 {
        let frame = std::hint::black_box([number; 64]);
        if number == 0 { 0 } else { frame[0] + sum_to(number - 1) }
    }

    #[test]
    fn deep_work_returns_what_it_computed() {
        assert_eq!(deep(512 * 1024 * 1024, || sum_to(100_000)), Ok(5_000_050_000));
    }
}
