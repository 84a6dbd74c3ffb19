//! What a person sees while the world runs: timeline on stdout, progress on stderr if someone is watching.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jiff::SignedDuration;

use super::Observer;
use super::log::{Log, LogLine, LogTotals};
use super::output_file::OutputFile;
use super::timeline::Timeline;
use crate::CliError;

/// The command line's observer.
pub struct Watch {
    log: Log,
    timeline: Option<Timeline>,
    stdout: std::io::BufWriter<std::io::Stdout>,
    stdout_is_terminal: bool,
    bar: ProgressBar,
}

impl Watch {
    /// Logs into `events`, if there is such a file, and shows the timeline if asked for.
    pub fn new(events: Option<OutputFile>, show_timeline: bool) -> Self {
        let stdout_is_terminal = std::io::stdout().is_terminal();
        let colour = stdout_is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let bar = if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {elapsed}");
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(8));
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        } else {
            ProgressBar::hidden()
        };
        Self {
            log: Log::new(events),
            timeline: show_timeline.then_some(Timeline { colour }),
            stdout: std::io::BufWriter::with_capacity(64 * 1024, std::io::stdout()),
            stdout_is_terminal,
            bar,
        }
    }

    /// Ends timeline, progress and log.
    ///
    /// # Errors
    /// Failed: the log could not be written.
    pub fn finish(mut self) -> Result<LogTotals, CliError> {
        self.bar.finish_and_clear();
        // A reader that went away does not end the run: files may still be wanted.
        let _ = self.stdout.flush();
        self.log.finish()
    }
}

impl Observer for Watch {
    fn line(&mut self, line: &LogLine) {
        self.log.line(line);
        let Some(text) = self.timeline.and_then(|timeline| timeline.text(line)) else { return };
        let (stdout, at_once) = (&mut self.stdout, self.stdout_is_terminal);
        let mut write = || -> std::io::Result<()> {
            stdout.write_all(text.as_bytes())?;
            if at_once { stdout.flush() } else { Ok(()) }
        };
        // The bar must not be written through.
        let written = if at_once { self.bar.suspend(write) } else { write() };
        if written.is_err() {
            self.timeline = None;
        }
    }

    fn progress(&mut self, simulated: SignedDuration, of: SignedDuration) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_length(of.as_mins().unsigned_abs());
        self.bar.set_position(simulated.as_mins().unsigned_abs());
        self.bar.set_message(format!(
            "day {}, {:02}:{:02}",
            simulated.as_hours() / 24 + 1,
            simulated.as_hours() % 24,
            simulated.as_mins() % 60
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_logged_whether_it_is_shown_or_not() {
        let mut watch = Watch::new(None, false);
        let at = "2026-03-02T00:00:00Z".parse().unwrap();
        watch.line(&LogLine::event(at, "api", "call", b"{}"));
        watch.line(&LogLine::World { at, what: "web1 hangs".into() });
        watch.progress(SignedDuration::from_mins(1), SignedDuration::from_mins(2));
        let totals = watch.finish().unwrap();
        assert_eq!(totals.lines, [("event".to_owned(), 1), ("world".to_owned(), 1)].into());
    }
}
