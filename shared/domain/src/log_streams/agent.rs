//! What layers want shipped, in the CloudWatch agent's own form [CWL-2..4, 17].

use serde_json::{Map, Value, json};

use crate::model::{LogStream, LogsConfiguration};

/// The agent's configuration for a host: the streams of all its layers whose logs are switched on [CWL-2], each into a stream named after
/// the host [CWL-17]. `None` when nothing is shipped [CWL-4].
///
/// Our choice: `FileFingerprintLines`, `InitialPosition`, `BatchCount` and `BatchSize` have no counterpart in this agent and are left out;
/// the smallest `BufferDuration` counts for all.
pub fn agent_configuration<'a>(layers: impl IntoIterator<Item = &'a LogsConfiguration>, hostname: &str) -> Option<Value> {
    let is_on = |logs: &&LogsConfiguration| logs.enabled == Some(true);
    let mut streams: Vec<&LogStream> = Vec::new();
    for stream in layers.into_iter().filter(is_on).flat_map(|logs| &logs.log_streams) {
        if !streams.contains(&stream) {
            streams.push(stream);
        }
    }
    if streams.is_empty() {
        return None;
    }
    let flush_ms = streams.iter().filter_map(|stream| stream.buffer_duration).min().unwrap_or(5_000);
    let list: Vec<Value> = streams.iter().map(|stream| collected(stream, hostname)).collect();
    Some(json!({
        "agent": { "run_as_user": "root" },
        "logs": {
            "logs_collected": { "files": { "collect_list": list } },
            "force_flush_interval": flush_ms.div_euclid(1_000).max(1),
        },
    }))
}

fn collected(stream: &LogStream, hostname: &str) -> Value {
    let mut file = Map::new();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            file.insert(name.to_owned(), Value::String(value));
        }
    };
    set("file_path", stream.file.clone());
    set("log_group_name", stream.log_group_name.clone());
    set("log_stream_name", Some(hostname.to_owned()));
    set("timestamp_format", stream.datetime_format.clone());
    let zone = stream.time_zone.as_deref().map(|zone| if zone == "UTC" { "UTC" } else { "Local" });
    set("timezone", zone.map(str::to_owned));
    let pattern = stream.multi_line_start_pattern.as_deref();
    set("multi_line_start_pattern", pattern.map(|pattern| pattern.replace("{datetime_format}", "{timestamp_format}")));
    set("encoding", stream.encoding.as_deref().map(agents_encoding));
    Value::Object(file)
}

/// An encoding as the agent spells it. What it has no name of its own for is read as its superset.
fn agents_encoding(name: &str) -> String {
    match name {
        "cp866" => "ibm866".to_owned(),
        "gb2312" => "gbk".to_owned(),
        "latin_1" => "windows-1252".to_owned(),
        "iso8859_9" => "windows-1254".to_owned(),
        "mac_roman" => "macintosh".to_owned(),
        "mac_cyrillic" => "x-mac-cyrillic".to_owned(),
        "shift_jis" => name.to_owned(),
        "utf_16_be" | "utf_16_le" => name.replacen('_', "-", 1).replace('_', ""),
        _ => match name.strip_prefix("cp") {
            Some(number) => format!("windows-{number}"),
            None => name.replace('_', "-"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(file: &str) -> LogStream {
        LogStream { log_group_name: Some("shop".into()), file: Some(file.into()), ..LogStream::default() }
    }

    fn logs(enabled: Option<bool>, files: &[&str]) -> LogsConfiguration {
        LogsConfiguration { enabled, log_streams: files.iter().map(|file| stream(file)).collect() }
    }

    fn files(configuration: &Value) -> Vec<&str> {
        let list = configuration["logs"]["logs_collected"]["files"]["collect_list"].as_array().unwrap();
        list.iter().map(|file| file["file_path"].as_str().unwrap()).collect()
    }

    /// [CWL-2]
    #[test]
    fn cwl_2_streams_of_all_layers_that_are_switched_on_are_shipped_each_once() {
        let layers =
            [logs(Some(true), &["a", "b"]), logs(Some(false), &["c"]), logs(None, &["d"]), logs(Some(true), &["b", "e"])];
        assert_eq!(files(&agent_configuration(&layers, "web1").unwrap()), ["a", "b", "e"]);
        assert_eq!(agent_configuration(&layers[1..3], "web1"), None);
        assert_eq!(agent_configuration(&[logs(Some(true), &[])], "web1"), None);
    }

    /// [CWL-17] [CWL-8] [CWL-9] [CWL-11] [CWL-14]
    #[test]
    fn cwl_17_a_stream_is_named_after_its_host_and_keeps_its_settings() {
        let full = LogStream {
            datetime_format: Some("%Y-%m-%d".into()),
            time_zone: Some("LOCAL".into()),
            multi_line_start_pattern: Some("{datetime_format}".into()),
            encoding: Some("utf_8".into()),
            buffer_duration: Some(7_500),
            ..stream("/var/log/app.log")
        };
        let logs = LogsConfiguration { enabled: Some(true), log_streams: vec![full] };
        let expected = json!({
            "agent": { "run_as_user": "root" },
            "logs": { "force_flush_interval": 7, "logs_collected": { "files": { "collect_list": [{
                "file_path": "/var/log/app.log", "log_group_name": "shop", "log_stream_name": "web1", "timestamp_format": "%Y-%m-%d",
                "timezone": "Local", "multi_line_start_pattern": "{timestamp_format}", "encoding": "utf-8",
            }] } } },
        });
        assert_eq!(agent_configuration([&logs], "web1"), Some(expected));
    }

    /// [CWL-13]
    #[test]
    fn cwl_13_encodings_have_the_agents_names() {
        for (ours, its) in [
            ("ascii", "ascii"),
            ("cp866", "ibm866"),
            ("cp1252", "windows-1252"),
            ("euc_jp", "euc-jp"),
            ("iso8859_15", "iso8859-15"),
            ("shift_jis", "shift_jis"),
            ("utf_16_le", "utf-16le"),
            ("utf_8", "utf-8"),
        ] {
            assert_eq!(agents_encoding(ours), its, "{ours}");
        }
    }
}
