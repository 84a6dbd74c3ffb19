//! Deadlines stand still while the mode keeps anything from being done: a drain that a freeze outlasts is not over at the thaw, and a start
//! that may not set its machine up has not failed.

use jiff::SignedDuration;

use super::{Look, Step};
use crate::model::{Care, Instance};

/// Writes down that the clocks stop or go on, when the mode has changed.
pub(super) fn stop_or_go(x: &Look<'_>) -> Option<Step> {
    if !x.record.status.has_deadlines() {
        return None;
    }
    let (care, why) = match (x.rules.mode_permits, x.record.care.frozen_since) {
        (false, None) => {
            (Care { frozen_since: Some(x.now), ..x.record.care.clone() }, "the mode lets nothing be done; its time stands still")
        }
        (true, Some(_)) => {
            let frozen_seconds = x.frozen().as_secs();
            let care = Care { frozen_since: None, frozen_seconds, ..x.record.care.clone() };
            (care, "the mode lets it go on; so does its time")
        }
        (true, None) | (false, Some(_)) => return None,
    };
    Some(Step::note(Instance { care, ..x.record.clone() }, why))
}

impl Look<'_> {
    /// For how long the clocks of the present status have stood still.
    pub(super) fn frozen(&self) -> SignedDuration {
        let care = &self.record.care;
        let now = care.frozen_since.map_or(SignedDuration::ZERO, |since| self.now.duration_since(since));
        SignedDuration::from_secs(care.frozen_seconds).saturating_add(now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{at, record};
    use super::super::{Observed, Rules, next};
    use super::*;
    use crate::InstanceStatus;

    fn step(care: Care, mode_permits: bool, now: i64) -> Step {
        let record = Instance { care, ..record(InstanceStatus::Booting) };
        next(&record, &Observed::nothing(), &Rules { mode_permits, ..Rules::default() }, at(now))
    }

    #[test]
    fn the_clocks_stop_when_the_mode_forbids_and_go_on_when_it_permits() {
        let Step::Note { record, .. } = step(Care::default(), false, 100) else { panic!("not noted") };
        assert_eq!(record.care, Care { frozen_since: Some(at(100)), ..Care::default() });
        let frozen = Care { frozen_since: Some(at(100)), frozen_seconds: 30, ..Care::default() };
        assert!(matches!(step(frozen.clone(), false, 5_000), Step::Wait { .. }), "noted once, and no deadline passes");
        let Step::Note { record, .. } = step(frozen, true, 5_000) else { panic!("not noted") };
        assert_eq!(record.care, Care { frozen_seconds: 4_930, ..Care::default() });
    }

    #[test]
    fn a_deadline_comes_later_by_as_long_as_the_clocks_stood_still() {
        for (frozen_seconds, now, is_over) in [(0, 1_199, false), (0, 1_200, true), (500, 1_699, false), (500, 1_700, true)] {
            let found = step(Care { frozen_seconds, ..Care::default() }, true, now);
            assert_eq!(matches!(found, Step::Move { .. }), is_over, "{frozen_seconds} {now}: {found:?}");
        }
    }

    #[test]
    fn a_host_in_service_has_no_clock_to_stop() {
        let online = record(InstanceStatus::Online);
        let rules = Rules { mode_permits: false, ..Rules::default() };
        assert!(!matches!(next(&online, &Observed::nothing(), &rules, at(5)), Step::Note { .. }));
    }
}
