//! Lead time: how early an instance is started, so that it is online when its hour begins.

use jiff::SignedDuration;

use crate::model::Instance;

/// No start is asked for earlier than this, whatever is set or measured.
pub const MOST_LEAD: SignedDuration = SignedDuration::from_mins(60);
/// What `measured` means while no start of the layer has been measured.
///
/// Our choice: a machine boots and is set up in some minutes; half of what a boot may last at most [INST-14].
pub const UNMEASURED_LEAD: SignedDuration = SignedDuration::from_mins(10);
const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// How long the record's last start took, from StartInstance to `online`.
///
/// `None` if it did not come to be online, or that was a heal's work, or took longer than any lead may be.
pub fn time_to_online(record: &Instance) -> Option<SignedDuration> {
    let started_at = record.started_at?;
    let took = record.online_since?.duration_since(started_at);
    let was_healed = record.heals.iter().any(|heal| *heal >= started_at);
    (took.is_positive() && took <= MOST_LEAD && !was_healed).then_some(took)
}

/// The lead that a layer's last starts ask for: their median, rounded up to a minute, and one more for the tick, which comes once a minute.
/// Of an even number the slower of the two in the middle counts.
pub fn measured_lead(took: impl IntoIterator<Item = SignedDuration>) -> SignedDuration {
    let mut took: Vec<SignedDuration> = took.into_iter().collect();
    took.sort_unstable();
    let Some(median) = took.get(took.len() / 2) else { return UNMEASURED_LEAD };
    let minutes = median.as_mins().max(0) + i64::from(*median > SignedDuration::from_mins(median.as_mins()));
    (SignedDuration::from_mins(minutes) + A_MINUTE).min(MOST_LEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measured_lead_is_the_median_start_in_whole_minutes_and_one_for_the_tick() {
        for (took, minutes) in [
            (&[][..], 10),
            (&[1], 2),
            (&[60], 2),
            (&[61], 3),
            (&[180, 240, 3_000], 5),
            (&[240, 180, 300, 3_000], 6),
            (&[3_599], 60),
            (&[3_600], 60),
        ] {
            let lead = measured_lead(took.iter().map(|secs| SignedDuration::from_secs(*secs)));
            assert_eq!(lead, SignedDuration::from_mins(minutes), "{took:?}");
        }
    }
}
