//! What Setup puts on a host to publish metrics.

use std::fs;

use crate::host::{AL2023, Host, ended, script};

/// What Setup puts on a host to publish metrics.
pub(crate) fn metrics() -> String {
    let setup = script("setup");
    let (_, rest) = setup.split_once("<<'METRICS'").unwrap();
    rest.split_once('\n').unwrap().1.split_once("METRICS\n").unwrap().0.to_owned()
}

/// A host whose timer is installed, with stand-ins for what it reads and calls. A look answers with what was published: dimension, its
/// value, metric, value.
struct Metrics(Host);

impl Metrics {
    fn new(given: &[(&str, &str)]) -> Self {
        let host = Host::new(AL2023);
        let (code, said) = host.run("setup", &[&[("Nonce", "n")], given].concat());
        assert_eq!(code, 0, "{said}");
        let imds = r#"case "$*" in
        *api/token*) echo token;; *placement/region*) echo us-east-1;; *services/domain*) echo amazonaws.com;;
        *security-credentials/profile*) printf '{\n "AccessKeyId" : "AKIA",\n "SecretAccessKey" : "secret",\n "Token" : "session" }\n';;
        *security-credentials/*) echo profile;; *monitoring.*) cat >"$STRATA_ROOT/stdin";; esac"#;
        host.program("curl", imds);
        let metrics = Self(host);
        let meminfo = "MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 700 kB\nBuffers: 100 kB\nCached: 200 kB\nSwapCached: 9 kB\n\
            SwapTotal: 50 kB\nSwapFree: 20 kB\n";
        metrics.proc("meminfo", meminfo);
        metrics.proc("loadavg", "1.25 0.70 0.50 2/345 6789\n");
        metrics
    }

    fn proc(&self, name: &str, text: &str) {
        fs::write(self.0.path("proc").join(name), text).unwrap();
    }

    /// A run of the timer's script so many seconds after the boot, with these jiffies.
    fn look(&self, uptime: u32, jiffies: &str) -> Vec<[String; 4]> {
        self.proc("uptime", &format!("{uptime}.25 9.99\n"));
        self.proc("stat", &format!("cpu  {jiffies} 0 0\ncpu0 1 1 1 1\n"));
        fs::remove_file(self.0.path("calls")).unwrap_or_default();
        let output = self.0.command(&self.0.read("usr/local/lib/strata/metrics"), &[]).output().unwrap();
        assert_eq!(ended(&output), (0, String::new()));
        let calls = self.0.read("calls");
        let Some(call) = calls.lines().find(|call| call.contains("PutMetricData")) else { return Vec::new() };
        assert!(call.contains("Namespace=OpsWorks&") && call.contains("--aws-sigv4 aws:amz:us-east-1:monitoring"), "{call}");
        assert!(call.ends_with(" https://monitoring.us-east-1.amazonaws.com/"), "{call}");
        let data = call.split_whitespace().find(|word| word.starts_with("Action=")).unwrap();
        let pairs: std::collections::BTreeMap<&str, &str> = data.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let datum = |n: usize| {
            let of = |what: &str| pairs.get(format!("MetricData.member.{n}.{what}").as_str()).map(|text| (*text).to_owned());
            assert!(of("Unit").is_none_or(|unit| unit == "None"));
            Some([of("Dimensions.member.1.Name")?, of("Dimensions.member.1.Value")?, of("MetricName")?, of("Value")?])
        };
        (1..).map_while(datum).collect()
    }
}

const LAYERS: [&str; 2] = ["2f18b4cb-4de5-4429-a149-ff7da9f0d8ee", "00000000-4de5-4429-a149-ff7da9f0d8ee"];
const STACK: &str = "11111111-4de5-4429-a149-ff7da9f0d8ee";
const ITSELF: &str = "22222222-4de5-4429-a149-ff7da9f0d8ee";

/// [MET-18] [MET-20] [LOAD-7] [MET-22] [ECS-127]
#[test]
fn met_18_each_minute_percent_and_load_go_out_for_each_layer() {
    let metrics = Metrics::new(&[("LayerIds", &LAYERS.join(","))]);
    let host = &metrics.0;
    assert_eq!(host.read("etc/strata/metrics.conf"), format!("LayerId {}\nLayerId {}\n", LAYERS[0], LAYERS[1]));
    assert!(host.read("etc/systemd/system/strata-metrics.timer").contains("OnCalendar=*:*:00\n"));
    assert!(metrics.look(100, "100 0 100 800 0 0 0 0").is_empty(), "the first look has nothing to compare with");
    let sent = metrics.look(160, "160 0 115 825 0 0 0 0");
    let values = [("cpu", "75.00"), ("memory", "40.00"), ("load_1", "1.25")];
    let of_layer = |layer: &&str| values.map(|(name, value)| ["LayerId", layer, name, value].map(str::to_owned));
    assert_eq!(sent, LAYERS.iter().flat_map(of_layer).collect::<Vec<_>>());
    assert_eq!(host.read("stdin"), "user = \"AKIA:secret\"\nheader = \"X-Amz-Security-Token: session\"\n");
    assert!(!host.read("calls").contains("secret"), "keys are on no command line");
    assert!(metrics.look(10, "10 0 10 80 0 0 0 0").is_empty(), "after a boot the counters begin anew");
    assert_eq!(metrics.look(70, "20 0 20 90 0 0 0 0").len(), 6);
}

/// [MET-1] [MET-2] [MET-3] [MET-4] [MET-5] [MET-6] [MET-7] [MET-8] [MET-9] [MET-10] [MET-11] [MET-12] [MET-13] [MET-14] [MET-15] [MET-16]
/// [MET-17] [MET-19] [ECS-76]
#[test]
fn met_1_every_five_minutes_the_sixteen_metrics_go_out_by_layer_and_stack() {
    let metrics = Metrics::new(&[("LayerIds", LAYERS[0]), ("StackId", STACK), ("InstanceId", ITSELF)]);
    metrics.look(100, "100 0 100 800 0 0 0 0");
    assert_eq!(metrics.look(369, "200 10 200 1000 20 0 0 30").len(), 3, "not yet");
    let sent = metrics.look(370, "210 20 200 1000 20 0 0 30");
    let sixteen = [
        ("cpu_idle", "41.67"),
        ("cpu_nice", "4.17"),
        ("cpu_steal", "6.25"),
        ("cpu_system", "20.83"),
        ("cpu_user", "22.92"),
        ("cpu_waitio", "4.17"),
        ("memory_buffers", "100"),
        ("memory_cached", "200"),
        ("memory_free", "300"),
        ("memory_swap", "30"),
        ("memory_total", "1000"),
        ("memory_used", "400"),
        ("load_1", "1.25"),
        ("load_5", "0.70"),
        ("load_15", "0.50"),
        ("procs", "2"),
    ];
    for (dimension, id) in [("LayerId", LAYERS[0]), ("StackId", STACK)] {
        for (name, value) in sixteen {
            let datum = [dimension, id, name, value].map(str::to_owned);
            assert_eq!(sent.iter().filter(|d| **d == datum).count(), 1, "{datum:?} in {sent:?}");
        }
    }
    assert_eq!(sent.len(), 2 * 16 + 2, "and CPU and memory percent of the layer");
    assert!(sent.iter().all(|[_, id, ..]| id != ITSELF), "nothing of itself unless the layer asks for it");
    assert_eq!(metrics.look(430, "220 20 210 1000 20 0 0 30").len(), 3);
}

/// [MET-18]
#[test]
fn met_18_a_host_publishes_of_itself_what_its_layer_asks_for() {
    for (which, count) in [("off", 0), ("basic", 3), ("all", 16)] {
        let metrics = Metrics::new(&[("LayerIds", LAYERS[0]), ("InstanceId", ITSELF), ("InstanceMetrics", which)]);
        metrics.look(100, "100 0 100 800 0 0 0 0");
        let sent = metrics.look(400, "200 0 200 1600 0 0 0 0");
        let own = sent.iter().filter(|[dimension, id, ..]| dimension == "InstanceId" && id == ITSELF).count();
        assert_eq!(own, count, "{which}");
    }
}
