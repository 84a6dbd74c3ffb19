//! `strata backtest`, the built binary.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const LAYER: &str = "name = \"web\"\n[[layer]]\nstack = \"shop\"\ncluster = \"shop\"\n";

fn backtest(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_strata")).arg("backtest").args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Two weeks at five minutes: 10 percent at night, 60 from 08:00 to 18:00 UTC, with a spike of 95 at noon of each day.
fn history(folder: &Path) {
    let mut text = "timestamp,value\n".to_owned();
    for step in 0..14 * 288 {
        let (day, minute) = (step / 288, step % 288 * 5);
        let cpu = match minute / 60 {
            12 if minute % 60 < 30 => 95,
            8..18 => 60,
            _ => 10,
        };
        writeln!(text, "2026-03-{:02} {:02}:{:02}:00,{cpu}", day + 2, minute / 60, minute % 60).unwrap();
    }
    std::fs::write(folder.join("cpu.csv"), text).unwrap();
}

const METRICS: [&str; 6] = ["--metrics", "cpu.csv", "--unit", "cpu", "--measured-on", "30"];

#[test]
fn settings_stand_side_by_side_with_their_shortage_hours_and_cost() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    history(folder);
    std::fs::write(folder.join("always.toml"), format!("{LAYER}always_on = 40\n")).unwrap();
    let mixed = "always_on = 6\ntime_based = [{ hours = \"08-18\", instances = 20 }]\nload_based = 14\n[layer.load_scaling]\n\
                 up = { instances = 5, wait_minutes = 2, ignore_minutes = 5 }\ndown = { instances = 5, cpu = 50.0 }\n";
    std::fs::write(folder.join("mixed.toml"), format!("{LAYER}{mixed}")).unwrap();
    let files = ["--layer-file", "always.toml", "--layer-file", "mixed.toml", "--price", "0.1"];
    let (code, told, why) = backtest(folder, &[&files[..], &METRICS, &["--json", "--chart", "out.html"]].concat());
    assert_eq!(code, Some(0), "{why}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let (always, mixed) = (&told["replayed"][0], &told["replayed"][1]);
    assert_eq!((&always["minutes_under"], &always["events"]), (&0.into(), &0.into()), "40 hosts do all of it");
    assert!((always["instance_hours"].as_f64().unwrap() - 40.0 * 14.0 * 24.0).abs() < 1e-6);
    assert!((always["cost"].as_f64().unwrap() - 4.0 * 14.0 * 24.0).abs() < 1e-6);
    assert!(mixed["events"].as_u64().unwrap() >= 28, "up and down on each day: {mixed}");
    assert!(mixed["cost"].as_f64().unwrap() < always["cost"].as_f64().unwrap() / 2.0, "{mixed}");
    assert!(mixed["minutes_under"].as_u64().unwrap() > 0 && mixed["minutes_under"].as_u64().unwrap() < 14 * 60, "{mixed}");
    let page = std::fs::read_to_string(folder.join("out.html")).unwrap();
    assert!(page.contains("always.toml") && page.contains("mixed.toml") && page.contains("<polyline"), "a chart of each");

    let (code, told, why) = backtest(folder, &[&files[..], &METRICS].concat());
    assert_eq!(code, Some(0), "{why}");
    let head = told.lines().nth(2).unwrap();
    assert!(head.contains("always.toml") && head.contains("mixed.toml") && told.contains("flaps"), "{told}");
}

#[test]
fn files_and_scales_that_cannot_be_used_end_with_2_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    history(folder);
    std::fs::write(folder.join("web.toml"), format!("{LAYER}always_on = 4\n")).unwrap();
    std::fs::write(folder.join("load.toml"), format!("{LAYER}load_based = 4\n")).unwrap();
    std::fs::write(folder.join("wait.toml"), format!("{LAYER}always_on = 1\n[layer.load_scaling.up]\nwait_minutes = 101\n"))
        .unwrap();
    std::fs::write(folder.join("requests.csv"), "timestamp,value\n2026-03-02 00:00:00,250\n").unwrap();
    let rows = |rows: &str| format!("timestamp,value\n{rows}");
    std::fs::write(folder.join("fractions.csv"), rows("2026-03-02 00:00:00,0.4\n2026-03-02 00:05:00,0.95\n")).unwrap();
    std::fs::write(folder.join("unsorted.csv"), rows("2026-03-02 00:05:00,40\n2026-03-02 00:00:00,50\n")).unwrap();
    let before = std::fs::read_dir(folder).unwrap().count();
    let with = |layer: &'static str, more: &[&'static str]| [&["--layer-file", layer][..], more].concat();
    for (arguments, says) in [
        (with("absent.toml", &METRICS), "absent.toml"),
        (with("wait.toml", &METRICS), "wait_minutes"),
        (with("web.toml", &["--metrics", "absent.csv", "--unit", "cpu"]), "absent.csv"),
        (with("web.toml", &["--metrics", "requests.csv", "--unit", "cpu"]), "250 is not a percentage"),
        (with("web.toml", &["--metrics", "fractions.csv", "--unit", "cpu"]), "no value is above 0.95, these look like fractions"),
        (with("web.toml", &["--metrics", "unsorted.csv", "--unit", "cpu"]), "line 3"),
        (with("web.toml", &["--metrics", "cpu.csv"]), "--unit"),
        (with("load.toml", &["--metrics", "cpu.csv", "--unit", "cpu"]), "--measured-on"),
        (with("web.toml", &["--metrics", "cpu.csv", "--unit", "cpu", "--measured-on", "0"]), "above 0"),
        (
            with("web.toml", &["--metrics", "cpu.csv", "--unit", "cpu", "--from", "2027-01-01T00:00:00Z"]),
            "expected a moment between",
        ),
        (with("web.toml", &["--metrics", "cpu.csv", "--unit", "cpu", "--chart", "no/where.html"]), "no/where.html"),
    ] {
        let (code, told, why) = backtest(folder, &arguments);
        assert!(code == Some(2) && told.is_empty() && why.contains(says), "{arguments:?}: {code:?} {why}");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), before);
}

/// Gaps, doubled rows, a single value, constant and no load: what can be replayed is, and only what has data is judged.
#[test]
fn histories_that_are_odd_but_can_be_used_are_judged_where_they_have_data() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("web.toml"), format!("{LAYER}always_on = 4\nload_based = 4\n[layer.load_scaling]\n")).unwrap();
    let row = |minute: u32, cpu: &str| format!("2026-03-02 00:{minute:02}:00,{cpu}\n");
    let steady = |cpu: &str| (0..12).map(|n| row(n * 5, cpu)).collect::<String>();
    for (rows, measured, gaps, under) in [
        (steady("50"), 60, 0, 0),
        (steady("0"), 60, 0, 0),
        (row(0, "90"), 5, 0, 5), // a value alone holds for five minutes
        (row(0, "50") + &row(5, "50") + &row(10, "50") + &row(40, "50") + &row(45, "50"), 25, 25, 0),
        (row(0, "90") + &row(0, "50") + &row(5, "50") + &row(10, "50"), 15, 0, 0), // of doubled rows the later counts
        (row(0, "50") + &row(5, "") + &row(10, "50") + &row(15, "50") + &row(20, "50"), 20, 5, 0),
    ] {
        std::fs::write(folder.join("odd.csv"), format!("timestamp,value\n{rows}")).unwrap();
        let arguments = ["--layer-file", "web.toml", "--metrics", "odd.csv", "--unit", "cpu", "--json"];
        let (code, told, why) = backtest(folder, &arguments);
        assert_eq!(code, Some(0), "{rows}: {why}");
        let told: Value = serde_json::from_str(&told).unwrap();
        let of = &told["replayed"][0];
        let found = (of["measured"].as_u64(), of["gaps"].as_u64(), of["minutes_under"].as_u64());
        assert_eq!(found, (Some(measured), Some(gaps), Some(under)), "{rows}");
    }
}
