//! Times as people give them: `2026-03-01T18:00:00Z`, or how far from now: `2h`, `3d`, `1h 30m`. The API's own clock counts.

use jiff::{RoundMode, SignedDuration, Span, SpanRelativeTo, Timestamp, TimestampRound, Unit};

/// Which way from now a length of time leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// Into the past.
    Before,
    /// Into the future.
    After,
}

/// The time that is meant, to the whole second below; `None` if the text is neither a time nor a length of time. A day has 24 hours.
pub(super) fn moment(text: &str, from: From, now: Timestamp) -> Option<Timestamp> {
    let time = match text.parse::<Timestamp>() {
        Ok(time) => time,
        Err(_) => relative(text, from, now)?,
    };
    time.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor)).ok()
}

fn relative(text: &str, from: From, now: Timestamp) -> Option<Timestamp> {
    let span: Span = text.parse().ok()?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    if length < SignedDuration::ZERO {
        return None;
    }
    match from {
        From::Before => now.checked_sub(length).ok(),
        From::After => now.checked_add(length).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_stands_for_itself_and_a_length_counts_from_now() {
        let now: Timestamp = "2026-03-01T12:00:00.5Z".parse().unwrap();
        for (text, from, expected) in [
            ("2026-03-01T18:00:00Z", From::After, Some("2026-03-01T18:00:00Z")),
            ("2026-03-01T18:00:00.9+01:00", From::Before, Some("2026-03-01T17:00:00Z")),
            ("2h", From::After, Some("2026-03-01T14:00:00Z")),
            ("1h 30m", From::Before, Some("2026-03-01T10:30:00Z")),
            ("PT2H", From::After, Some("2026-03-01T14:00:00Z")),
            ("7d", From::Before, Some("2026-02-22T12:00:00Z")),
            ("-2h", From::After, None),
            ("2 months", From::After, None),
            ("99999999h", From::After, None),
            ("tomorrow", From::After, None),
            ("", From::After, None),
        ] {
            let expected: Option<Timestamp> = expected.map(|text| text.parse().unwrap());
            assert_eq!(moment(text, from, now), expected, "{text}");
        }
    }
}
