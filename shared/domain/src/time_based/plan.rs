//! What a layer's `"strata".time_scaling` makes of its schedules: [`Plan`], and a [`Moment`] of it that all its instances are asked at.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::WeeklySchedule;
use super::calendar::{Calendar, DatedHour, parse_date, zone};
use super::lead::{MOST_LEAD, measured_lead};
use crate::settings::time_scaling::{LeadMinutes, TimeScalingSettings};

/// The calendar of a layer's schedules, and how early their instances are started. The default is OpsWorks' own: UTC, no exception, no lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Whose hours.
    pub calendar: Calendar,
    /// How early; zero for not at all.
    pub lead: SignedDuration,
}

impl Plan {
    /// What a layer's settings over its stack's make. `took` are the layer's last times to online, for a lead that is `measured`.
    ///
    /// The settings were checked when they were written; a zone or date that cannot be read all the same counts as not set.
    pub fn of(layer: &TimeScalingSettings, stack: &TimeScalingSettings, took: impl IntoIterator<Item = SignedDuration>) -> Self {
        let name = layer.time_zone.as_ref().or(stack.time_zone.as_ref());
        let zone = name.and_then(|name| zone(name).ok()).unwrap_or(TimeZone::UTC);
        let dates: BTreeMap<_, _> = stack
            .dates
            .iter()
            .chain(&layer.dates)
            .filter_map(|(date, hours)| Some((parse_date(date)?, hours.change())))
            .collect();
        let lead = match layer.lead_minutes.or(stack.lead_minutes) {
            None => SignedDuration::ZERO,
            Some(LeadMinutes::Fixed(minutes)) => SignedDuration::from_mins(minutes.into()).min(MOST_LEAD),
            Some(LeadMinutes::Word(_)) => measured_lead(took),
        };
        Self { calendar: Calendar::new(zone, dates), lead }
    }

    /// Whether such settings want to know how long starts took.
    pub fn wants_last_starts(layer: &TimeScalingSettings, stack: &TimeScalingSettings) -> bool {
        !matches!(layer.lead_minutes.or(stack.lead_minutes), None | Some(LeadMinutes::Fixed(0)))
    }

    /// The plan at a moment. The zone is asked once, however many instances are then decided about.
    pub fn at(&self, now: Timestamp) -> Moment<'_> {
        let ahead = |lead: SignedDuration| match self.lead.is_zero() {
            true => Vec::new(),
            false => self.calendar.hours_between(now, now.checked_add(lead).unwrap_or(Timestamp::MAX)),
        };
        Moment { plan: self, now, hours: self.calendar.hours_at(now), in_lead: ahead(self.lead), in_most_lead: ahead(MOST_LEAD) }
    }

    /// The next moment at which any schedule may begin to want something else; `None` at the end of time.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        self.calendar.next_change(now, self.lead)
    }
}

/// What a schedule wants of its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// An on-hour.
    On,
    /// An off-hour, and an on-hour begins within the lead.
    Soon,
    /// An off-hour.
    Off,
}

/// A plan at a moment.
#[derive(Clone, Debug)]
pub struct Moment<'a> {
    pub(super) plan: &'a Plan,
    pub(super) now: Timestamp,
    hours: Vec<DatedHour>,
    in_lead: Vec<DatedHour>,
    in_most_lead: Vec<DatedHour>,
}

impl Moment<'_> {
    /// Whether a schedule wants its instance up: in an on-hour, and ahead of one.
    pub fn wants_up(&self, schedule: &WeeklySchedule) -> bool {
        self.want(schedule) != Want::Off
    }

    pub(super) fn want(&self, schedule: &WeeklySchedule) -> Want {
        let any = |hours: &[DatedHour]| hours.iter().any(|hour| hour.is_on(schedule));
        if any(&self.hours) {
            Want::On
        } else if any(&self.in_lead) {
            Want::Soon
        } else {
            Want::Off
        }
    }

    /// Whether a start at `started_at` was ahead of an on-hour that is still to come within the hour. A lead that is measured may become shorter
    /// while the first are on their way; that is no reason to stop them.
    pub(super) fn is_ahead(&self, schedule: &WeeklySchedule, started_at: Timestamp) -> bool {
        let is_recent = started_at <= self.now && self.now.duration_since(started_at) <= MOST_LEAD;
        let any = |hours: &[DatedHour]| hours.iter().any(|hour| hour.is_on(schedule));
        is_recent && any(&self.in_most_lead) && !any(&self.plan.calendar.hours_between(started_at, self.now))
    }
}
