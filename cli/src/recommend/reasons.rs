//! Why the mix is as it is, a line for each part.

use serde::Serialize;

use super::RESERVE_PERCENT;
use super::fit::{Alike, Sample, Shape};
use super::search::{Plan, Search};
use super::week::HOURS;
use crate::sim::scenario::schedule::{Hours, Weekday, Window};
use crate::sim::scenario::{LayerSpec, Thresholds};

/// A part of the mix, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Reason {
    pub(super) what: String,
    pub(super) why: String,
}

/// The reasons of all parts, 24/7 instances first.
pub(super) fn reasons(search: &Search<'_>, plan: &Plan, layer: &LayerSpec) -> Vec<Reason> {
    let sample = search.sample(None);
    let mut reasons = vec![always_on(plan.shape, layer.always_on)];
    let mut below = layer.always_on;
    for window in &layer.time_based.windows {
        reasons.push(time_based(sample, plan.shape, window, below));
        below += window.instances;
    }
    reasons.push(load_based(search.peak, layer.load_based));
    if layer.load_based > 0 {
        reasons.push(up(search, &plan.up));
        reasons.push(down(&plan.up, &plan.down));
    }
    reasons
}

fn always_on(shape: Shape, count: u32) -> Reason {
    let why = match shape {
        Shape::Exactly(_) => {
            "there must be an average to scale by; the demand follows no clock that planned hosts could".to_owned()
        }
        Shape::Flat { percent: 0 } => "the least demand that was measured; what is above it follows no clock".to_owned(),
        Shape::Flat { percent } => format!("enough for {percent} % of all minutes; what is above that follows no clock"),
        Shape::Weekly { percent, .. } => {
            format!("every hour of the week, or nine in ten, wants them for {percent} % of its minutes")
        }
    };
    Reason { what: format!("{} 24/7", hosts(count)), why }
}

fn time_based(sample: Sample<'_>, shape: Shape, window: &Window, below: u32) -> Reason {
    let mut what = format!("{} {}", hosts(window.instances), span(window.hours, &window.days));
    for more in &window.more {
        what = format!("{what} and {}", span(more.hours, &more.days));
    }
    let why = match shape {
        Shape::Weekly { alike, percent, margin } => {
            let (least, most) = wanted(sample, alike, percent, window);
            let more = if margin > 0 { format!(", and {margin} % more is planned") } else { String::new() };
            format!("for {percent} % of the minutes these hours want {least:.1} to {most:.1} hosts{more}; {below} are up already")
        }
        // They have no windows.
        Shape::Exactly(_) | Shape::Flat { .. } => "as planned".to_owned(),
    };
    Reason { what, why }
}

/// The least and the greatest demand that `percent` of an hour's minutes keep to, of the hours in which the window is on.
fn wanted(sample: Sample<'_>, alike: Alike, percent: u32, window: &Window) -> (f64, f64) {
    let week = window.schedule();
    let hours = (0..HOURS).filter(|hour| week.0[hour / 24][hour % 24]);
    let demands = hours.map(|hour| sample.hour(alike, hour / 24 >= 5, hour % 24, percent));
    demands.fold((f64::MAX, 0.0), |(least, most), demand| (demand.min(least), demand.max(most)))
}

fn load_based(peak: f64, count: u32) -> Reason {
    let why = format!(
        "the greatest demand was {peak:.1} hosts; at any hour {RESERVE_PERCENT} % more than that can be met, and what is stopped costs \
         only its volumes"
    );
    Reason { what: format!("{} load-based", hosts(count)), why }
}

fn up(search: &Search<'_>, up: &Thresholds) -> Reason {
    let to_online = search.times.to_online.as_mins();
    let minutes = usize::try_from(to_online).unwrap_or(0) + up.wait_minutes.unwrap_or(0) as usize;
    let rise = search.sample(None).rise(minutes, 990);
    let why = format!(
        "hosts do all that they should at {} %, and one more is there {minutes} minutes after the crossing; within them demand grows by up \
         to {rise:.1} hosts in 99 of 100 cases",
        search.target_cpu
    );
    Reason { what: format!("up by {}", thresholds(up, "above")), why }
}

fn down(up: &Thresholds, down: &Thresholds) -> Reason {
    let why = format!("far enough below {} % that a stop is not undone by the next start", up.cpu.unwrap_or(0.0));
    Reason { what: format!("down by {}", thresholds(down, "below")), why }
}

fn thresholds(of: &Thresholds, side: &str) -> String {
    let number = |value: Option<u32>| value.unwrap_or(0);
    format!(
        "{} {side} {} % CPU for {} min, then {} min ignored",
        number(of.instances),
        of.cpu.unwrap_or(0.0),
        number(of.wait_minutes),
        number(of.ignore_minutes)
    )
}

fn hosts(count: u32) -> String {
    if count == 1 { "1 host".to_owned() } else { format!("{count} hosts") }
}

fn span(hours: Hours, days: &[Weekday]) -> String {
    format!("{hours} {}", days_in_words(days))
}

/// `Monday to Friday`, `Saturday, Sunday`, `every day`.
fn days_in_words(days: &[Weekday]) -> String {
    let run = days.windows(2).all(|pair| pair[1] as usize == pair[0] as usize + 1);
    match days {
        [] => "every day".to_owned(),
        [first, _, .., last] if run && days.len() > 2 => format!("{first:?} to {last:?}"),
        _ => days.iter().map(|day| format!("{day:?}")).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_told_as_people_say_them() {
        for (days, words) in [
            (&Weekday::ALL[..0], "every day"),
            (&Weekday::ALL[..1], "Monday"),
            (&Weekday::ALL[..5], "Monday to Friday"),
            (&Weekday::ALL[5..], "Saturday, Sunday"),
            (&[Weekday::Monday, Weekday::Wednesday, Weekday::Thursday], "Monday, Wednesday, Thursday"),
        ] {
            assert_eq!(days_in_words(days), words);
        }
    }
}
