use super::*;

fn source(unit: Unit) -> TraceSource {
    TraceSource { file: "t.csv".into(), time_column: "timestamp".to_owned(), value_column: "value".to_owned(), unit }
}

fn read(text: &str) -> Trace {
    Trace::parse(text.as_bytes(), &source(Unit::Cpu)).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn every_form_of_time_that_exports_use_is_read_as_utc_and_nothing_vaguer() {
    let noon = Some(at("2014-02-14T12:00:00Z"));
    for text in [
        "2014-02-14 12:00:00",
        "2014-02-14 12:00",
        "2014-02-14 12:00:00.000",
        "2014/02/14 12:00:00",
        "2014-02-14T12:00:00",
        "2014-02-14T12:00:00Z",
        "2014-02-14T12:00:00.000Z",
        "2014-02-14T14:00:00+02:00",
        "2014-02-14 12:00:00+00:00",
        " 2014-02-14 12:00:00 ",
    ] {
        assert_eq!(parse_time(text), noon, "{text}");
    }
    for text in
        ["2014-02-14", "12:00:00", "02/14/2014 12:00:00", "2014-02-30 12:00:00", "1392379200", "noon", "", "é014-02-14 12:00:00"]
    {
        assert_eq!(parse_time(text), None, "{text}");
    }
}

#[test]
fn what_cannot_be_used_is_named_by_file_line_column_and_what_was_expected() {
    let head = "timestamp,value\n2014-02-14 12:00:00,1\n";
    for (text, unit, says) in [
        (String::new(), Unit::Cpu, &["t.csv: is empty", "expected a CSV with a header line"][..]),
        ("\n\n".to_owned(), Unit::Cpu, &["is empty"]),
        ("timestamp,value\n".to_owned(), Unit::Cpu, &["has a header but no values"]),
        (
            "time,value\n2014-02-14 12:00:00,1\n".to_owned(),
            Unit::Cpu,
            &["line 1: there is no column `timestamp`", "`time`, `value`"],
        ),
        ("timestamp,cpu\n2014-02-14 12:00:00,1\n".to_owned(), Unit::Cpu, &["no column `value`", "`timestamp`, `cpu`"]),
        (format!("{head}2014-02-14 12:05:00,high\n"), Unit::Cpu, &["t.csv: line 3: column `value`: \"high\" is not a number"]),
        (format!("{head}2014-02-14 12:05:00,NaN\n"), Unit::Cpu, &["line 3: column `value`", "not a number"]),
        (format!("{head}2014-02-14 12:05:00,inf\n"), Unit::Requests, &["line 3: column `value`", "not a number"]),
        (format!("{head}2014-02-14 12:05:00,-1\n"), Unit::Requests, &["line 3: column `value`: -1 is negative", "0 or more"]),
        (format!("{head}2014-02-14 12:05:00,100.1\n"), Unit::Cpu, &["line 3: column `value`: 100.1", "0 to 100"]),
        (format!("{head}yesterday,1\n"), Unit::Cpu, &["line 3: column `timestamp`: \"yesterday\"", "YYYY-MM-DD HH:MM:SS"]),
        (format!("{head}2014-02-14 11:55:00,1\n"), Unit::Cpu, &["line 3: column `timestamp`", "before", "never go back"]),
        (format!("{head}\n2014-02-14 12:05:00,x\n"), Unit::Cpu, &["line 4: column `value`"]),
        (format!("{head}2014-02-14 12:05:00,x\n").replace('\n', "\r\n"), Unit::Cpu, &["line 3: column `value`"]),
    ] {
        let error = Trace::parse(text.as_bytes(), &source(unit)).expect_err(&text);
        assert_eq!(error.exit(), crate::Exit::BadInput);
        for part in says {
            assert!(error.to_string().contains(part), "{text}\n-> {error}\nlacks {part}");
        }
    }
    assert!(Trace::parse(format!("{head}2014-02-14 12:05:00,100.1\n").as_bytes(), &source(Unit::Requests)).is_ok());
}

#[test]
fn a_file_that_is_not_there_is_bad_input() {
    let error = Trace::load(&TraceSource { file: "/nowhere/t.csv".into(), ..source(Unit::Cpu) }).unwrap_err();
    assert_eq!(error.exit(), crate::Exit::BadInput);
    assert!(error.to_string().starts_with("/nowhere/t.csv: cannot be read"), "{error}");
}

#[test]
fn bytes_that_are_not_text_are_an_error_and_never_a_panic() {
    let error = Trace::parse(b"timestamp,value\n2014-02-14 12:00:00,\xff\xfe\n", &source(Unit::Cpu)).unwrap_err();
    assert!(error.to_string().contains("line 2: column `value`"), "{error}");
    assert!(Trace::parse(&[0xff; 64], &source(Unit::Cpu)).is_err());
}

#[test]
fn a_value_holds_to_the_next_one_and_a_gap_is_missing_and_not_zero() {
    let trace = read(
        "timestamp,value\n2014-02-14 12:00:00,1\n2014-02-14 12:05:00,2\n2014-02-14 12:12:00,3\n2014-02-14 12:17:00,4\n\
         2014-02-14 12:30:00,5\n2014-02-14 12:35:00,6\n",
    );
    assert_eq!(trace.step(), SignedDuration::from_mins(5));
    for (time, value) in [
        ("11:59:59", None),
        ("12:00:00", Some(1.0)),
        ("12:04:59", Some(1.0)),
        ("12:05:00", Some(2.0)),
        ("12:11:59", Some(2.0)), // seven minutes are within one and a half steps
        ("12:17:00", Some(4.0)),
        ("12:21:59", Some(4.0)),
        ("12:22:00", None), // thirteen minutes are a gap
        ("12:29:59", None),
        ("12:30:00", Some(5.0)),
        ("12:39:59", Some(6.0)),
        ("12:40:00", None),
    ] {
        assert_eq!(trace.value_at(at(&format!("2014-02-14T{time}Z"))), value, "{time}");
    }
}

#[test]
fn an_empty_cell_is_a_gap_and_of_two_rows_of_one_moment_the_later_counts() {
    let trace = read(
        "timestamp,other,value\n2014-02-14 12:00:00,9,1\n2014-02-14 12:05:00,9,\n2014-02-14 12:10:00,9,3\n2014-02-14 12:10:00,9,4\n\
         2014-02-14 12:15:00,9,5\n2014-02-14 12:20:00,9,6\n2014-02-14 12:25:00,9,6\n",
    );
    assert_eq!(trace.value_at(at("2014-02-14T12:06:00Z")), None);
    assert_eq!(trace.value_at(at("2014-02-14T12:10:00Z")), Some(4.0));
}

#[test]
fn titles_above_the_header_a_byte_order_mark_and_quotes_are_no_trouble() {
    let trace = Trace::parse(
        "\u{feff}CPU of the shop\n\"timestamp\",\"value\"\r\n\"2014/02/14 12:00:00\",\"1.5\"\r\n".as_bytes(),
        &source(Unit::Cpu),
    );
    assert_eq!(trace.unwrap().value_at(at("2014-02-14T12:00:00Z")), Some(1.5));
    let marked = Trace::parse("\u{feff}timestamp,value\n2014-02-14 12:00:00,2\n".as_bytes(), &source(Unit::Cpu));
    assert_eq!(marked.unwrap().value_at(at("2014-02-14T12:00:00Z")), Some(2.0));
}

#[test]
fn the_95th_percentile_is_of_the_stretch_alone() {
    let rows: String = (0..60).map(|m| format!("2014-02-14 12:{m:02}:00,{}\n", m + 1)).collect();
    let trace = Trace::parse(format!("timestamp,value\n{rows}").as_bytes(), &source(Unit::Requests)).unwrap();
    let (from, to) = (at("2014-02-14T12:00:00Z"), at("2014-02-14T12:20:00Z"));
    assert_eq!(trace.percentile_95(from, to), Some(19.0));
    assert_eq!(trace.percentile_95(from, from), None);
    assert_eq!(trace.percentile_95(from, from + SignedDuration::from_mins(1)), Some(1.0));
}

/// The folder of real traces, or a printed line that the test was skipped.
fn real_traces() -> Option<PathBuf> {
    let folder = std::env::var_os("STRATA_TRACES").map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        eprintln!("skipped: STRATA_TRACES names no folder of real traces");
    }
    folder
}

#[test]
fn real_cloudwatch_files_are_read_whole_with_their_gaps() {
    let Some(folder) = real_traces() else { return };
    // Rows, and of those the ones that repeat the moment above them.
    for (file, unit, rows, doubled) in [
        ("ec2_cpu_utilization_5f5533.csv", Unit::Cpu, 4032, 0),
        ("ec2_cpu_utilization_77c1ca.csv", Unit::Cpu, 4032, 0),
        ("grok_asg_anomaly.csv", Unit::Cpu, 4621, 0),
        ("rds_cpu_utilization_cc0c53.csv", Unit::Cpu, 4032, 0),
        ("ec2_network_in_257a54.csv", Unit::Requests, 4032, 0),
        ("ec2_disk_write_bytes_1ef3de.csv", Unit::Requests, 4730, 11),
    ] {
        let trace = Trace::load(&TraceSource { file: folder.join("nab").join(file), ..source(unit) }).unwrap();
        assert_eq!(trace.len(), rows - doubled, "{file}");
        assert_eq!(trace.step(), SignedDuration::from_mins(5), "{file}");
        let minutes = trace.last().duration_since(trace.first()).as_mins();
        let missing = (0..minutes).filter(|m| trace.value_at(trace.first() + SignedDuration::from_mins(*m)).is_none()).count();
        let has_gap =
            ["rds_cpu_utilization_cc0c53.csv", "ec2_network_in_257a54.csv", "ec2_disk_write_bytes_1ef3de.csv"].contains(&file);
        assert_eq!(missing > 0, has_gap, "{file}: {missing} minutes without data");
    }
}

#[test]
fn real_request_counts_and_taxi_rides_are_read_whole() {
    let Some(folder) = real_traces() else { return };
    let named = |time: &str, value: &str, file: &str| TraceSource {
        file: folder.join(file),
        time_column: time.to_owned(),
        value_column: value.to_owned(),
        unit: Unit::Requests,
    };
    let cup = Trace::load(&named("period", "count", "worldcup98/requests_per_minute.csv")).unwrap();
    assert_eq!((cup.len(), cup.step()), (87_980, SignedDuration::from_mins(1)));
    let taxi = Trace::load(&named("timestamp", "value", "nab/nyc_taxi.csv")).unwrap();
    assert_eq!((taxi.len(), taxi.step()), (10_320, SignedDuration::from_mins(30)));
}

#[test]
fn a_real_file_with_the_wrong_column_names_the_right_ones() {
    let Some(folder) = real_traces() else { return };
    let wrong = TraceSource { file: folder.join("worldcup98/requests_per_minute.csv"), ..source(Unit::Requests) };
    let error = Trace::load(&wrong).unwrap_err().to_string();
    assert!(error.contains("no column `timestamp`, expected one of `period`, `count`"), "{error}");
}
