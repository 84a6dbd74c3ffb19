//! `CloudWatchLogsConfiguration` of a layer, as sent and as shown [CWL-1]: both have the same members.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::log_streams;
use strata_domain::model::{LogStream, LogsConfiguration};

use crate::api::error::ApiError;

/// As sent.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CloudWatchLogsConfigurationMembers {
    /// Whether logs are shipped to CloudWatch Logs. The default is false.
    enabled: Option<bool>,
    /// The log streams.
    log_streams: Option<Vec<CloudWatchLogsLogStreamMembers>>,
}

/// One log stream, as sent.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct CloudWatchLogsLogStreamMembers {
    /// The log group; it is made if it is not there.
    log_group_name: Option<String>,
    /// How the time stamp is read from a message, as strptime patterns.
    datetime_format: Option<String>,
    /// The time zone of the time stamps: LOCAL or UTC.
    time_zone: Option<String>,
    /// The file, or a pattern of files of which the newest is shipped.
    file: Option<String>,
    /// The lines by which a file is known: a number, or a range such as 2-5. The default is 1.
    file_fingerprint_lines: Option<String>,
    /// The pattern of a message's first line.
    multi_line_start_pattern: Option<String>,
    /// Where shipping begins: start_of_file or end_of_file.
    initial_position: Option<String>,
    /// The encoding of the file. The default is utf_8.
    encoding: Option<String>,
    /// How long events are gathered, in milliseconds; at least 5000.
    buffer_duration: Option<i64>,
    /// How many events a batch has at most; at most 10000.
    batch_count: Option<i64>,
    /// How many bytes a batch has at most; at most 1048576.
    batch_size: Option<i64>,
}

/// The configuration, checked [CWL-20].
pub(super) fn logs(sent: &CloudWatchLogsConfigurationMembers) -> Result<LogsConfiguration, ApiError> {
    let streams = sent.log_streams.iter().flatten().map(stream).collect();
    let configuration = LogsConfiguration { enabled: sent.enabled, log_streams: streams };
    let refused = |e: log_streams::LogStreamError| ApiError::Validation(format!("Cloud Watch Logs Configuration: {e}"));
    log_streams::check(&configuration).map_err(refused)?;
    Ok(configuration)
}

fn stream(sent: &CloudWatchLogsLogStreamMembers) -> LogStream {
    let s = sent.clone();
    LogStream {
        log_group_name: s.log_group_name,
        file: s.file,
        datetime_format: s.datetime_format,
        time_zone: s.time_zone,
        file_fingerprint_lines: s.file_fingerprint_lines,
        multi_line_start_pattern: s.multi_line_start_pattern,
        initial_position: s.initial_position,
        encoding: s.encoding,
        buffer_duration: s.buffer_duration,
        batch_count: s.batch_count,
        batch_size: s.batch_size,
    }
}
