//! What a scenario must keep beyond its types. The first mistake is told.

use strata_domain::settings::Settings;

use super::{DemandSpec, EventSpec, LayerSpec, Scenario, ServiceSpec, Thresholds};

/// A field that cannot be as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path, for example `layer[1].demand.base`.
    pub path: String,
    /// What is wrong and what was expected.
    pub what: String,
}

/// At most so many instances in a scenario: ten times what one account runs comfortably.
pub const MOST_INSTANCES: u32 = 10_000;
/// At most so many of anything listed.
const MOST_ENTRIES: usize = 1_000;

type Checked = Result<(), Problem>;

fn refuse(path: impl Into<String>, what: impl Into<String>) -> Checked {
    Err(Problem { path: path.into(), what: what.into() })
}

fn within(path: String, value: f64, least: f64, most: f64) -> Checked {
    // A number that is not one (`nan`) lies nowhere.
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let expected = if most == f64::MAX { format!("{least} or more") } else { format!("{least} to {most}") };
    refuse(path, format!("{value} is out of range, expected {expected}"))
}

impl Scenario {
    /// The first problem, if there is one.
    pub(crate) fn first_problem(&self) -> Option<Problem> {
        self.check().err()
    }

    /// The layer that `reference` names (`stack`, `stack/ecs-cluster`, or nothing for the first), as an index into `layers`.
    pub fn layer_index(&self, reference: Option<&str>) -> Option<usize> {
        let Some(reference) = reference else { return (!self.layers.is_empty()).then_some(0) };
        self.layers.iter().position(|l| l.stack == reference || l.label() == reference)
    }

    fn check(&self) -> Checked {
        self.check_world()?;
        self.check_layers()?;
        for (index, event) in self.events.iter().enumerate() {
            self.check_event(&format!("event[{index}]"), event)?;
        }
        for (index, window) in self.update_windows.iter().enumerate() {
            let path = format!("update_window[{index}]");
            self.check_reference(&path, window.layer.as_deref())?;
            within(format!("{path}.minutes"), window.minutes.into(), 1.0, 1440.0)?;
        }
        for (index, teardown) in self.teardowns.iter().enumerate() {
            let path = format!("teardown[{index}]");
            self.check_reference(&path, Some(&teardown.layer))?;
            if teardown.at.day.is_none() {
                refuse(format!("{path}.at"), "a layer is taken down once, expected a moment of one day such as \"day 1 15:00\"")?;
            }
        }
        Ok(())
    }

    fn check_world(&self) -> Checked {
        let world = &self.world;
        within("world.days".into(), world.days.into(), 1.0, 366.0)?;
        if world.start.as_second().rem_euclid(86_400) != 0 || world.start.subsec_nanosecond() != 0 {
            refuse(
                "world.start",
                format!("{} is not midnight, expected a day's begin such as \"2026-03-02T00:00:00Z\"", world.start),
            )?;
        }
        let years = 2000..=2100;
        let year = jiff::tz::TimeZone::UTC.to_datetime(world.start).year();
        if !years.contains(&year) {
            refuse("world.start", format!("the year {year} is out of range, expected 2000 to 2100"))?;
        }
        if world.zones.is_empty() || world.zones.len() > 26 {
            refuse("world.zones", format!("has {} zones, expected 1 to 26", world.zones.len()))?;
        }
        for (index, zone) in world.zones.iter().enumerate() {
            check_name(format!("world.zones[{index}]"), zone)?;
            if world.zones[..index].contains(zone) {
                refuse(format!("world.zones[{index}]"), format!("\"{zone}\" is there twice, expected each zone once"))?;
            }
        }
        check_name("world.region".into(), &world.region)
    }

    fn check_layers(&self) -> Checked {
        if self.layers.is_empty() {
            refuse("layer", "there is none, expected at least one [[layer]]")?;
        }
        let entries = [self.layers.len(), self.events.len(), self.update_windows.len(), self.teardowns.len()];
        if entries.iter().any(|n| *n > MOST_ENTRIES) {
            refuse("layer", format!("there are more than {MOST_ENTRIES} entries of one kind, expected fewer"))?;
        }
        let mut instances: u32 = 0;
        for (index, layer) in self.layers.iter().enumerate() {
            let path = format!("layer[{index}]");
            for earlier in &self.layers[..index] {
                if earlier.stack == layer.stack {
                    let what = format!("stack \"{}\" already has its ECS Cluster layer, expected another stack", layer.stack);
                    refuse(format!("{path}.stack"), what)?;
                }
                if earlier.cluster == layer.cluster {
                    let what = format!("cluster \"{}\" belongs to stack \"{}\", expected another", layer.cluster, earlier.stack);
                    refuse(format!("{path}.cluster"), what)?;
                }
            }
            check_layer(&path, layer)?;
            instances = instances.saturating_add(layer.instances());
        }
        within("layer".into(), instances.into(), 0.0, MOST_INSTANCES.into())
    }

    fn check_reference(&self, path: &str, reference: Option<&str>) -> Checked {
        if self.layer_index(reference).is_some() {
            return Ok(());
        }
        let known = self.layers.iter().map(LayerSpec::label).collect::<Vec<_>>().join(", ");
        refuse(
            format!("{path}.layer"),
            format!("there is no layer \"{}\", expected one of {known}", reference.unwrap_or_default()),
        )
    }

    fn check_event(&self, path: &str, event: &EventSpec) -> Checked {
        let kind = event.kind.as_str();
        self.check_reference(path, event.layer.as_deref())?;
        if let Some(zone) = event.zone.as_ref().filter(|zone| !self.world.zones.contains(zone)) {
            let known = self.world.zones.join(", ");
            refuse(format!("{path}.zone"), format!("there is no zone \"{zone}\", expected one of {known}"))?;
        }
        if event.kind.is_of_a_zone() && event.zone.is_none() {
            refuse(format!("{path}.zone"), format!("is missing, {kind} needs a zone"))?;
        }
        let hosts = [("host", event.host.is_some()), ("scaling", event.scaling.is_some()), ("zone", event.zone.is_some())];
        if let Some((field, _)) = hosts.iter().find(|(_, given)| *given && event.kind.is_of_on_call()) {
            refuse(format!("{path}.{field}"), format!("{kind} befalls no host, expected no {field}"))?;
        }
        match (event.kind.lasts(), event.minutes) {
            (true, None) => refuse(format!("{path}.minutes"), format!("is missing, {kind} needs its length"))?,
            (false, Some(_)) => refuse(format!("{path}.minutes"), format!("{kind} has no length, expected no minutes"))?,
            (true, Some(minutes)) => within(format!("{path}.minutes"), minutes.into(), 1.0, 1440.0)?,
            (false, None) => {}
        }
        let layer = &self.layers[self.layer_index(event.layer.as_deref()).unwrap_or(0)];
        if let Some(host) = &event.host {
            let members = layer.members(&self.world.zones);
            if !members.iter().any(|m| m.hostname == *host) {
                let expected = match (members.first(), members.last()) {
                    (Some(first), Some(last)) => format!("expected {} to {}", first.hostname, last.hostname),
                    _ => "it has no instances, expected another layer".to_owned(),
                };
                refuse(format!("{path}.host"), format!("{} has no host \"{host}\", {expected}", layer.label()))?;
            }
        }
        within(format!("{path}.instances"), event.instances.into(), 1.0, MOST_INSTANCES.into())
    }
}

fn check_layer(path: &str, layer: &LayerSpec) -> Checked {
    for (field, value) in [("stack", &layer.stack), ("cluster", &layer.cluster), ("instance_type", &layer.instance_type)] {
        check_name(format!("{path}.{field}"), value)?;
    }
    if let Some(hosts) = &layer.hosts {
        check_name(format!("{path}.hosts"), hosts)?;
    }
    if layer.name.is_empty() || layer.name.chars().count() > 32 {
        refuse(format!("{path}.name"), "expected 1 to 32 characters")?;
    }
    within(format!("{path}.always_on"), layer.always_on.into(), 0.0, MOST_INSTANCES.into())?;
    within(format!("{path}.load_based"), layer.load_based.into(), 0.0, MOST_INSTANCES.into())?;
    for (index, window) in layer.time_based.windows.iter().enumerate() {
        within(format!("{path}.time_based[{index}].instances"), window.instances.into(), 0.0, MOST_INSTANCES.into())?;
    }
    within(format!("{path}.shutdown_timeout_seconds"), layer.shutdown_timeout_seconds.into(), 0.0, 86_400.0)?;
    within(format!("{path}.standalone_tasks"), layer.standalone_tasks.into(), 0.0, MOST_INSTANCES.into())?;
    if let Some(scaling) = &layer.load_scaling {
        check_thresholds(&format!("{path}.load_scaling.up"), &scaling.up)?;
        check_thresholds(&format!("{path}.load_scaling.down"), &scaling.down)?;
    }
    if let Err(error) = Settings::from_custom_json(layer.custom_json().as_deref()) {
        refuse(format!("{path}.strata"), error.to_string())?;
    }
    check_demand(&format!("{path}.demand"), &layer.demand)?;
    for (index, service) in layer.services.iter().enumerate() {
        check_service(&format!("{path}.service[{index}]"), service)?;
        if layer.services[..index].iter().any(|earlier| earlier.name == service.name) {
            refuse(
                format!("{path}.service[{index}].name"),
                format!("\"{}\" is there twice, expected another name", service.name),
            )?;
        }
    }
    Ok(())
}

fn check_thresholds(path: &str, thresholds: &Thresholds) -> Checked {
    let count = |field: &str, value: Option<u32>, most: u32| match value {
        Some(value) => within(format!("{path}.{field}"), value.into(), 1.0, most.into()),
        None => Ok(()),
    };
    count("instances", thresholds.instances, MOST_INSTANCES)?;
    count("wait_minutes", thresholds.wait_minutes, 100)?;
    count("ignore_minutes", thresholds.ignore_minutes, 100)?;
    for (field, value, most) in
        [("cpu", thresholds.cpu, 100.0), ("memory", thresholds.memory, 100.0), ("load", thresholds.load, f64::MAX)]
    {
        // -1 is the API's word for "off" [LOAD-1].
        if let Some(value) = value.filter(|v| *v != -1.0) {
            within(format!("{path}.{field}"), value, 0.0, most)?;
        }
    }
    Ok(())
}

fn check_demand(path: &str, demand: &DemandSpec) -> Checked {
    within(format!("{path}.base"), demand.base, 0.0, 1e6)?;
    within(format!("{path}.amplitude"), demand.amplitude, 0.0, 1e6)?;
    if demand.amplitude > demand.base {
        let what =
            format!("{} is more than base {}, expected at most that: demand is never negative", demand.amplitude, demand.base);
        refuse(format!("{path}.amplitude"), what)?;
    }
    within(format!("{path}.peak_hour"), demand.peak_hour, 0.0, 24.0)?;
    within(format!("{path}.target_cpu"), demand.target_cpu, 1.0, 100.0)?;
    for (index, spike) in demand.spikes.iter().enumerate() {
        within(format!("{path}.spikes[{index}].minutes"), spike.minutes.into(), 1.0, 10_080.0)?;
        within(format!("{path}.spikes[{index}].servers"), spike.servers, 0.0, 1e6)?;
    }
    Ok(())
}

fn check_service(path: &str, service: &ServiceSpec) -> Checked {
    check_name(format!("{path}.name"), &service.name)?;
    within(format!("{path}.desired"), service.desired.into(), 0.0, 100_000.0)?;
    within(format!("{path}.min_healthy_percent"), service.min_healthy_percent.into(), 0.0, 100.0)?;
    let least = if service.daemon { 0.0 } else { 100.0 };
    within(format!("{path}.max_percent"), service.max_percent.into(), least, 200.0)?;
    if !service.daemon && service.min_healthy_percent == 100 && service.max_percent == 100 {
        refuse(format!("{path}.max_percent"), "100 with min_healthy_percent 100 lets no task ever move, expected more")?;
    }
    if service.daemon && service.desired > 0 {
        refuse(format!("{path}.desired"), "a daemon runs once on every host, expected no desired count")?;
    }
    if service.protected_tasks > service.desired {
        let what = format!("{} is more than desired {}, expected at most that", service.protected_tasks, service.desired);
        refuse(format!("{path}.protected_tasks"), what)?;
    }
    Ok(())
}

/// Names go into ARNs, host names and file names: letters, digits, hyphens, dots and underscores.
fn check_name(path: String, name: &str) -> Checked {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=60).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    refuse(path, format!("{name:?} cannot be a name here, expected 1 to 60 letters, digits, hyphens, dots and underscores"))
}

#[cfg(test)]
mod tests {
    use crate::sim::scenario::Scenario;

    const TOP: &str = "name = \"x\"\n[world]\n#world\n[[layer]]\nstack = \"a\"\ncluster = \"a\"\nalways_on = 2\n#layer\n";

    /// Puts `with` in place of the comment and expects a refusal that has all of `says`.
    #[track_caller]
    fn refused(place: &str, with: &str, says: &[&str]) {
        let text = TOP.replace(place, with);
        let message = Scenario::parse("s.toml", &text).expect_err(with).to_string();
        for part in says {
            assert!(message.contains(part), "{with}\n-> {message}\nlacks {part}");
        }
        assert!(message.contains("expected") || message.contains("needs"), "{message}");
    }

    #[test]
    fn worlds_that_cannot_be_are_refused_with_line_and_field() {
        assert!(Scenario::parse("s.toml", TOP).is_ok());
        refused("#world", "days = 0", &["s.toml: line 3: world.days: 0", "1 to 366"]);
        refused("#world", "days = 367", &["world.days"]);
        refused("#world", "start = \"2026-03-02T01:00:00Z\"", &["line 3: world.start", "midnight"]);
        refused("#world", "start = \"1026-03-02T00:00:00Z\"", &["line 3: world.start", "2000 to 2100"]);
        refused("#world", "zones = []", &["line 3: world.zones"]);
        refused("#world", "zones = [\"a\", \"a\"]", &["line 3: world.zones[1]", "twice"]);
    }

    #[test]
    fn layers_that_cannot_be_are_refused_with_line_and_field() {
        for (with, says) in [
            ("[[layer]]\nstack = \"a\"\ncluster = \"b\"", &["line 9: layer[1].stack", "already"][..]),
            ("[[layer]]\nstack = \"b\"\ncluster = \"a\"", &["line 10: layer[1].cluster", "belongs"]),
            ("load_based = 10001", &["line 8: layer[0].load_based", "10000"]),
            ("hosts = \"we b\"", &["line 8: layer[0].hosts", "letters"]),
            ("[layer.load_scaling.up]\nwait_minutes = 101", &["line 9: layer[0].load_scaling.up.wait_minutes", "1 to 100"]),
            ("[layer.load_scaling.up]\ncpu = 101", &["line 9: layer[0].load_scaling.up.cpu", "0 to 100"]),
            ("[layer.load_scaling.down]\ncpu = -2", &["layer[0].load_scaling.down.cpu"]),
            ("[layer.load_scaling.down]\nload = nan", &["layer[0].load_scaling.down.load", "0 or more"]),
            ("[layer.strata]\nmode = \"on\"", &["line 8: layer[0].strata", "mode", "expected"]),
            ("[layer.demand]\nbase = 1\namplitude = 2", &["line 10: layer[0].demand.amplitude", "never negative"]),
            ("[layer.demand]\nbase = inf", &["line 9: layer[0].demand.base"]),
            (
                "[layer.demand]\nspikes = [{ at = \"09:20\", minutes = 0, servers = 2 }]",
                &["line 9: layer[0].demand.spikes[0].minutes"],
            ),
            (
                "[[layer.service]]\nname = \"s\"\ndesired = 1\nprotected_tasks = 2",
                &["line 11: layer[0].service[0].protected_tasks"],
            ),
            ("[[layer.service]]\nname = \"s\"\ndesired = 1\nmax_percent = 100", &["layer[0].service[0].max_percent", "move"]),
            ("[[layer.service]]\nname = \"s\"\ndesired = 1\ndaemon = true", &["layer[0].service[0].desired", "daemon"]),
        ] {
            refused("#layer", with, says);
        }
        let minus_one = TOP.replace("#layer", "[layer.load_scaling.down]\ncpu = -1");
        assert!(Scenario::parse("s.toml", &minus_one).is_ok(), "-1 is off");
    }

    #[test]
    fn events_windows_and_teardowns_must_name_what_is_there() {
        for (with, says) in [
            (
                "[[event]]\nat = \"09:00\"\nkind = \"hang\"\nlayer = \"b\"",
                &["line 11: event[0].layer", "\"b\"", "a/ecs-cluster"][..],
            ),
            ("[[event]]\nat = \"09:00\"\nkind = \"hang\"\nhost = \"a3\"", &["line 11: event[0].host", "a3"]),
            ("[[event]]\nat = \"09:00\"\nkind = \"freeze\"\nhost = \"a2\"", &["line 11: event[0].host", "befalls no host"]),
            ("[[event]]\nat = \"09:00\"\nkind = \"hang\"\nminutes = 3", &["line 11: event[0].minutes", "no length"]),
            ("[[event]]\nat = \"09:00\"\nkind = \"zone_outage\"\nminutes = 3", &["line 8: event[0].zone", "needs a zone"]),
            (
                "[[event]]\nat = \"09:00\"\nkind = \"no_capacity\"\nzone = \"us-east-1a\"",
                &["event[0].minutes", "needs its length"],
            ),
            ("[[event]]\nat = \"09:00\"\nkind = \"hang\"\nzone = \"eu\"", &["line 11: event[0].zone", "us-east-1a"]),
            ("[[event]]\nat = \"09:00\"\nkind = \"hang\"\ninstances = 0", &["line 11: event[0].instances"]),
            ("[[update_window]]\nat = \"10:00\"\nminutes = 1441", &["line 10: update_window[0].minutes"]),
            ("[[teardown]]\nlayer = \"a\"\nat = \"10:00\"", &["line 10: teardown[0].at", "day 1 15:00"]),
        ] {
            refused("#layer", with, says);
        }
        let good = TOP.replace("#layer", "[[event]]\nat = \"09:00\"\nkind = \"hang\"\nhost = \"a2\"\nlayer = \"a/ecs-cluster\"");
        assert!(Scenario::parse("s.toml", &good).is_ok());
    }
}
