//! Scans: every online host is asked once a day what it misses. A scan changes nothing on the host, so it needs no claim.

use jiff::{SignedDuration, Timestamp};

use crate::{InstanceId, InstanceStatus};

/// How old a host's word may be until it is asked again. An update's own report counts as much as a scan's.
pub const SCAN_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// How long an answer is waited for; then the host is left alone for the rest of the day.
pub const ANSWERED_WITHIN: SignedDuration = SignedDuration::from_hours(2);

/// So many scans at most are out at once: each is a command that SSM counts, and one that loads the mirrors.
pub const SCANS_AT_ONCE: usize = 50;

/// A host, as far as scans care.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanHost {
    /// The record.
    pub id: InstanceId,
    /// Status.
    pub status: InstanceStatus,
    /// Its layers want it asked.
    pub is_wanted: bool,
    /// When it last told how it stands.
    pub told_at: Option<Timestamp>,
    /// When it was last asked, if that stands in the store.
    pub asked_at: Option<Timestamp>,
}

/// Who is to be asked now, at most `room` of them: those that never told first, then those whose word is oldest.
pub fn due(hosts: &[ScanHost], room: usize, now: Timestamp) -> Vec<InstanceId> {
    let is_old = |at: Option<Timestamp>| at.is_none_or(|at| now.duration_since(at) >= SCAN_EVERY);
    let mut chosen: Vec<&ScanHost> = hosts
        .iter()
        .filter(|h| h.is_wanted && h.status == InstanceStatus::Online && is_old(h.told_at) && is_old(h.asked_at))
        .collect();
    chosen.sort_by(|a, b| a.told_at.cmp(&b.told_at).then_with(|| a.id.cmp(&b.id)));
    chosen.into_iter().take(room).map(|h| h.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + hour * 3_600).unwrap()
    }

    fn host(id: &str, told: Option<i64>) -> ScanHost {
        let told_at = told.map(at);
        ScanHost { id: id.into(), status: InstanceStatus::Online, is_wanted: true, told_at, asked_at: None }
    }

    #[test]
    fn an_online_host_is_asked_once_a_day() {
        let is_due = |host: ScanHost, hour| !due(&[host], 1, at(hour)).is_empty();
        assert!(is_due(host("a", None), 0));
        assert!(!is_due(host("a", Some(0)), 23) && is_due(host("a", Some(0)), 24));
        let asked = ScanHost { asked_at: Some(at(30)), ..host("a", Some(0)) };
        assert!(!is_due(asked.clone(), 53) && is_due(asked, 54), "also one that did not answer");
        assert!(!is_due(ScanHost { is_wanted: false, ..host("a", None) }, 0));
        for status in InstanceStatus::ALL {
            assert_eq!(is_due(ScanHost { status, ..host("a", None) }, 0), status == InstanceStatus::Online, "{status}");
        }
    }

    #[test]
    fn who_never_told_is_asked_first_and_never_more_than_there_is_room_for() {
        let hosts = [host("a", Some(2)), host("b", Some(1)), host("c", None), host("d", None)];
        assert_eq!(due(&hosts, 3, at(48)), ["c", "d", "b"].map(InstanceId::from));
        assert_eq!(due(&hosts, 0, at(48)), []);
    }
}
