//! Service errors: what they say, and how long they are kept [SVE-3] [SVE-5].

use jiff::{SignedDuration, Timestamp};

/// How long a service error is kept; it goes earlier with its stack [SVE-5].
pub const KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Whoever looks for old ones looks so often.
pub const SWEPT_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// What OpsWorks said when a stop was given up: the one message that is documented [SVE-3].
const STOP_TIMED_OUT: &str = "The shutdown of the instance timed out. Please try stopping it again.";

/// Whether one that was recorded at `created_at` is kept no longer.
pub fn is_over(created_at: Timestamp, now: Timestamp) -> bool {
    now.duration_since(created_at) >= KEPT
}

/// The message of an error of this type; `why` is a sentence without a full stop [SVE-4].
///
/// Our choice: of a stop that has failed it is the documented text, which tools look for; what was in its way stands in the decision and the page.
pub fn message(error_type: &str, why: &str) -> String {
    match error_type {
        "InstanceStop" => STOP_TIMED_OUT.to_owned(),
        _ => format!("{why}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [SVE-5]
    #[test]
    fn sve_5_an_error_is_kept_for_ninety_days() {
        let made: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (now, over) in [("2026-01-01T00:00:00Z", false), ("2026-03-31T23:59:59Z", false), ("2026-04-01T00:00:00Z", true)] {
            assert_eq!(is_over(made, now.parse().unwrap()), over, "{now}");
        }
    }

    /// [SVE-3]
    #[test]
    fn sve_3_a_stop_that_timed_out_says_what_is_documented_and_others_say_why() {
        let documented = "The shutdown of the instance timed out. Please try stopping it again.";
        assert_eq!(message("InstanceStop", "EC2 did not take the machine down, though forced"), documented);
        assert_eq!(message("InstanceStart", "EC2 refused it"), "EC2 refused it.");
    }
}
