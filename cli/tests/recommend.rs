//! `strata recommend`, the built binary.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn strata(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_strata")).args(arguments).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// `days` from Monday 2026-03-02 on, a value every half an hour.
fn write(folder: &Path, file: &str, days: u32, value: impl Fn(u32, u32) -> f64) {
    let mut text = "timestamp,value\n".to_owned();
    for step in 0..days * 48 {
        let (day, minute) = (step / 48, step % 48 * 30);
        writeln!(text, "2026-03-{:02} {:02}:{:02}:00,{}", day + 2, minute / 60, minute % 60, value(day, minute)).unwrap();
    }
    std::fs::write(folder.join(file), text).unwrap();
}

/// An office: on work days 60 percent from 08:00 to 18:00, else 12; and half an hour of 72 at a different time of each day.
fn office(day: u32, minute: u32) -> f64 {
    let spike = 9 * 60 + day * 7 % 16 * 30;
    match (minute / 60, day % 7) {
        _ if day % 7 < 5 && minute == spike => 72.0,
        (8..18, 0..5) => 60.0,
        _ => 12.0,
    }
}

const OFFICE: [&str; 7] = ["recommend", "--metrics", "office.csv", "--unit", "cpu", "--measured-on", "10"];

/// [SCALE-6]: the mix that is meant, from a history that asks for it.
#[test]
fn scale_6_an_office_week_becomes_24_7_time_based_and_load_based_hosts_that_beat_what_is_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "office.csv", 14, office);
    let files = ["--layer-file", "mix.toml", "--commands", "mix.sh", "--chart", "mix.html", "--price", "0.1", "--json"];
    let (code, told, why) = strata(folder, &[&OFFICE[..], &files].concat());
    assert_eq!(code, Some(0), "{why}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["held_out_from"], "2026-03-12T00:00:00Z");
    assert_eq!(told["always_on"], 2, "1.6 hosts' worth at night: {told}");
    let timers = told["time_based"].as_array().unwrap();
    let hosts: u64 = timers.iter().map(|timer| timer["instances"].as_u64().unwrap()).sum();
    assert!((5..=7).contains(&hosts), "8 hosts' worth by day: {told}");
    for timer in timers {
        let week = timer["schedule"].as_object().unwrap();
        assert!(week.contains_key("Monday") && week["Friday"].get("12").is_some(), "{timer}");
        assert!(!week.contains_key("Saturday") && !week.contains_key("Sunday"), "the weekend is quiet: {timer}");
    }
    let judged = told["judged"].as_array().unwrap();
    let names: Vec<&str> = judged.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["always on", "reactive", "reactive tuned", "recommended"]);
    let verdicts = told["verdicts"].as_array().unwrap();
    assert!(verdicts.iter().all(|line| line.as_str().unwrap().starts_with("better than")), "{verdicts:?}");
    let cost = |n: usize| judged[n]["cost"].as_f64().unwrap();
    assert!(cost(3) < cost(0) * 0.75, "{judged:?}");
    assert!(told["judged"][3]["minutes_under"].as_u64() <= told["limit_minutes"].as_u64(), "{judged:?}");
    the_layer_file_is_backtested(folder, &told);
    the_commands_make_the_same_hosts(folder, &told);
    let page = std::fs::read_to_string(folder.join("mix.html")).unwrap();
    assert!(page.contains("The week") && page.contains("recommended") && !page.contains("http"), "one page with all in it");
    assert_eq!(page.matches("<svg").count(), 5, "the week, and each way to scale");
}

fn the_layer_file_is_backtested(folder: &Path, told: &Value) {
    let metrics = ["--metrics", "office.csv", "--unit", "cpu", "--measured-on", "10", "--json", "--price", "0.1"];
    let arguments = [&["backtest", "--layer-file", "mix.toml", "--from", "2026-03-12T00:00:00Z"], &metrics[..]].concat();
    let (code, replayed, why) = strata(folder, &arguments);
    assert_eq!(code, Some(0), "{why}");
    let replayed: Value = serde_json::from_str(&replayed).unwrap();
    let (of_file, of_mix) = (&replayed["replayed"][0], &told["judged"][3]);
    let difference = of_file["instance_hours"].as_f64().unwrap() - of_mix["instance_hours"].as_f64().unwrap();
    assert!(difference.abs() < 4.0, "the same but for what the evening before left: {of_file} {of_mix}");
    let (code, checked, why) = strata(folder, &["sim", "scenario", "mix.toml"]);
    assert!(code == Some(0) && checked.contains("good"), "{why}");
}

/// Runs the script with an `aws` that writes down what it is asked and answers with an id.
fn the_commands_make_the_same_hosts(folder: &Path, told: &Value) {
    let bin = folder.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let aws = bin.join("aws");
    std::fs::write(&aws, "#!/bin/sh\nfor word in \"$@\"; do printf '%s\\t' \"$word\" >> calls; done; echo >> calls\necho id-1\n")
        .unwrap();
    Command::new("chmod").arg("755").arg(&aws).status().unwrap();
    let run = |subnets: &str| {
        let mut command = Command::new("sh");
        command.arg("mix.sh").current_dir(folder).env_clear().env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
        command.envs([("STACK_ID", "stack"), ("LAYER_ID", "layer")]);
        if !subnets.is_empty() {
            command.env("SUBNETS", subnets);
        }
        command.output().unwrap()
    };
    let refused = run("");
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("SUBNETS"), "{refused:?}");
    assert!(!folder.join("calls").exists(), "nothing is made without the subnets");
    let done = run("subnet-a subnet-b");
    assert!(done.status.success(), "{done:?}");
    let calls = std::fs::read_to_string(folder.join("calls")).unwrap();
    let of = |words: &str| calls.lines().filter(|line| line.replace('\t', " ").contains(words)).collect::<Vec<_>>();
    let count = |words: &str| of(words).len() as u64;
    let timers = told["time_based"].as_array().unwrap();
    let timed: u64 = timers.iter().map(|timer| timer["instances"].as_u64().unwrap()).sum();
    let (always_on, load) = (told["always_on"].as_u64().unwrap(), told["load_based"].as_u64().unwrap());
    assert_eq!(count("opsworks create-instance"), always_on + timed + load);
    assert_eq!(count("opsworks start-instance --instance-id id-1"), always_on);
    assert_eq!((count("--auto-scaling-type timer"), count("--auto-scaling-type load")), (timed, load));
    assert!(count("--subnet-id subnet-a").abs_diff(count("--subnet-id subnet-b")) <= 1, "spread over the subnets");
    let schedules = of("set-time-based-auto-scaling");
    let sent: Value = serde_json::from_str(schedules[0].trim_end().rsplit('\t').next().unwrap()).unwrap();
    assert_eq!((schedules.len() as u64, sent), (timed, timers[0]["schedule"].clone()));
    let up = &told["load_scaling"]["up"];
    let words = format!(
        "--enable --up-scaling InstanceCount={},ThresholdsWaitTime={},IgnoreMetricsTime={},CpuThreshold={}",
        up["instances"],
        up["wait_minutes"],
        up["ignore_minutes"],
        up["cpu"].as_f64().unwrap()
    );
    assert_eq!(count(&words), 1, "{words}\n{calls}");
}

#[test]
fn loads_with_nothing_to_plan_give_the_plain_answer() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "zero.csv", 4, |_, _| 0.0);
    write(folder, "constant.csv", 4, |_, _| 60.0);
    let told = |file: &str, hosts: &str| {
        let (code, told, why) =
            strata(folder, &["recommend", "--metrics", file, "--unit", "cpu", "--measured-on", hosts, "--json"]);
        assert_eq!(code, Some(0), "{file}: {why}");
        serde_json::from_str::<Value>(&told).unwrap()
    };
    for (file, hosts, always_on, load_based) in [
        ("zero.csv", "10", 1, 0),
        ("constant.csv", "10", 8, 2), // 8 hosts' worth; a quarter more are ten
        ("constant.csv", "1", 1, 0),  // a single host that is not full
    ] {
        let told = told(file, hosts);
        assert_eq!((&told["always_on"], &told["load_based"]), (&always_on.into(), &load_based.into()), "{file}: {told}");
        assert_eq!((&told["time_based"], &told["judged"][3]["minutes_under"]), (&serde_json::json!([]), &0.into()), "{file}");
    }
    let zero = told("zero.csv", "10");
    assert!(zero["warnings"].to_string().contains("no demand at all"), "{zero}");
    let short = zero["warnings"].to_string();
    assert!(short.contains("less than two weeks"), "{short}");
}

#[test]
fn histories_that_cannot_be_planned_by_end_with_2_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "office.csv", 14, office);
    write(folder, "short.csv", 2, office);
    write(folder, "fractions.csv", 14, |day, minute| office(day, minute) / 100.0);
    write(folder, "over.csv", 14, |day, minute| office(day, minute) * 2.0);
    let rows = |text: &str| format!("timestamp,value\n{text}");
    std::fs::write(folder.join("unsorted.csv"), rows("2026-03-02 01:00:00,5\n2026-03-02 00:00:00,5\n")).unwrap();
    std::fs::write(folder.join("one.csv"), rows("2026-03-02 01:00:00,5\n")).unwrap();
    let gaps: String = (2..16)
        .map(|day| format!("2026-03-{day:02} 12:00:00,5\n2026-03-{day:02} 12:05:00,5\n2026-03-{day:02} 12:10:00,5\n"))
        .collect();
    std::fs::write(folder.join("gaps.csv"), rows(&gaps)).unwrap();
    let before = std::fs::read_dir(folder).unwrap().count();
    let cpu = |file: &'static str, more: &[&'static str]| [&["--metrics", file, "--unit", "cpu"], more].concat();
    let on_ten = ["--measured-on", "10"];
    for (arguments, says) in [
        (cpu("absent.csv", &on_ten), "absent.csv"),
        (cpu("office.csv", &[]), "expected --measured-on HOSTS"),
        (vec!["--metrics", "office.csv", "--unit", "requests"], "expected --per-server REQUESTS"),
        (cpu("short.csv", &on_ten), "expected at least 3 days"),
        (cpu("one.csv", &on_ten), "expected at least 3 days"),
        (cpu("fractions.csv", &on_ten), "look like fractions"),
        (cpu("over.csv", &on_ten), "120 is not a percentage"),
        (cpu("unsorted.csv", &on_ten), "never go back"),
        (cpu("gaps.csv", &on_ten), "fewer gaps"),
        (cpu("office.csv", &["--measured-on", "5000"]), "expected at most 1000"),
        (cpu("office.csv", &["--measured-on", "10", "--held-out-days", "13"]), "expected at most 12"),
        (cpu("office.csv", &["--measured-on", "10", "--shortage-limit", "60"]), "0 to 50"),
        (cpu("office.csv", &["--measured-on", "10", "--stack", "a b"]), "cannot be a name"),
        (cpu("office.csv", &["--measured-on", "10", "--chart", "no/where.html"]), "no/where.html"),
    ] {
        let written = ["--layer-file", "mix.toml", "--commands", "mix.sh"];
        let (code, told, why) = strata(folder, &[&["recommend"], &arguments[..], &written].concat());
        assert!(code == Some(2) && told.is_empty() && why.contains(says), "{arguments:?}: {code:?} {why}");
    }
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), before);
}

#[test]
fn people_get_the_reasons_the_figures_and_the_risk() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "week.csv", 4, |_, minute| if (480..1080).contains(&minute) { 60.0 } else { 15.0 });
    let (code, told, why) = strata(folder, &["recommend", "--metrics", "week.csv", "--unit", "cpu", "--measured-on", "4"]);
    assert_eq!(code, Some(0), "{why}");
    let (code, again, _) = strata(folder, &["recommend", "--metrics", "week.csv", "--unit", "cpu", "--measured-on", "4"]);
    assert_eq!((code, &again), (Some(0), &told), "the same file gives the same mix");
    for words in ["1 host 24/7", "every day", "load-based", "cost a month", "risk: ", "better than always on", "note: 4 days"] {
        assert!(told.contains(words), "{words} in\n{told}");
    }
}
