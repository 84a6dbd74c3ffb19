//! The instances of a layer, as its scenario describes them.

use strata_domain::ScalingType;

use super::{LayerSpec, Schedule};

/// The short name of an ECS Cluster layer; the type has only this one.
pub const SHORTNAME: &str = "ecs-cluster";

/// One instance to create.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Host name.
    pub hostname: String,
    /// Its scaling type.
    pub scaling: ScalingType,
    /// Its week, for a time-based one.
    pub schedule: Option<Schedule>,
    /// Its zone. Each scaling type is spread evenly [SCALE-6].
    pub zone: String,
}

impl LayerSpec {
    /// `stack/ecs-cluster`, the name of the layer in timeline, log and report.
    pub fn label(&self) -> String {
        format!("{}/{SHORTNAME}", self.stack)
    }

    /// How many instances in all.
    pub fn instances(&self) -> u32 {
        self.always_on.saturating_add(self.time_based.instances()).saturating_add(self.load_based)
    }

    /// The instances to create: 24/7, then time-based, then load-based ones.
    pub fn members(&self, zones: &[String]) -> Vec<Member> {
        let always_on = (0..self.always_on).map(|_| (ScalingType::AlwaysOn, None));
        let timers = self.time_based.windows.iter().flat_map(|window| {
            let schedule = window.schedule();
            (0..window.instances).map(move |_| (ScalingType::Timer, Some(schedule.clone())))
        });
        let load = (0..self.load_based).map(|_| (ScalingType::Load, None));
        let prefix = self.hosts.as_deref().unwrap_or(&self.stack);
        let mut of_type = std::collections::BTreeMap::new();
        always_on
            .chain(timers)
            .chain(load)
            .enumerate()
            .map(|(index, (scaling, schedule))| {
                let nth: &mut usize = of_type.entry(scaling).or_default();
                let zone = zones[*nth % zones.len()].clone();
                *nth += 1;
                Member { hostname: format!("{prefix}{}", index + 1), scaling, schedule, zone }
            })
            .collect()
    }

    /// The capacity that is there without load-based instances, in the mean over a week: what a trace is measured against.
    pub fn reference_capacity(&self) -> f64 {
        f64::from(self.always_on) + self.time_based.mean_on()
    }

    /// The layer's custom JSON, if it has settings.
    pub fn custom_json(&self) -> Option<String> {
        self.strata.as_ref().map(|settings| serde_json::json!({ "strata": settings }).to_string())
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::scenario::Scenario;
    use strata_domain::ScalingType;

    /// [SCALE-6]
    #[test]
    fn scale_6_the_default_has_three_kinds_each_spread_over_the_zones() {
        let scenario = Scenario::built_in();
        let members = scenario.layers[0].members(&scenario.world.zones);
        for (scaling, count, most_in_a_zone) in
            [(ScalingType::AlwaysOn, 3, 1), (ScalingType::Timer, 12, 4), (ScalingType::Load, 4, 2)]
        {
            let of_type: Vec<_> = members.iter().filter(|m| m.scaling == scaling).collect();
            assert_eq!(of_type.len(), count, "{scaling}");
            for zone in &scenario.world.zones {
                let in_zone = of_type.iter().filter(|m| m.zone == *zone).count();
                assert!((1..=most_in_a_zone).contains(&in_zone), "{scaling} {zone}: {in_zone}");
            }
            assert!(of_type.iter().all(|m| m.schedule.is_some() == (scaling == ScalingType::Timer)));
        }
        assert_eq!(members.iter().map(|m| m.hostname.as_str()).take(2).collect::<Vec<_>>(), ["web1", "web2"]);
    }
}
