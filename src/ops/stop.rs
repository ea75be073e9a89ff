//! A request to stop, while nothing is written yet: the work is let go of at once.

use super::{Error, Surroundings};

/// Does `work`, unless somebody asks to stop before it has ended.
///
/// # Errors
///
/// Returns what `work` returns, and [`Error::stopped`].
pub(super) async fn unless_stopped<T>(
    around: &Surroundings,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut stop = around.stop.clone();
    tokio::select! {
        ended = work => ended,
        Ok(_) = stop.wait_for(|stop| *stop) => Err(Error::stopped()),
    }
}
