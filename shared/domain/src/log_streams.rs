//! What a layer's `CloudWatchLogsConfiguration` may say [CWL-6..16, 20].

mod agent;

pub use agent::agent_configuration;

use crate::model::{LogStream, LogsConfiguration};

/// So many log streams a layer may have.
pub const MOST_STREAMS: usize = 100;

/// The encodings that today's CloudWatch agent reads, under the names that OpsWorks had for them [CWL-13].
const READABLE: [&str; 42] = [
    "ascii",
    "big5",
    "cp866",
    "cp874",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "cp1255",
    "cp1256",
    "cp1257",
    "cp1258",
    "euc_jp",
    "euc_kr",
    "gb2312",
    "gbk",
    "gb18030",
    "iso2022_jp",
    "latin_1",
    "iso8859_2",
    "iso8859_3",
    "iso8859_4",
    "iso8859_5",
    "iso8859_6",
    "iso8859_7",
    "iso8859_8",
    "iso8859_9",
    "iso8859_10",
    "iso8859_13",
    "iso8859_14",
    "iso8859_15",
    "iso8859_16",
    "koi8_r",
    "koi8_u",
    "mac_cyrillic",
    "mac_roman",
    "shift_jis",
    "utf_16",
    "utf_16_be",
    "utf_16_le",
    "utf_8",
];
/// Those that OpsWorks knew and the CloudWatch agent does not (monitoring-and-resources.md, Q9).
const UNREADABLE: [&str; 50] = [
    "big5hkscs",
    "cp037",
    "cp424",
    "cp437",
    "cp500",
    "cp720",
    "cp737",
    "cp775",
    "cp850",
    "cp852",
    "cp855",
    "cp856",
    "cp857",
    "cp858",
    "cp860",
    "cp861",
    "cp862",
    "cp863",
    "cp864",
    "cp865",
    "cp869",
    "cp875",
    "cp932",
    "cp949",
    "cp950",
    "cp1006",
    "cp1026",
    "cp1140",
    "euc_jis_2004",
    "euc_jisx0213",
    "hz",
    "iso2022_jp_1",
    "iso2022_jp_2",
    "iso2022_jp_2004",
    "iso2022_jp_3",
    "iso2022_jp_ext",
    "iso2022_kr",
    "johab",
    "mac_greek",
    "mac_iceland",
    "mac_latin2",
    "mac_turkish",
    "ptcp154",
    "shift_jis_2004",
    "shift_jisx0213",
    "utf_32",
    "utf_32_be",
    "utf_32_le",
    "utf_7",
    "utf_8_sig",
];

/// What is wrong with a log stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogStreamError {
    /// [CWL-6] [CWL-7] [CWL-20]
    #[error("{0} is required for every log stream")]
    Missing(&'static str),
    /// [CWL-6]
    #[error("LogGroupName \"{0}\" must have 1 to 512 letters, digits, '_', '/', '.' and '-'")]
    GroupName(String),
    /// Too long for any file or pattern.
    #[error("{0} has more than 1024 characters")]
    TooLong(&'static str),
    /// [CWL-9] [CWL-12]
    #[error("{member} \"{found}\" is not one of {known}")]
    Word {
        /// Which member.
        member: &'static str,
        /// What was sent.
        found: String,
        /// What is known.
        known: &'static str,
    },
    /// [CWL-10]
    #[error("FileFingerprintLines \"{0}\" must be a line number such as 1, or a range such as 2-5")]
    Fingerprint(String),
    /// [CWL-13]
    #[error("Encoding \"{0}\" is not a known encoding")]
    Encoding(String),
    /// [CWL-13]
    #[error("Encoding \"{0}\" is not read by the CloudWatch agent; use another one, for example utf_8")]
    UnreadableEncoding(String),
    /// [CWL-14] [CWL-15] [CWL-16]
    #[error("{member} must be {smallest} to {largest}, not {found}")]
    Number {
        /// Which member.
        member: &'static str,
        /// Inclusive.
        smallest: i64,
        /// Inclusive.
        largest: i64,
        /// What was sent.
        found: i64,
    },
    /// Too many.
    #[error("at most {MOST_STREAMS} log streams are possible, not {0}")]
    TooMany(usize),
}

/// Whether a layer may ship these logs.
///
/// # Errors
/// [`LogStreamError`] names the first mistake.
pub fn check(configuration: &LogsConfiguration) -> Result<(), LogStreamError> {
    let streams = &configuration.log_streams;
    if streams.len() > MOST_STREAMS {
        return Err(LogStreamError::TooMany(streams.len()));
    }
    streams.iter().try_for_each(check_stream)
}

fn check_stream(stream: &LogStream) -> Result<(), LogStreamError> {
    let group = stream.log_group_name.as_deref().ok_or(LogStreamError::Missing("LogGroupName"))?;
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'.' | b'-');
    if !(1..=512).contains(&group.len()) || !group.bytes().all(is_allowed) {
        return Err(LogStreamError::GroupName(group.to_owned()));
    }
    if stream.file.is_none() {
        return Err(LogStreamError::Missing("File"));
    }
    check_texts(stream)?;
    word("TimeZone", stream.time_zone.as_deref(), &["LOCAL", "UTC"], "LOCAL, UTC")?;
    let positions = &["start_of_file", "end_of_file"];
    word("InitialPosition", stream.initial_position.as_deref(), positions, "start_of_file, end_of_file")?;
    if let Some(lines) = stream.file_fingerprint_lines.as_deref().filter(|lines| !is_line_range(lines)) {
        return Err(LogStreamError::Fingerprint(lines.to_owned()));
    }
    check_encoding(stream.encoding.as_deref())?;
    number("BufferDuration", stream.buffer_duration, 5_000, i64::from(i32::MAX))?;
    number("BatchCount", stream.batch_count, 1, 10_000)?;
    number("BatchSize", stream.batch_size, 1, 1_048_576)
}

fn check_texts(stream: &LogStream) -> Result<(), LogStreamError> {
    let texts = [
        ("File", &stream.file),
        ("DatetimeFormat", &stream.datetime_format),
        ("MultiLineStartPattern", &stream.multi_line_start_pattern),
    ];
    let is_long = |text: &Option<String>| text.as_ref().is_some_and(|t| t.chars().count() > 1_024);
    texts.into_iter().find(|(_, text)| is_long(text)).map_or(Ok(()), |(member, _)| Err(LogStreamError::TooLong(member)))
}

fn word(member: &'static str, found: Option<&str>, words: &[&str], known: &'static str) -> Result<(), LogStreamError> {
    match found {
        Some(found) if !words.contains(&found) => Err(LogStreamError::Word { member, found: found.to_owned(), known }),
        Some(_) | None => Ok(()),
    }
}

/// `n` or `n-m`, counted from 1 [CWL-10].
fn is_line_range(text: &str) -> bool {
    let line = |t: &str| t.parse::<u32>().ok().filter(|n| *n >= 1 && t.bytes().all(|b| b.is_ascii_digit()));
    match text.split_once('-') {
        None => line(text).is_some(),
        Some((first, last)) => line(first).zip(line(last)).is_some_and(|(first, last)| first <= last),
    }
}

fn check_encoding(encoding: Option<&str>) -> Result<(), LogStreamError> {
    match encoding {
        Some(found) if UNREADABLE.contains(&found) => Err(LogStreamError::UnreadableEncoding(found.to_owned())),
        Some(found) if !READABLE.contains(&found) => Err(LogStreamError::Encoding(found.to_owned())),
        Some(_) | None => Ok(()),
    }
}

fn number(member: &'static str, found: Option<i64>, smallest: i64, largest: i64) -> Result<(), LogStreamError> {
    match found {
        Some(found) if !(smallest..=largest).contains(&found) => Err(LogStreamError::Number { member, smallest, largest, found }),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut LogStream)) -> Result<(), LogStreamError> {
        let mut stream =
            LogStream { log_group_name: Some("shop/web".into()), file: Some("/var/log/*.log".into()), ..LogStream::default() };
        change(&mut stream);
        check(&LogsConfiguration { enabled: Some(true), log_streams: vec![stream] })
    }

    /// [CWL-6] [CWL-7] [CWL-20]
    #[test]
    fn cwl_6_every_stream_has_a_file_and_a_group_with_a_name() {
        assert_eq!(with(|_| {}), Ok(()));
        assert_eq!(with(|s| s.file = None), Err(LogStreamError::Missing("File")));
        assert_eq!(with(|s| s.log_group_name = None), Err(LogStreamError::Missing("LogGroupName")));
        for (name, fits) in [("a".repeat(512), true), ("a".repeat(513), false), ("a b".into(), false), ("A_/.-9".into(), true)] {
            assert_eq!(with(|s| s.log_group_name = Some(name.clone())).is_ok(), fits, "{name}");
        }
    }

    /// [CWL-18] No name is made up: whatever else a stream says, its group is the caller's.
    #[test]
    fn cwl_18_over_the_api_the_group_name_is_always_given_by_the_caller() {
        for file in ["/var/log/messages", "/var/log/shop/*.log", "/var/log/ecs/ecs-agent.log"] {
            let nameless = |s: &mut LogStream| (s.log_group_name, s.file) = (None, Some(file.into()));
            assert_eq!(with(nameless), Err(LogStreamError::Missing("LogGroupName")), "{file}");
        }
        assert!(with(|s| s.log_group_name = Some(String::new())).is_err(), "nor for an empty one");
    }

    /// [CWL-9] [CWL-12] [CWL-20]
    #[test]
    fn cwl_9_words_are_known_ones() {
        for (zone, fits) in [("LOCAL", true), ("UTC", true), ("utc", false)] {
            assert_eq!(with(|s| s.time_zone = Some(zone.into())).is_ok(), fits, "{zone}");
        }
        for (position, fits) in [("start_of_file", true), ("end_of_file", true), ("middle", false)] {
            assert_eq!(with(|s| s.initial_position = Some(position.into())).is_ok(), fits, "{position}");
        }
    }

    /// [CWL-8] [CWL-11] Patterns are the user's; only their length is bounded.
    #[test]
    fn cwl_8_patterns_are_taken_as_they_are() {
        assert_eq!(with(|s| s.datetime_format = Some("%Y-%m-%d %H:%M".into())), Ok(()));
        assert_eq!(with(|s| s.multi_line_start_pattern = Some("{datetime_format}".into())), Ok(()));
        let long = || Some("x".repeat(1_025));
        assert_eq!(with(|s| s.datetime_format = long()), Err(LogStreamError::TooLong("DatetimeFormat")));
        assert_eq!(with(|s| s.multi_line_start_pattern = long()), Err(LogStreamError::TooLong("MultiLineStartPattern")));
    }

    /// [CWL-10]
    #[test]
    fn cwl_10_fingerprints_are_a_line_or_a_range() {
        for (lines, fits) in [
            ("1", true),
            ("2-5", true),
            ("3-3", true),
            ("0", false),
            ("5-2", false),
            ("a", false),
            ("1-", false),
            ("+1", false),
            ("", false),
        ] {
            assert_eq!(with(|s| s.file_fingerprint_lines = Some(lines.into())).is_ok(), fits, "{lines}");
        }
    }

    /// [CWL-13]
    #[test]
    fn cwl_13_of_92_encodings_those_that_the_agent_reads() {
        assert_eq!(READABLE.len() + UNREADABLE.len(), 92);
        for readable in READABLE {
            assert_eq!(with(|s| s.encoding = Some(readable.into())), Ok(()));
        }
        let unreadable = |name: &str| with(|s| s.encoding = Some(name.into()));
        for name in UNREADABLE {
            assert_eq!(unreadable(name), Err(LogStreamError::UnreadableEncoding(name.into())));
        }
        assert_eq!(unreadable("utf-8"), Err(LogStreamError::Encoding("utf-8".into())));
    }

    /// [CWL-14] [CWL-15] [CWL-16] [CWL-20]
    #[test]
    fn cwl_14_numbers_have_their_ranges() {
        for (n, fits) in [(4_999, false), (5_000, true)] {
            assert_eq!(with(|s| s.buffer_duration = Some(n)).is_ok(), fits, "{n}");
        }
        for (n, fits) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
            assert_eq!(with(|s| s.batch_count = Some(n)).is_ok(), fits, "{n}");
        }
        for (n, fits) in [(0, false), (1, true), (1_048_576, true), (1_048_577, false), (-1, false)] {
            assert_eq!(with(|s| s.batch_size = Some(n)).is_ok(), fits, "{n}");
        }
    }
}
