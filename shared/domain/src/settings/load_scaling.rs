//! `"strata".load_scaling`: remedies for known flaws of OpsWorks' load-based scaling, each off until a layer switches it on.

use serde::{Deserialize, Serialize};

/// `"strata".load_scaling` of a layer; a stack's counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LoadScalingSettings {
    /// Whether one of the user's alarms without data is left out instead of blocking the layer [LOAD-21]. Default false.
    pub ignore_insufficient_data: bool,
    /// Whether downscaling wants all of its thresholds and alarms crossed, not only one [LOAD-11]. Default false.
    pub down_needs_all: bool,
    /// Whether an event takes as many instances as bring the average to the middle of both thresholds, not `InstanceCount` [LOAD-14].
    /// Default false.
    pub proportional_steps: bool,
    /// Downscaling leaves at least so many instances online in the layer, those of every scaling type counted. Default 0.
    pub min_online: u32,
    /// One event takes at most so many percent of the layer's instances, at least one. 1 to 100, default 100.
    pub max_share_percent: u8,
}

impl Default for LoadScalingSettings {
    fn default() -> Self {
        Self {
            ignore_insufficient_data: false,
            down_needs_all: false,
            proportional_steps: false,
            min_online: 0,
            max_share_percent: 100,
        }
    }
}

impl LoadScalingSettings {
    /// What is wrong with it: the member, and why.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if (1..=100).contains(&self.max_share_percent) {
            return Ok(());
        }
        Err(("max_share_percent", format!("{} is not within 1 to 100", self.max_share_percent)))
    }

    /// How many of `online` instances downscaling may stop.
    pub fn room_above_floor(&self, online: u32) -> u32 {
        online.saturating_sub(self.min_online)
    }

    /// How many of a layer's `instances` one event may take.
    pub fn most_of(&self, instances: u32) -> u32 {
        let share = u64::from(instances) * u64::from(self.max_share_percent) / 100;
        u32::try_from(share).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, SettingsError};
    use super::*;

    fn read(object: &str) -> Result<LoadScalingSettings, SettingsError> {
        let text = format!(r#"{{"strata":{{"load_scaling":{object}}}}}"#);
        Settings::from_custom_json(Some(&text)).map(|settings| settings.load_scaling)
    }

    #[test]
    fn every_switch_is_off_until_it_is_set() {
        let off = read("{}").unwrap();
        assert_eq!((off.ignore_insufficient_data, off.down_needs_all, off.proportional_steps), (false, false, false));
        assert_eq!((off.room_above_floor(3), off.most_of(3), off.most_of(0)), (3, 3, 1));
        assert_eq!(off, LoadScalingSettings::default());
        let on = r#"{"ignore_insufficient_data":true,"down_needs_all":true,"proportional_steps":true,"min_online":2,"max_share_percent":50}"#;
        let on = read(on).unwrap();
        assert!(on.ignore_insufficient_data && on.down_needs_all && on.proportional_steps);
        assert_eq!((on.room_above_floor(3), on.most_of(3)), (1, 1));
    }

    #[test]
    fn the_documents_example_switches_everything_on() {
        let document = include_str!("../../../../docs/load-scaling.md");
        let example = document.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
        let read = Settings::from_custom_json(example).unwrap().load_scaling;
        let expected = LoadScalingSettings {
            ignore_insufficient_data: true,
            down_needs_all: true,
            proportional_steps: true,
            min_online: 3,
            max_share_percent: 25,
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_bad_value_is_refused_with_its_path() {
        for (object, path) in [
            (r#"{"max_share_percent":0}"#, "load_scaling.max_share_percent"),
            (r#"{"max_share_percent":101}"#, "load_scaling.max_share_percent"),
            (r#"{"max_share_percent":256}"#, "load_scaling.max_share_percent"),
            (r#"{"min_online":-1}"#, "load_scaling.min_online"),
            (r#"{"min_online":1.5}"#, "load_scaling.min_online"),
            (r#"{"down_needs_all":"yes"}"#, "load_scaling.down_needs_all"),
            (r#"{"ignore_insufficient_data":1}"#, "load_scaling.ignore_insufficient_data"),
            (r#"{"proportional_steps":null}"#, "load_scaling.proportional_steps"),
            (r#"{"proportional":true}"#, "load_scaling.proportional"),
            ("true", "load_scaling"),
        ] {
            let Err(SettingsError::Invalid { path: found, .. }) = read(object) else { panic!("{object} was taken") };
            assert_eq!(found, path, "{object}");
        }
        for percent in [1, 100] {
            assert_eq!(read(&format!(r#"{{"max_share_percent":{percent}}}"#)).unwrap().max_share_percent, percent);
        }
    }

    #[test]
    fn a_share_is_rounded_down_but_never_to_nothing_and_the_floor_is_never_crossed() {
        for (percent, instances, most) in [(20, 4, 1), (20, 9, 1), (20, 10, 2), (1, 1, 1), (50, 5, 2), (100, 7, 7), (33, 0, 1)] {
            let settings = LoadScalingSettings { max_share_percent: percent, ..LoadScalingSettings::default() };
            assert_eq!(settings.most_of(instances), most, "{percent} % of {instances}");
        }
        for (min_online, online, room) in [(2, 1, 0), (2, 2, 0), (2, 3, 1), (0, 0, 0), (u32::MAX, 5, 0)] {
            let settings = LoadScalingSettings { min_online, ..LoadScalingSettings::default() };
            assert_eq!(settings.room_above_floor(online), room, "{min_online} of {online}");
        }
    }
}
