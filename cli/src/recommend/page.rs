//! The chart page: the planned week over the measured one, and the held-out days of each way to scale.

use std::fmt::Write;

use super::Recommendation;
use super::days::Day;
use super::week::HOURS;
use crate::backtest::{Replayed, chart};

/// Size of the week's drawing, in its own units.
const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 260.0;

pub(super) fn page(told: &Recommendation) -> String {
    let mut body = String::new();
    put(&mut body, format_args!("<p>{}; {}.</p>\n<table>\n", chart::escaped(&told.span()), told.demand()));
    for reason in &told.reasons {
        put(
            &mut body,
            format_args!("<tr><th>{}</th><td>{}</td></tr>\n", chart::escaped(&reason.what), chart::escaped(&reason.why)),
        );
    }
    put(&mut body, format_args!("</table>\n<p>{}.</p>\n<ul>\n", chart::escaped(&told.risk())));
    for line in told.verdicts().iter().chain(&told.parted.warnings) {
        put(&mut body, format_args!("<li>{}</li>\n", chart::escaped(line)));
    }
    body.push_str(
        "</ul>\n<h2>The week</h2>\n<p>Blue: 24/7 and time-based hosts by plan. Red: the demand of each fitted day.</p>\n",
    );
    week(&mut body, told);
    let replayed = told.judged.iter().rev().map(|one| Replayed { name: one.name.to_owned(), measures: one.measures.clone() });
    let replayed: Vec<Replayed> = replayed.collect();
    chart::sections(&mut body, &replayed, told.price);
    chart::frame("strata recommend", "Recommended mix", &body)
}

/// Monday to Sunday: the plan as an area, each fitted day as a line.
fn week(body: &mut String, told: &Recommendation) {
    let plan: Vec<f64> = (0..HOURS).map(|hour| planned(told, hour)).collect();
    let highest = plan.iter().copied().fold(told.peak.max(1.0), f64::max);
    let (x, y) = (|hour: f64| hour * WIDTH / HOURS as f64, |hosts: f64| HEIGHT - hosts * HEIGHT / highest);
    put(body, format_args!("<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\">\n", HEIGHT + 20.0));
    let mut area = format!("0,{HEIGHT}");
    for (hour, hosts) in plan.iter().enumerate() {
        let hour = hour as f64;
        put(&mut area, format_args!(" {:.1},{:.1} {:.1},{:.1}", x(hour), y(*hosts), x(hour + 1.0), y(*hosts)));
    }
    put(body, format_args!("<polygon class=\"capacity\" points=\"{area} {WIDTH},{HEIGHT}\"/>\n"));
    chart::grid(body, highest);
    for day in &told.fitted {
        for line in lines(day, &x, &y) {
            put(body, format_args!("<polyline class=\"demand\" points=\"{}\"/>\n", line.trim_end()));
        }
    }
    for (day, name) in crate::sim::scenario::schedule::WEEKDAYS.iter().enumerate() {
        put(body, format_args!("<text x=\"{:.1}\" y=\"{}\">{name}</text>\n", x(24.0 * day as f64) + 2.0, HEIGHT + 14.0));
    }
    body.push_str("</svg>\n");
}

/// A day's demand in tens of minutes, the greatest of each; a gap breaks the line.
fn lines(day: &Day, x: &impl Fn(f64) -> f64, y: &impl Fn(f64) -> f64) -> Vec<String> {
    const MINUTES: usize = 10;
    let mut lines = vec![String::new()];
    for (n, minutes) in day.minutes.chunks(MINUTES).enumerate() {
        match (minutes.iter().flatten().copied().reduce(f64::max), lines.last_mut()) {
            (Some(demand), Some(line)) => {
                let hour = 24.0 * day.weekday as f64 + (n * MINUTES) as f64 / 60.0;
                put(line, format_args!("{:.1},{:.1} ", x(hour), y(demand)));
            }
            _ => lines.push(String::new()),
        }
    }
    lines.retain(|line| !line.is_empty());
    lines
}

fn planned(told: &Recommendation, hour: usize) -> f64 {
    let timers = told.layer.time_based.windows.iter().filter(|window| window.schedule().0[hour / 24][hour % 24]);
    f64::from(told.layer.always_on + timers.map(|window| window.instances).sum::<u32>())
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a String takes every write");
}
