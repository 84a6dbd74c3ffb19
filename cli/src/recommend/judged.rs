//! The recommended mix on days it was not fitted on, beside what one would have without it.

use super::days::Parted;
use super::fit::hosts;
use super::search::{Score, Search, Tally};
use crate::CliError;
use crate::backtest::measures::Measures;
use crate::sim::scenario::{LayerSpec, LoadScaling};

/// One way to scale, on the days that were held out.
pub struct Judged {
    /// What it is, in a word or two.
    pub name: &'static str,
    /// The layer that was replayed.
    pub layer: LayerSpec,
    /// How it did.
    pub measures: Measures,
}

impl Judged {
    /// Whether this does better than `other`: less shortage beyond the limit, or as little and cheaper. Flaps do not count here.
    pub fn beats(&self, other: &Self, limit: u64) -> bool {
        self.in_order(limit) < other.in_order(limit)
    }

    fn in_order(&self, limit: u64) -> (u64, u64) {
        let mut tally = Tally::default();
        tally.add(&self.measures);
        let Score { excess, billed, disorder: _, events: _ } = tally.score(limit);
        (excess, billed)
    }

    /// The most hosts that were missing, and when first.
    pub(super) fn worst(&self) -> Option<(f64, jiff::Timestamp)> {
        let missing = self.measures.minutes.iter().filter_map(|minute| Some((minute.demand? - minute.capacity, minute.at)));
        missing.filter(|(hosts, _)| *hosts > 0.0).reduce(|worst, one| if one.0 > worst.0 { one } else { worst })
    }
}

/// All four, in the order in which they are shown; the recommended one is the last.
///
/// # Errors
/// As of the replay.
pub(super) fn all(
    search: &Search<'_>,
    parted: &Parted,
    tuned: LayerSpec,
    recommended: LayerSpec,
) -> Result<Vec<Judged>, CliError> {
    let mut always_on = search.names.clone();
    always_on.always_on = hosts(search.peak, 0).max(1);
    // What SetLoadBasedAutoScaling takes for what is left out [LOAD-2].
    let reactive = LayerSpec { load_scaling: Some(LoadScaling::default()), ..tuned.clone() };
    let ways = [("always on", always_on), ("reactive", reactive), ("reactive tuned", tuned), ("recommended", recommended)];
    let judge = |(name, layer): (&'static str, LayerSpec)| {
        let measures = search.measured(&layer, parted.held_out_from, parted.to)?;
        Ok(Judged { name, layer, measures })
    };
    ways.into_iter().map(judge).collect()
}
