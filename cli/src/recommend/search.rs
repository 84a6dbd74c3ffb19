//! Which mix: each fitted day is replayed under a mix that was fitted on the other days, and the best settings are kept.
//!
//! Our choice: shortage comes first, up to a limit, and cost second; the days that are held out take no part in any of it.

use jiff::{SignedDuration, Timestamp};

use super::days::Day;
use super::fit::{Alike, Sample, Shape, hosts};
use super::week::Week;
use crate::CliError;
use crate::backtest::engine::{Times, replay};
use crate::backtest::measures::Measures;
use crate::sim::demand::Demand;
use crate::sim::scenario::{LayerSpec, LoadScaling, Thresholds};

/// So long before a stretch that is judged the fleet is already replayed: load-based instances begin stopped.
const RUN_UP: SignedDuration = SignedDuration::from_hours(4);
/// More than one flap a day is disorder that hosts and people pay for.
const FLAPS_A_DAY: u64 = 1;
/// So much more than the greatest demand can be met, by instances that otherwise stay stopped: a quarter.
pub(super) const RESERVE_PERCENT: u32 = 25;
/// Rounds over shape and thresholds; the second mends what the first chose before it knew the rest.
const ROUNDS: usize = 2;

/// Load-based scaling needs one host that is always up: without any there is no average ([LOAD-17]).
const ONE_HOST: Shape = Shape::Exactly(1);

/// Settings of a mix.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) shape: Shape,
    pub(super) up: Thresholds,
    pub(super) down: Thresholds,
}

/// How a plan did, the worst thing first; less is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Score {
    /// Minutes under capacity beyond the limit.
    pub(super) excess: u64,
    /// Flaps beyond one a day.
    pub(super) disorder: u64,
    /// Host-minutes that are paid for.
    pub(super) billed: u64,
    /// Scaling events.
    pub(super) events: u64,
}

/// Sums of what was judged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    pub(super) measured: u64,
    pub(super) under: u64,
    flaps: u64,
    days: u64,
    billed: u64,
    events: u64,
}

impl Tally {
    pub(super) fn add(&mut self, measures: &Measures) {
        self.measured += measures.measured;
        self.under += measures.minutes_under;
        self.flaps += measures.flaps;
        self.events += measures.events;
        self.billed += measures.minutes.iter().map(|minute| minute.billed as u64).sum::<u64>();
        self.days += 1;
    }

    /// With `limit` minutes under capacity allowed.
    pub(super) fn score(&self, limit: u64) -> Score {
        Score {
            excess: self.under.saturating_sub(limit),
            disorder: self.flaps.saturating_sub(FLAPS_A_DAY * self.days),
            billed: self.billed,
            events: self.events,
        }
    }
}

/// What is searched in.
pub(super) struct Search<'a> {
    pub(super) names: &'a LayerSpec,
    pub(super) demand: &'a Demand,
    pub(super) days: &'a [Day],
    pub(super) times: Times,
    pub(super) target_cpu: f64,
    /// Minutes under capacity that are allowed on the fitted days.
    pub(super) limit: u64,
    /// The greatest demand, in hosts.
    pub(super) peak: f64,
}

impl Search<'_> {
    /// The days, of which `without` is left out.
    pub(super) fn sample(&self, without: Option<usize>) -> Sample<'_> {
        Sample { days: self.days, without, lead: self.minutes_to_online() }
    }

    fn minutes_to_online(&self) -> usize {
        usize::try_from(self.times.to_online.as_mins()).unwrap_or(0)
    }

    /// The layer that a plan makes of all fitted days.
    pub(super) fn layer(&self, plan: &Plan) -> LayerSpec {
        self.layer_of(&self.sample(None).week(plan.shape), plan)
    }

    fn layer_of(&self, week: &Week, plan: &Plan) -> LayerSpec {
        let mut layer = self.names.clone();
        layer.always_on = week.always_on();
        layer.time_based.windows = week.windows(layer.always_on);
        // At any hour there is enough for the greatest demand, not only where the schedule expects it.
        layer.load_based = hosts(self.peak, RESERVE_PERCENT).saturating_sub(week.least().max(layer.always_on));
        layer.load_scaling = Some(LoadScaling { enabled: true, up: plan.up.clone(), down: plan.down.clone() });
        layer
    }

    /// Load-based scaling alone, as good as its thresholds can make it.
    pub(super) fn reactive(&self) -> Result<(Plan, Tally), CliError> {
        let start = self.first(ONE_HOST);
        self.best(&[ONE_HOST], start)
    }

    /// The best plan of all shapes.
    ///
    /// Our choice: the search begins twice, with middling thresholds and with those of `reactive`. Where load-based scaling has to do it
    /// all, its thresholds are so eager that under them no plan ahead is worth anything; where it is the answer, only they show it.
    pub(super) fn mix(&self, reactive: &Plan) -> Result<(Plan, Tally), CliError> {
        let shapes = self.shapes();
        let middling = self.best(&shapes, self.first(ONE_HOST))?;
        let eager = self.best(&shapes, reactive.clone())?;
        let score = |of: &(Plan, Tally)| of.1.score(self.limit);
        Ok(if score(&eager) < score(&middling) { eager } else { middling })
    }

    /// The best plan that there is for `shapes`, of which there is at least one; `start` says what thresholds they are first tried with.
    fn best(&self, shapes: &[Shape], start: Plan) -> Result<(Plan, Tally), CliError> {
        let folds = self.folds(shapes);
        let start = Plan { shape: shapes[0], ..start };
        let mut best = Best { search: self, folds: &folds[0], plan: start, tally: None, score: Score::default() };
        for round in 0..ROUNDS {
            let before = best.plan.shape;
            for folds in &folds {
                best.offer(folds, Plan { shape: folds.shape, ..best.plan.clone() })?;
            }
            if round > 0 && best.plan.shape == before {
                break;
            }
            for up in self.ups() {
                let down = below(best.plan.down.clone(), &up);
                best.offer(best.folds, Plan { up, down, ..best.plan.clone() })?;
            }
            for down in self.downs(&best.plan.up) {
                best.offer(best.folds, Plan { down, ..best.plan.clone() })?;
            }
        }
        let tally = best.tally.unwrap_or_default();
        Ok((best.plan, tally))
    }

    /// For each shape the weeks of the days that are judged; of shapes that come to the same weeks the first alone.
    fn folds(&self, shapes: &[Shape]) -> Vec<Folds> {
        let mut all: Vec<Folds> = Vec::new();
        for shape in shapes {
            let judges = self.days.iter().enumerate().filter(|(_, day)| day.is_judge());
            let weeks: Vec<Week> = judges.map(|(index, _)| self.sample(Some(index)).week(*shape)).collect();
            if all.iter().all(|earlier| earlier.weeks != weeks) {
                all.push(Folds { shape: *shape, weeks });
            }
        }
        all
    }

    /// All shapes, the simplest first: of equals the earlier stays.
    pub(super) fn shapes(&self) -> Vec<Shape> {
        let mut shapes: Vec<Shape> = [100, 95, 75, 50, 0].map(|percent| Shape::Flat { percent }).to_vec();
        shapes.push(ONE_HOST);
        let kinds: &[Alike] =
            if self.sample(None).has_both_kinds() { &[Alike::AllDays, Alike::WorkDays] } else { &[Alike::AllDays] };
        for alike in kinds {
            for percent in [50, 75, 90, 97, 100] {
                shapes.extend([0, 10].map(|margin| Shape::Weekly { alike: *alike, percent, margin }));
            }
        }
        shapes
    }

    fn first(&self, shape: Shape) -> Plan {
        let mut ups = self.ups();
        // The quickest of the third CPU threshold: the shapes are first compared under scaling that helps.
        let up = ups.swap_remove(ups.len() * 3 / 4 - 1);
        let mut downs = self.downs(&up);
        Plan { shape, down: downs.swap_remove(0), up }
    }

    /// What `percent` of the CPU target are, in whole percent of CPU.
    fn cpu(&self, percent: f64) -> Option<f64> {
        Some((self.target_cpu * percent / 100.0).floor().max(1.0))
    }

    fn ups(&self) -> Vec<Thresholds> {
        let to_online = self.minutes_to_online();
        let sample = self.sample(None);
        let mut batches = vec![1];
        batches.extend([950, 990].map(|share| hosts(sample.rise(to_online + 2, share), 0).max(1)));
        batches.dedup();
        let mut ups = Vec::new();
        for cpu in [95.0, 85.0, 75.0, 65.0] {
            for wait in [5, 2] {
                // While what was started is not there yet, the averages tell nothing new.
                let ignore = u32::try_from(to_online).unwrap_or(100).clamp(1, 100);
                ups.extend(batches.iter().map(|batch| Thresholds {
                    instances: Some(*batch),
                    wait_minutes: Some(wait),
                    ignore_minutes: Some(ignore),
                    cpu: self.cpu(cpu),
                    ..Thresholds::default()
                }));
            }
        }
        ups
    }

    fn downs(&self, up: &Thresholds) -> Vec<Thresholds> {
        let mut batches = vec![1, up.instances.unwrap_or(1).div_ceil(2)];
        batches.dedup();
        let mut downs = Vec::new();
        for cpu in [40.0, 55.0, 70.0] {
            for (wait, ignore) in [(10, 10), (10, 5), (20, 10), (5, 5)] {
                let of = |batch: &u32| Thresholds {
                    instances: Some(*batch),
                    wait_minutes: Some(wait),
                    ignore_minutes: Some(ignore),
                    cpu: self.cpu(cpu),
                    ..Thresholds::default()
                };
                downs.extend(batches.iter().map(|batch| below(of(batch), up)));
            }
        }
        downs
    }

    /// Judges `plan` on each fitted day by a mix of the others; `None` once it cannot be better than `bar`.
    fn judge(&self, plan: &Plan, folds: &Folds, bar: Option<Score>) -> Result<Option<Tally>, CliError> {
        let mut tally = Tally::default();
        let judges = || self.days.iter().filter(|day| day.is_judge()).zip(&folds.weeks);
        let mut planned: u64 = judges().map(|(day, week)| week.planned_minutes(day.weekday)).sum();
        for (day, week) in judges() {
            // No later day takes anything off any of the sums, and what is up by plan is paid for.
            let lower = Score { disorder: 0, billed: tally.billed + planned, ..tally.score(self.limit) };
            if bar.is_some_and(|bar| lower >= bar) {
                return Ok(None);
            }
            tally.add(&self.measured(&self.layer_of(week, plan), day.begin, day.end())?);
            planned -= week.planned_minutes(day.weekday);
        }
        Ok(Some(tally))
    }

    /// The replay of a stretch, after its run-up.
    pub(super) fn measured(&self, layer: &LayerSpec, from: Timestamp, to: Timestamp) -> Result<Measures, CliError> {
        let begin = from.checked_sub(RUN_UP).unwrap_or(from);
        let replayed = replay(layer, self.demand, begin, to, self.times)?;
        let mut measures = Measures::default();
        for minute in replayed.minutes.into_iter().filter(|minute| minute.at >= from) {
            measures.take(minute);
        }
        Ok(measures)
    }
}

/// `down` with its CPU threshold well below that of `up`: a stop that brings the average above that would be undone at once.
fn below(mut down: Thresholds, up: &Thresholds) -> Thresholds {
    down.cpu = down.cpu.zip(up.cpu).map(|(down, up)| down.min((up * 0.8).floor()));
    down
}

/// A shape, fitted once without each of the days that are judged.
struct Folds {
    shape: Shape,
    weeks: Vec<Week>,
}

/// The best plan so far.
struct Best<'a> {
    search: &'a Search<'a>,
    folds: &'a Folds,
    plan: Plan,
    /// `None` until the first plan is judged.
    tally: Option<Tally>,
    score: Score,
}

impl<'a> Best<'a> {
    /// Takes `plan` if it is better; of equals the earlier stays.
    fn offer(&mut self, folds: &'a Folds, plan: Plan) -> Result<(), CliError> {
        let bar = self.tally.is_some().then_some(self.score);
        if bar.is_some() && plan == self.plan {
            return Ok(());
        }
        if let Some(tally) = self.search.judge(&plan, folds, bar)? {
            let score = tally.score(self.search.limit);
            if bar.is_none_or(|bar| score < bar) {
                (self.folds, self.plan, self.tally, self.score) = (folds, plan, Some(tally), score);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(measured: u64, under: u64, billed: u64, flaps: u64) -> Tally {
        Tally { measured, under, flaps, days: 2, billed, events: 0 }
    }

    #[test]
    fn shortage_counts_first_beyond_its_limit_then_disorder_then_cost() {
        let score = |under, billed, flaps| tally(2880, under, billed, flaps).score(30);
        for (better, worse) in [
            (score(30, 900, 9), score(31, 100, 0)), // beyond the limit cost does not help
            (score(30, 100, 0), score(0, 101, 0)),  // within it cost decides
            (score(0, 900, 2), score(0, 100, 3)),   // one flap a day is nothing, more is
            (score(0, 100, 2), score(0, 101, 0)),
        ] {
            assert!(better < worse, "{better:?} {worse:?}");
        }
    }

    #[test]
    fn the_threshold_down_stays_well_below_the_one_up() {
        let cpu = |cpu| Thresholds { cpu: Some(cpu), ..Thresholds::default() };
        for (down, up, found) in [(52.0, 48.0, 38.0), (30.0, 71.0, 30.0), (56.0, 71.0, 56.0), (57.0, 71.0, 56.0)] {
            assert_eq!(below(cpu(down), &cpu(up)).cpu, Some(found), "{down} {up}");
        }
    }
}
