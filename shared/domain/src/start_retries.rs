//! When a scaler tries a failed start again: soon, and then ever less often.

use jiff::{SignedDuration, Timestamp};

/// Minutes from an attempt to the next one; the last holds for all further ones.
const MINUTES: [i64; 5] = [1, 2, 4, 8, 10];

/// The longest wait between two attempts.
pub const LONGEST: SignedDuration = SignedDuration::from_mins(10);

/// When a start that failed is tried again.
///
/// `attempted_at` is when it was asked for; `failed_before` counts the starts right before it that failed as well. Our choice: 1, 2, 4, 8 and
/// then 10 minutes, counted from the attempt, so that one that took long to fail is tried again at once [TIME-11].
pub fn retry_at(attempted_at: Timestamp, failed_before: u32) -> Timestamp {
    let step = usize::try_from(failed_before).unwrap_or(usize::MAX).min(MINUTES.len() - 1);
    let wait = MINUTES.get(step).map_or(LONGEST, |minutes| SignedDuration::from_mins(*minutes));
    attempted_at.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [TIME-11]
    #[test]
    fn time_11_the_waits_double_up_to_ten_minutes() {
        let at = Timestamp::from_second(1_000).unwrap();
        for (failed, minutes) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 10), (5, 10), (u32::MAX, 10)] {
            assert_eq!(retry_at(at, failed).duration_since(at), SignedDuration::from_mins(minutes), "{failed}");
        }
        assert_eq!(retry_at(Timestamp::MAX, 0), Timestamp::MAX);
    }
}
