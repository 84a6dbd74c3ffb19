//! Reading a scenario file. Every mistake names file, line, field and what was expected.

use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::check::Problem;
use super::{BEST_PRACTICES_DAY, Scenario, Source, locate};
use crate::CliError;

/// A scenario is written by hand; a larger file is something else.
const LARGEST: u64 = 1024 * 1024;

impl Scenario {
    /// The built-in scenario.
    pub fn built_in() -> Self {
        Self::parse("the built-in scenario", BEST_PRACTICES_DAY).expect("a test reads it")
    }

    /// Reads and checks a file.
    ///
    /// # Errors
    /// Bad input: unreadable, larger than 1 MiB, not TOML, an unknown or missing field, or a value that cannot be.
    pub fn load(file: &Path) -> Result<Self, CliError> {
        let size = std::fs::metadata(file).map_err(|e| CliError::unreadable(file, &e))?.len();
        if size > LARGEST {
            return Err(CliError::BadInput(format!(
                "{}: has {size} bytes, expected a scenario of at most {LARGEST}",
                file.display()
            )));
        }
        let bytes = std::fs::read(file).map_err(|e| CliError::unreadable(file, &e))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let line = locate_bytes(e.as_bytes(), e.utf8_error().valid_up_to());
            CliError::BadInput(format!("{}: line {line}: is not UTF-8, expected a TOML text", file.display()))
        })?;
        Self::parse(&file.display().to_string(), &text)
    }

    /// Reads and checks a text; `file` names it in errors.
    ///
    /// # Errors
    /// Bad input, as for [`Scenario::load`].
    pub fn parse(file: &str, text: &str) -> Result<Self, CliError> {
        if text.trim().is_empty() {
            return Err(CliError::BadInput(format!("{file}: is empty, expected a scenario; `strata sim scenario` prints one")));
        }
        let mut scenario: Self = toml::from_str(text).map_err(|error| not_toml(file, text, &error))?;
        scenario.source = Source { file: file.to_owned(), text: text.to_owned() };
        match scenario.first_problem() {
            None => Ok(scenario),
            Some(problem) => Err(scenario.problem(&problem)),
        }
    }

    /// The simulated cloud's settings: `T`'s defaults with the overrides of `[cloud]`.
    ///
    /// # Errors
    /// Bad input: an unknown field or a wrong type in `[cloud]`, with its line.
    pub fn cloud<T: DeserializeOwned + Default>(&self) -> Result<T, CliError> {
        #[derive(Deserialize)]
        struct OnlyCloud<T> {
            cloud: Option<T>,
        }
        // From the text again and not from the table, so that an error knows its line.
        let only: OnlyCloud<T> =
            toml::from_str(&self.source.text).map_err(|e| not_toml(&self.source.file, &self.source.text, &e))?;
        Ok(only.cloud.unwrap_or_default())
    }

    /// The error for a problem of a field, with the field's line.
    pub fn problem(&self, problem: &Problem) -> CliError {
        let Problem { path, what } = problem;
        let line = locate::line_of(&self.source.text, path).map(|line| format!("line {line}: ")).unwrap_or_default();
        CliError::BadInput(format!("{}: {line}{path}: {what}", self.source.file))
    }
}

fn not_toml(file: &str, text: &str, error: &toml::de::Error) -> CliError {
    let message = error.message().trim().replace('\n', ", ");
    let Some(span) = error.span() else { return CliError::BadInput(format!("{file}: {message}")) };
    let line = locate::line_at(text, span.start);
    let path = locate::path_at(text, span.start);
    let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
    CliError::BadInput(format!("{file}: line {line}: {path}{message}"))
}

fn locate_bytes(bytes: &[u8], offset: usize) -> usize {
    bytes[..offset].iter().filter(|b| **b == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "name = \"x\"\n[world]\nzones = [\"z1\"]\n[[layer]]\nstack = \"a\"\ncluster = \"a\"\nalways_on = 2\n";

    fn message(text: &str) -> String {
        let error = Scenario::parse("s.toml", text).expect_err(text);
        assert_eq!(error.exit(), crate::Exit::BadInput);
        error.to_string()
    }

    #[test]
    fn the_built_in_scenario_is_the_best_practices_day() {
        let scenario = Scenario::built_in();
        let layer = &scenario.layers[0];
        assert_eq!((layer.always_on, layer.time_based.instances(), layer.load_based), (3, 12, 4));
        assert_eq!(scenario.world.zones.len(), 3);
        assert!(!layer.services.is_empty() && !layer.demand.spikes.is_empty());
        assert_eq!((scenario.update_windows.len(), scenario.teardowns.len()), (1, 1));
        assert!(scenario.events.iter().any(|e| e.kind == super::super::EventKind::Hang));
    }

    #[test]
    fn what_is_no_scenario_is_named_by_line_and_field_and_what_was_expected() {
        for (text, says) in [
            ("", &["s.toml", "is empty"][..]),
            ("name = ", &["line 1"]),
            ("name = \"x\"", &["missing field `layer`"]),
            (
                &GOOD.replace("always_on = 2", "always_on = \"two\""),
                &["line 7", "layer[0].always_on", "string \"two\"", "expected u32"],
            ),
            (&GOOD.replace("always_on = 2", "always_on = -2"), &["line 7", "layer[0].always_on", "-2"]),
            (&GOOD.replace("always_on", "allways_on"), &["line 7", "unknown field `allways_on`", "`always_on`"]),
            (&GOOD.replace("cluster = \"a\"\n", ""), &["line 4", "layer[0]", "missing field `cluster`"]),
            (
                &GOOD.replace("zones = [\"z1\"]", "start = \"monday\""),
                &["line 3", "world.start", "monday", "2026-03-02T00:00:00Z"],
            ),
            (&format!("{GOOD}time_based = \"nights\""), &["line 8", "time_based", "nights", "best-practices-day"]),
            (&format!("{GOOD}time_based = [{{ hours = \"9-5\" }}]"), &["line 8", "time_based[0].hours", "9-5", "22-02"]),
            (&format!("{GOOD}[[event]]\nat = \"9:5\"\nkind = \"hang\""), &["line 9", "event[0].at", "9:5", "HH:MM"]),
            (&format!("{GOOD}[[event]]\nat = \"09:05\"\nkind = \"explode\""), &["line 10", "event[0].kind", "explode", "`hang`"]),
        ] {
            let message = message(text);
            for part in says {
                assert!(message.contains(part), "{text}\n-> {message}\nlacks {part}");
            }
            assert!(!message.contains('\n'), "one sentence: {message}");
        }
    }

    #[test]
    fn a_start_may_stand_without_quotes() {
        let text = GOOD.replace("zones = [\"z1\"]", "start = 2026-03-09T00:00:00Z");
        assert_eq!(Scenario::parse("s.toml", &text).unwrap().world.start.to_string(), "2026-03-09T00:00:00Z");
    }

    #[test]
    fn the_clouds_settings_are_defaults_with_overrides_and_their_mistakes_have_lines() {
        #[derive(Debug, Default, PartialEq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Cloud {
            boot_seconds: u32,
            other: u32,
        }
        let with = |cloud: &str| Scenario::parse("s.toml", &format!("{GOOD}[cloud]\n{cloud}\n")).unwrap().cloud::<Cloud>();
        assert_eq!(with("boot_seconds = 7").unwrap(), Cloud { boot_seconds: 7, other: 0 });
        assert_eq!(Scenario::parse("s.toml", GOOD).unwrap().cloud::<Cloud>().unwrap(), Cloud::default());
        let error = with("boot_secs = 7").unwrap_err().to_string();
        assert!(error.contains("line 9") && error.contains("boot_secs") && error.contains("boot_seconds"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_not_text_or_too_large_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.toml");
        let refused = |says: &str| {
            let error = Scenario::load(&file).unwrap_err();
            assert_eq!(error.exit(), crate::Exit::BadInput);
            assert!(error.to_string().contains("s.toml") && error.to_string().contains(says), "{error}");
        };
        refused("cannot be read");
        std::fs::write(&file, b"name = \"x\"\nb = \"\xff\"").unwrap();
        refused("line 2: is not UTF-8");
        std::fs::write(&file, vec![b'#'; 1024 * 1024 + 1]).unwrap();
        refused("at most 1048576");
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        refused("cannot be read");
    }

    /// The parser itself lists the keys that it knows.
    #[test]
    fn every_key_is_in_the_documentation() {
        let documentation = include_str!("../../../../docs/scenarios.md");
        let mut keys = 0;
        for table in [
            "nokey = 1\n",
            "[world]\nnokey = 1\n",
            "[[layer]]\nnokey = 1\n",
            "[[layer]]\ntime_based = [{ nokey = 1 }]\n",
            "[[layer]]\n[layer.load_scaling]\nnokey = 1\n",
            "[[layer]]\n[layer.load_scaling.up]\nnokey = 1\n",
            "[[layer]]\n[layer.demand]\nnokey = 1\n",
            "[[layer]]\n[layer.demand]\nspikes = [{ nokey = 1 }]\n",
            "[[layer]]\n[[layer.service]]\nnokey = 1\n",
            "[[event]]\nnokey = 1\n",
            "[[event]]\nat = \"09:00\"\nkind = \"nokind\"\n",
            "[[update_window]]\nnokey = 1\n",
            "[[teardown]]\nnokey = 1\n",
        ] {
            let message = message(table);
            let (_, known) = message.split_once("expected ").unwrap_or_else(|| panic!("{message}"));
            for key in known.split('`').skip(1).step_by(2) {
                keys += 1;
                // A key of a list stands in a code span together with its neighbours.
                let spans = documentation.split('`').skip(1).step_by(2);
                let named = spans.flat_map(|span| span.split(|c: char| !c.is_alphanumeric() && c != '_')).any(|word| word == key);
                assert!(named, "docs/scenarios.md lacks `{key}` of {table}");
            }
        }
        assert!(keys > 50, "{keys}");
    }
}
