//! Waits between tries, longer each time, until patience ends.

use std::time::Duration;

use tokio::time::Instant;

/// The first wait; each is twice the one before.
const FIRST_WAIT: Duration = Duration::from_millis(50);

/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long something is tried.
#[derive(Debug)]
pub(super) struct Patience {
    end: Instant,
    wait: Duration,
}

impl Patience {
    /// Patience for `time`, from now on.
    #[expect(clippy::disallowed_methods, reason = "no result depends on how long somebody waits")]
    pub(super) fn of(time: Duration) -> Self {
        Self { end: Instant::now() + time, wait: FIRST_WAIT }
    }

    /// Waits for another try; `false` at once if patience has ended.
    #[expect(clippy::disallowed_methods, reason = "no result depends on how long somebody waits")]
    pub(super) async fn once_more(&mut self) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        true
    }
}
