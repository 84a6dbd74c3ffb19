//! The chart: one self-contained page, demand against capacity for each layer file.

use std::fmt::Write;

use super::Replayed;
use super::measures::{Measures, Minute};

/// Size of a drawing, in its own units.
const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 260.0;
/// More than a screen has pixels; of the minutes of one point the greatest demand and the least capacity are drawn, so that no shortage is lost.
const POINTS: usize = 1_200;

/// The page, without any reference to the outside.
pub(super) fn page(replayed: &[Replayed], price: f64) -> String {
    let mut body = String::new();
    sections(&mut body, replayed, price);
    frame("strata backtest", "Backtest", &body)
}

/// A drawing for each, all to the same scale.
pub(crate) fn sections(body: &mut String, replayed: &[Replayed], price: f64) {
    body.push_str("<p>Red: demand in servers. Blue: hosts in service. Where red is above blue, capacity was missing.</p>\n");
    let highest = replayed.iter().map(|one| highest(&one.measures)).fold(1.0, f64::max);
    for one in replayed {
        section(body, one, price, highest);
    }
}

/// A whole page around `body`, which is HTML.
pub(crate) fn frame(title: &str, heading: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\n<style>\
         body{{font:14px sans-serif;margin:2em;max-width:1240px}}svg{{width:100%;background:#fafafa;border:1px solid #ddd}}\
         .capacity{{fill:#cfe3f7;stroke:#4a90d9;stroke-width:1}}.demand{{fill:none;stroke:#d0402b;stroke-width:1.2}}\
         .grid{{stroke:#ddd}}text{{font-size:11px;fill:#666}}th{{text-align:left;padding-right:1em;vertical-align:top}}</style>\n\
         <h1>{heading}</h1>\n{body}</html>\n"
    )
}

fn highest(measures: &Measures) -> f64 {
    measures.minutes.iter().map(|m| m.demand.unwrap_or(0.0).max(m.capacity)).fold(0.0, f64::max)
}

fn section(body: &mut String, one: &Replayed, price: f64, highest: f64) {
    let m = &one.measures;
    let words = format!(
        "{} of {} minutes under capacity ({:.1} server-hours missing), {:.1} idle host-hours, {:.1} host-hours, cost {:.2}, {} scaling \
         events, {} flaps",
        m.minutes_under,
        m.measured,
        m.server_hours_missing,
        m.idle_hours,
        m.instance_hours,
        m.cost(price),
        m.events,
        m.flaps
    );
    put(body, format_args!("<h2>{}</h2>\n<p>{words}</p>\n", escaped(&one.name)));
    put(body, format_args!("<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\">\n", HEIGHT + 20.0));
    let points = points(&m.minutes);
    grid(body, highest);
    let x = |n: usize| n as f64 * WIDTH / points.len().max(1) as f64;
    let y = |servers: f64| HEIGHT - servers * HEIGHT / highest;
    let mut area = format!("0,{HEIGHT}");
    let mut lines = vec![String::new()];
    for (n, point) in points.iter().enumerate() {
        put(&mut area, format_args!(" {:.1},{:.1} {:.1},{:.1}", x(n), y(point.capacity), x(n + 1), y(point.capacity)));
        match point.demand {
            // A gap breaks the line.
            None => lines.push(String::new()),
            Some(demand) => put(lines.last_mut().expect("one at least"), format_args!("{:.1},{:.1} ", x(n), y(demand))),
        }
    }
    put(body, format_args!("<polygon class=\"capacity\" points=\"{area} {WIDTH},{HEIGHT}\"/>\n"));
    for line in lines.iter().filter(|line| !line.is_empty()) {
        put(body, format_args!("<polyline class=\"demand\" points=\"{}\"/>\n", line.trim_end()));
    }
    if let (Some(first), Some(last)) = (m.minutes.first(), m.minutes.last()) {
        let at = HEIGHT + 14.0;
        put(body, format_args!("<text x=\"2\" y=\"{at}\">{}</text>", first.at));
        put(body, format_args!("<text x=\"{}\" y=\"{at}\" text-anchor=\"end\">{}</text>\n", WIDTH - 2.0, last.at));
    }
    body.push_str("</svg>\n");
}

/// Lines across at round numbers of servers.
pub(crate) fn grid(body: &mut String, highest: f64) {
    let step = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];
    let step = step.into_iter().find(|step| highest / step <= 6.0).unwrap_or(highest);
    let mut servers = step;
    while servers < highest {
        let y = HEIGHT - servers * HEIGHT / highest;
        put(body, format_args!("<line class=\"grid\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"));
        put(body, format_args!("<text x=\"2\" y=\"{:.1}\">{servers}</text>\n", y - 2.0));
        servers += step;
    }
}

struct Point {
    demand: Option<f64>,
    capacity: f64,
}

fn points(minutes: &[Minute]) -> Vec<Point> {
    let of = |some: &[Minute]| Point {
        demand: some.iter().filter_map(|m| m.demand).reduce(f64::max),
        capacity: some.iter().map(|m| m.capacity).reduce(f64::min).unwrap_or(0.0),
    };
    minutes.chunks(minutes.len().div_ceil(POINTS).max(1)).map(of).collect()
}

/// As HTML has it.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a String takes every write");
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn minute(n: i64, demand: Option<f64>, capacity: f64) -> Minute {
        Minute { at: Timestamp::from_second(n * 60).unwrap(), demand, capacity, billed: 1, event: None }
    }

    #[test]
    fn a_shortage_of_one_minute_is_still_drawn_when_many_minutes_share_a_point() {
        let mut minutes: Vec<Minute> = (0..100_000).map(|n| minute(n, Some(1.0), 2.0)).collect();
        minutes[50_000] = minute(50_000, Some(9.0), 2.0);
        let points = points(&minutes);
        assert!(points.len() <= POINTS && points.iter().any(|p| p.demand == Some(9.0)));
    }

    #[test]
    fn a_page_is_whole_without_minutes_and_names_are_escaped() {
        let replayed = [Replayed { name: "<a>&\"b\".toml".to_owned(), measures: Measures::default() }];
        let page = page(&replayed, 0.1);
        assert!(page.contains("&lt;a&gt;&amp;&quot;b&quot;.toml") && page.ends_with("</html>\n"));
        assert!(!page.contains("http"), "nothing is fetched");
    }
}
