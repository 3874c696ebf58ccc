//! Trying again, with longer and longer waits.

use std::thread::sleep;
use std::time::Duration;

/// How often a request is tried and how long is waited between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// At least one.
    pub attempts: u32,
    /// Before the second attempt; doubled for each further one.
    pub first_wait: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_wait: Duration::from_millis(500),
        }
    }
}

impl Retry {
    /// Runs `attempt` until it succeeds, fails for good, or was tried often enough.
    pub fn run<T, E>(
        self,
        is_transient: impl Fn(&E) -> bool,
        mut attempt: impl FnMut() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut wait = self.first_wait;
        for _ in 1..self.attempts {
            match attempt() {
                Err(error) if is_transient(&error) => sleep(wait),
                result => return result,
            }
            wait = wait.saturating_mul(2);
        }
        attempt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tries(retry: Retry, transient: bool, succeeds_at: u32) -> (u32, bool) {
        let mut tried = 0;
        let result = retry.run(
            |(): &()| transient,
            || {
                tried += 1;
                if tried == succeeds_at {
                    Ok(())
                } else {
                    Err(())
                }
            },
        );
        (tried, result.is_ok())
    }

    #[test]
    fn stops_at_success_at_the_last_attempt_and_at_what_stays_wrong() {
        let retry = Retry {
            attempts: 3,
            first_wait: Duration::ZERO,
        };
        assert_eq!(tries(retry, true, 1), (1, true));
        assert_eq!(tries(retry, true, 3), (3, true));
        assert_eq!(tries(retry, true, 9), (3, false));
        assert_eq!(tries(retry, false, 9), (1, false));
    }
}
