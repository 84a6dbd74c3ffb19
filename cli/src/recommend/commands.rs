//! The mix as `aws opsworks` commands.

use std::fmt::Write;

use crate::backtest::engine::weekly;
use crate::sim::scenario::{LayerSpec, Thresholds};

/// What a person fills in, and how a host is made. Each host goes to the next subnet, so that each kind is spread over them ([SCALE-6]).
const HEAD: &str = r#"
STACK_ID=${STACK_ID:?the id of the stack}
LAYER_ID=${LAYER_ID:?the id of the ECS Cluster layer}
SUBNETS=${SUBNETS:?subnet ids with a space between them, one for each Availability Zone}

host() {
  subnet=${SUBNETS%% *}
  SUBNETS="${SUBNETS#* } $subnet"
  id=$(aws opsworks create-instance --stack-id "$STACK_ID" --layer-ids "$LAYER_ID" --instance-type TYPE \
    --subnet-id "$subnet" "$@" --query InstanceId --output text)
}
"#;

/// The script; `head` are the lines of its comment, without their `#`.
pub(super) fn text(layer: &LayerSpec, head: &[String]) -> String {
    let mut text = "#!/bin/sh\n".to_owned();
    for line in head {
        put(&mut text, format_args!("# {line}\n"));
    }
    text.push_str("set -eu\n");
    text.push_str(&HEAD.replace("TYPE", &layer.instance_type));
    times(&mut text, "24/7", layer.always_on, "  host\n  aws opsworks start-instance --instance-id \"$id\"\n");
    for window in &layer.time_based.windows {
        let schedule = serde_json::json!(weekly(&window.schedule()).to_wire());
        let body = format!(
            "  host --auto-scaling-type timer\n  aws opsworks set-time-based-auto-scaling --instance-id \"$id\" \\\n    \
             --auto-scaling-schedule '{schedule}'\n"
        );
        times(&mut text, "time-based", window.instances, &body);
    }
    times(&mut text, "load-based", layer.load_based, "  host --auto-scaling-type load\n");
    if let Some(scaling) = &layer.load_scaling {
        put(
            &mut text,
            format_args!(
                "\naws opsworks set-load-based-auto-scaling --layer-id \"$LAYER_ID\" --enable \\\n  --up-scaling {} \\\n  --down-scaling {}\n",
                shorthand(&scaling.up),
                shorthand(&scaling.down)
            ),
        );
    }
    text
}

/// `body` once for each of `count` hosts.
fn times(text: &mut String, kind: &str, count: u32, body: &str) {
    if count > 0 {
        let numbers: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
        put(text, format_args!("\n# {count} {kind}\nfor n in {}; do\n{body}done\n", numbers.join(" ")));
    }
}

fn shorthand(thresholds: &Thresholds) -> String {
    let count = |value: Option<u32>| value.map(|value| value.to_string());
    let all = [
        ("InstanceCount", count(thresholds.instances)),
        ("ThresholdsWaitTime", count(thresholds.wait_minutes)),
        ("IgnoreMetricsTime", count(thresholds.ignore_minutes)),
        ("CpuThreshold", thresholds.cpu.map(|value| value.to_string())),
    ];
    let given: Vec<String> = all.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", value?))).collect();
    given.join(",")
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    text.write_fmt(words).expect("a String takes every write");
}
