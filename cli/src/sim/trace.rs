//! Metric files: demand that was measured somewhere, as a CSV with a header line.
//!
//! A value holds from its time to the next one, for at most one and a half of the file's usual step; what is longer is a gap, and a
//! gap is missing data, never zero. Of two rows of the same moment the later counts, as real exports overlap.

use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use crate::CliError;
use crate::args::Unit;

/// 256 MiB: years of one-minute data.
const LARGEST: u64 = 256 * 1024 * 1024;
/// What an export may write above its header line (titles) before the reader gives up.
const LINES_ABOVE_HEADER: usize = 10;

/// The values of one metric, in time order; at least one.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    points: Vec<(Timestamp, f64)>,
    step: SignedDuration,
    unit: Unit,
}

/// Which file, and how to read it.
#[derive(Clone, Debug)]
pub struct TraceSource {
    /// The file.
    pub file: PathBuf,
    /// Name of the column of times.
    pub time_column: String,
    /// Name of the column of values.
    pub value_column: String,
    /// What the values are.
    pub unit: Unit,
}

impl Trace {
    /// Reads a file.
    ///
    /// # Errors
    /// Bad input, with file, line, field and what was expected: unreadable, empty, an unknown column, no time or no number where one
    /// belongs, a negative number, more than 100 percent, a time before the one above it.
    pub fn load(source: &TraceSource) -> Result<Self, CliError> {
        let size = std::fs::metadata(&source.file).map_err(|e| CliError::unreadable(&source.file, &e))?.len();
        if size > LARGEST {
            let what = format!("has {size} bytes, expected a metric file of at most {LARGEST}");
            return Err(CliError::BadInput(format!("{}: {what}", source.file.display())));
        }
        let bytes = std::fs::read(&source.file).map_err(|e| CliError::unreadable(&source.file, &e))?;
        Self::parse(&bytes, source)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    /// As for [`Trace::load`].
    pub fn parse(bytes: &[u8], source: &TraceSource) -> Result<Self, CliError> {
        let mut reader = Reader { source, points: Vec::new(), columns: None };
        let mut csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(bytes);
        let mut record = csv::ByteRecord::new();
        let mut lines = Lines { bytes, counted: 0, line: 1 };
        let mut rows = 0;
        let mut first_row = None;
        loop {
            let more = csv.read_byte_record(&mut record).map_err(|e| reader.at_file(&format!("cannot be read: {e}")))?;
            if !more {
                break;
            }
            let line = lines.of_record(record.position().map_or(0, csv::Position::byte));
            if reader.columns.is_none() {
                reader.columns = reader.header(&record);
                if reader.columns.is_none() && rows >= LINES_ABOVE_HEADER {
                    break;
                }
                first_row.get_or_insert_with(|| (line, record.clone()));
                rows += 1;
                continue;
            }
            reader.row(&record, line)?;
        }
        reader.finish(first_row)
    }

    /// When the first value was measured.
    pub fn first(&self) -> Timestamp {
        self.points[0].0
    }

    /// When the last value was measured.
    pub fn last(&self) -> Timestamp {
        self.points[self.points.len() - 1].0
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Never: a trace has at least one value.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// The usual distance of two values, the median.
    pub fn step(&self) -> SignedDuration {
        self.step
    }

    /// What the values are.
    pub fn unit(&self) -> Unit {
        self.unit
    }

    /// The value in force at `t`; `None` in a gap, before the first and after the last value.
    pub fn value_at(&self, t: Timestamp) -> Option<f64> {
        let next = self.points.partition_point(|(at, _)| *at <= t);
        let (at, value) = self.points[next.checked_sub(1)?];
        let bridged = self.points.get(next).is_some_and(|(after, _)| after.duration_since(at) <= self.step + self.step / 2);
        (bridged || t.duration_since(at) < self.step).then_some(value)
    }

    /// Refuses percentages none of which is above 1: they are almost certainly fractions, and the plan would be a hundredth of what it
    /// should be. Zeros alone say nothing about a unit.
    ///
    /// # Errors
    /// Bad input, naming `file`, the greatest value and what to do.
    pub fn refuse_fractions(&self, file: &std::path::Path) -> Result<(), CliError> {
        let greatest = self.points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        if self.unit != Unit::Cpu || greatest > 1.0 || greatest == 0.0 {
            return Ok(());
        }
        let what =
            format!("no value is above {greatest}, these look like fractions; expected percent, 0 to 100, with --unit cpu");
        let advice = "multiply them by 100 (a fleet that really is as idle needs no plan)";
        Err(CliError::BadInput(format!("{}: {what}: {advice}", file.display())))
    }

    /// The value that 95 % of the values in `from..to` do not exceed; `None` if there is none in there.
    pub fn percentile_95(&self, from: Timestamp, to: Timestamp) -> Option<f64> {
        let mut values: Vec<f64> =
            self.points.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, value)| *value).collect();
        values.sort_by(f64::total_cmp);
        let rank = (values.len() * 95).div_ceil(100);
        values.get(rank.checked_sub(1)?).copied()
    }
}

struct Reader<'a> {
    source: &'a TraceSource,
    points: Vec<(Timestamp, f64)>,
    columns: Option<(usize, usize)>,
}

impl Reader<'_> {
    fn at_file(&self, what: &str) -> CliError {
        CliError::BadInput(format!("{}: {what}", self.source.file.display()))
    }

    fn at(&self, line: u64, field: &str, what: &str) -> CliError {
        self.at_file(&format!("line {line}: column `{field}`: {what}"))
    }

    /// The two columns, if this row is the header.
    fn header(&self, record: &csv::ByteRecord) -> Option<(usize, usize)> {
        let find = |name: &str| record.iter().position(|column| column == name.as_bytes());
        Some((find(&self.source.time_column)?, find(&self.source.value_column)?))
    }

    fn row(&mut self, record: &csv::ByteRecord, line: u64) -> Result<(), CliError> {
        let Some((time_index, value_index)) = self.columns else { return Ok(()) };
        let field = |index: usize| record.get(index).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let (time, value) = (&self.source.time_column, &self.source.value_column);
        let text = field(time_index).unwrap_or_default();
        let Some(at) = parse_time(&text) else {
            return Err(self.at(
                line,
                time,
                &format!("{text:?} is not a time, expected \"YYYY-MM-DD HH:MM:SS\" (UTC) or RFC 3339"),
            ));
        };
        let text = field(value_index).unwrap_or_default();
        if text.is_empty() {
            // An export of several metrics leaves the cell empty where one has no data point.
            return Ok(());
        }
        let number: f64 = match text.parse() {
            Ok(number) if f64::is_finite(number) => number,
            _ => return Err(self.at(line, value, &format!("{text:?} is not a number, expected one such as 42.5"))),
        };
        if number < 0.0 {
            return Err(self.at(line, value, &format!("{text} is negative, expected 0 or more")));
        }
        // CloudWatch's own averages pass 100 by rounding.
        if self.source.unit == Unit::Cpu && number > 100.000_001 {
            return Err(self.at(line, value, &format!("{text} is not a percentage, expected 0 to 100 with --unit cpu")));
        }
        match self.points.last_mut() {
            Some((last, _)) if at < *last => {
                let what = format!("{at} is before {last} of the row above, expected times that never go back");
                return Err(self.at(line, time, &what));
            }
            Some((last, value)) if at == *last => *value = number,
            _ => self.points.push((at, number)),
        }
        Ok(())
    }

    fn finish(self, first_row: Option<(u64, csv::ByteRecord)>) -> Result<Trace, CliError> {
        let Some((line, first_row)) = first_row else {
            return Err(self.at_file("is empty, expected a CSV with a header line"));
        };
        if self.columns.is_none() {
            let named = |name: &str| first_row.iter().any(|column| column == name.as_bytes());
            let unknown = if named(&self.source.time_column) { &self.source.value_column } else { &self.source.time_column };
            let columns: Vec<String> = first_row
                .iter()
                .take(20)
                .map(|c| format!("`{}`", String::from_utf8_lossy(c).chars().take(60).collect::<String>()))
                .collect();
            let what = format!("line {line}: there is no column `{unknown}`, expected one of {}", columns.join(", "));
            return Err(self.at_file(&what));
        }
        if self.points.is_empty() {
            return Err(self.at_file("has a header but no values, expected at least one row"));
        }
        Ok(Trace { step: median_step(&self.points), points: self.points, unit: self.source.unit })
    }
}

/// Counts lines. The CSV reader's own number is that of the empty lines, and of half a CR LF, before a record.
struct Lines<'a> {
    bytes: &'a [u8],
    counted: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line, from 1, of the record that begins at or, behind empty lines, after `byte`; never less than the one before.
    fn of_record(&mut self, byte: u64) -> u64 {
        let from = usize::try_from(byte).unwrap_or(usize::MAX).min(self.bytes.len());
        let blank = self.bytes[from..].iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let begin = (from + blank).max(self.counted);
        self.line += self.bytes[self.counted..begin].iter().filter(|b| **b == b'\n').count() as u64;
        self.counted = begin;
        self.line
    }
}

/// The median distance of neighbours; five minutes for a single value.
fn median_step(points: &[(Timestamp, f64)]) -> SignedDuration {
    let mut steps: Vec<SignedDuration> = points.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0)).collect();
    steps.sort_unstable();
    steps.get(steps.len() / 2).copied().unwrap_or(SignedDuration::from_mins(5))
}

/// Reads `YYYY-MM-DD HH:MM[:SS[.fff]]` (UTC), also with slashes or a `T`, or RFC 3339 with any offset; `None` for anything else.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    // Only a plain date and time: a bare date would silently be midnight.
    let bytes = text.as_bytes();
    if bytes.len() < 16 || !matches!(bytes[10], b' ' | b'T') || text.contains('[') {
        return None;
    }
    let civil: jiff::civil::DateTime = match bytes[4] {
        b'/' if bytes[7] == b'/' => text.replacen('/', "-", 2).parse().ok()?,
        b'-' => text.parse().ok()?,
        _ => return None,
    };
    jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()
}

#[cfg(test)]
mod tests;
