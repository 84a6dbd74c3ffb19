//! The machine's own clock and randomness, for a `main` to let in; nothing simulated holds one.

use jiff::Timestamp;

use crate::{Clock, Ids};

/// The machine's clock, in whole milliseconds as the virtual one.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = Timestamp::now().as_millisecond();
        Timestamp::from_millisecond(millis).expect("a timestamp's own milliseconds are in range")
    }
}

/// Uuids from the operating system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    fn uuid(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_tells_whole_milliseconds() {
        let now = SystemClock.now();
        assert_eq!(now.subsec_nanosecond() % 1_000_000, 0);
        assert!(now > "2020-01-01T00:00:00Z".parse().unwrap());
    }

    /// [IDN-1]
    #[test]
    fn idn_1_ids_are_lower_case_v4_uuids_with_hyphens_and_never_the_same() {
        let (id, other) = (RandomIds.uuid(), RandomIds.uuid());
        let parsed = uuid::Uuid::parse_str(&id).unwrap();
        assert_eq!((parsed.get_version_num(), parsed.get_variant()), (4, uuid::Variant::RFC4122));
        assert_eq!(id, parsed.hyphenated().to_string());
        assert_ne!(id, other);
    }
}
