//! JSON lines on standard output, which Lambda hands to CloudWatch Logs.

use std::io::Write;

use tracing::Subscriber;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// From now on this process's events are lines on standard output. For a `main`; a second call changes nothing.
pub fn begin() {
    // Only a subscriber that is there already is refused, and then that one is to stay.
    let _ = tracing::subscriber::set_global_default(subscriber(std::io::stdout));
}

/// One JSON object per event, its fields beside `timestamp`, `level`, `target` and `message`; the invocation's id is in `span.requestId`.
/// What the SDK tells of itself below a warning is left out.
pub fn subscriber<W>(writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer);
    // Where the runtime says once more, and not in fields, that an invocation failed.
    let wanted = Targets::new().with_default(LevelFilter::INFO).with_target("lambda_runtime::layers::panic", LevelFilter::OFF);
    tracing_subscriber::registry().with(lines).with(wanted)
}

/// Prints a line that is a record of its own, as it stands: a metric's, an audit record.
///
/// A standard output that is gone leaves nobody to tell, so failure is not told.
pub fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_json_object_with_its_fields_under_their_dotted_names() {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber(move || writer.clone()), || {
            tracing::warn!(layer.id = "l-1", wait_ms = 40, "a sentence\nof two lines");
            tracing::debug!("nothing for an installation's logs");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let line: Value = serde_json::from_str(text.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!((&line["level"], &line["layer.id"], &line["wait_ms"]), (&"WARN".into(), &"l-1".into(), &40.into()));
        assert_eq!(line["message"], "a sentence\nof two lines");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z') && line["target"].is_string());
    }
}
