//! What a replay came to: minutes under and over capacity, hours paid for, events, flaps.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use strata_domain::load_based::Direction;

/// Two events in opposite directions within this time are a flap.
const FLAP_WITHIN: SignedDuration = SignedDuration::from_mins(30);
/// So many hosts more than the demand wants are a reserve; more are idle.
const RESERVE: f64 = 1.0;

/// One minute of a replay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minute {
    /// When it begins.
    pub at: Timestamp,
    /// Demand in servers; `None` in a gap of the metrics.
    pub demand: Option<f64>,
    /// Hosts in service.
    pub capacity: f64,
    /// Hosts that are paid for: all that are not stopped.
    pub billed: usize,
    /// The scaling event that it brought, if any.
    pub event: Option<Direction>,
}

/// The sums over a replay.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measures {
    /// Minutes with data.
    pub measured: u64,
    /// Minutes without.
    pub gaps: u64,
    /// Minutes in which the demand was greater than the hosts in service.
    pub minutes_under: u64,
    /// Server-hours that were missing in them.
    pub server_hours_missing: f64,
    /// Minutes in which more than one host was idle.
    pub minutes_over: u64,
    /// Host-hours that were idle, beyond the demand.
    pub idle_hours: f64,
    /// Host-hours paid for.
    pub instance_hours: f64,
    /// Load-based scaling events.
    pub events: u64,
    /// Events that undid the one before within half an hour.
    pub flaps: u64,
    /// The most hosts in service at once.
    pub peak_capacity: f64,
    /// Every minute, for the chart.
    #[serde(skip)]
    pub minutes: Vec<Minute>,
    #[serde(skip)]
    last_event: Option<(Timestamp, Direction)>,
}

impl Measures {
    /// Adds a minute.
    pub fn take(&mut self, minute: Minute) {
        const HOUR: f64 = 60.0;
        match minute.demand {
            None => self.gaps += 1,
            Some(demand) => {
                self.measured += 1;
                let spare = minute.capacity - demand;
                self.minutes_under += u64::from(spare < 0.0);
                self.server_hours_missing += (-spare).max(0.0) / HOUR;
                self.minutes_over += u64::from(spare > RESERVE);
                self.idle_hours += spare.max(0.0) / HOUR;
            }
        }
        self.instance_hours += f64::from(u32::try_from(minute.billed).unwrap_or(u32::MAX)) / HOUR;
        self.peak_capacity = self.peak_capacity.max(minute.capacity);
        if let Some(direction) = minute.event {
            self.events += 1;
            let undoes =
                |(at, before): (Timestamp, Direction)| before != direction && minute.at.duration_since(at) <= FLAP_WITHIN;
            self.flaps += u64::from(self.last_event.is_some_and(undoes));
            self.last_event = Some((minute.at, direction));
        }
        self.minutes.push(minute);
    }

    /// What the hosts cost at a price per hour.
    pub fn cost(&self, price: f64) -> f64 {
        self.instance_hours * price
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(n: i64, demand: Option<f64>, capacity: f64, event: Option<Direction>) -> Minute {
        Minute { at: Timestamp::from_second(n * 60).unwrap(), demand, capacity, billed: 6, event }
    }

    #[test]
    fn under_is_more_demand_than_hosts_and_over_more_than_one_idle_host() {
        for (demand, capacity, under, over) in
            [(3.0, 3.0, 0, 0), (3.001, 3.0, 1, 0), (3.0, 4.0, 0, 0), (2.999, 4.0, 0, 1), (0.0, 0.0, 0, 0)]
        {
            let mut measures = Measures::default();
            measures.take(minute(0, Some(demand), capacity, None));
            assert_eq!((measures.minutes_under, measures.minutes_over), (under, over), "{demand} on {capacity}");
        }
    }

    #[test]
    fn hours_are_sums_of_minutes_and_a_gap_is_paid_for_but_not_judged() {
        let mut measures = Measures::default();
        for n in 0..30 {
            measures.take(minute(n, Some(5.0), 3.0, None));
        }
        for n in 30..60 {
            measures.take(minute(n, None, 3.0, None));
        }
        assert!((measures.server_hours_missing - 1.0).abs() < 1e-9 && (measures.instance_hours - 6.0).abs() < 1e-9);
        assert_eq!((measures.measured, measures.gaps, measures.minutes_under), (30, 30, 30));
        assert!((measures.cost(0.5) - 3.0).abs() < 1e-9);
    }

    #[test]
    fn an_event_that_undoes_the_last_within_half_an_hour_is_a_flap() {
        for (second, direction, flaps) in [(30, Direction::Down, 1), (31, Direction::Down, 0), (5, Direction::Up, 0)] {
            let mut measures = Measures::default();
            measures.take(minute(0, Some(1.0), 1.0, Some(Direction::Up)));
            measures.take(minute(second, Some(1.0), 1.0, Some(direction)));
            assert_eq!((measures.events, measures.flaps), (2, flaps), "{second} {direction:?}");
        }
    }
}
