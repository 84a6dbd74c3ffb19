//! Settings that OpsWorks had no field for. They ride in a layer's or stack's `CustomJson` under the key `"strata"` and are
//! validated when the layer or stack is written.

mod load_scaling;
mod patching;
pub mod teardown;
pub mod time_scaling;
mod updates;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

pub use load_scaling::LoadScalingSettings;
pub use patching::{RebootPolicy, UpdateKind, is_amazon_release};
pub use updates::{MaxUnavailable, Share, UpdateSettings, WindowSettings};

use crate::claims::DrainPolicy;
use crate::mode::Mode;

/// The `"strata"` object. Every member has a default; an unknown member is a mistake and refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Mode of this stack or layer; the strictest of installation, stack and layer counts. Default: none of its own.
    pub mode: Option<Mode>,
    /// What becomes of protected and standalone tasks when a host is drained. Default `wait`.
    pub drain: DrainPolicy,
    /// Rolling updates.
    pub updates: UpdateSettings,
    /// Healing, beyond what OpsWorks healed.
    pub healing: HealingSettings,
    /// Load-based scaling, beyond what OpsWorks could.
    pub load_scaling: LoadScalingSettings,
    /// When it is taken down by itself, and what goes too. Default: never.
    pub teardown: Option<teardown::TeardownSettings>,
    /// Protects the layer from teardown. Default false.
    pub protected: bool,
    /// How machines are launched.
    pub launch: LaunchSettings,
    /// Which metrics its hosts publish of themselves, beside those of their layers and stack [MET-18]. Default `off`.
    pub instance_metrics: InstanceMetrics,
    /// ARNs of target groups that the layer's online hosts are registered with, by instance id. Only the layer's own hosts are ever taken out of
    /// them, so a group may be shared with ECS and others. Each once, at most 8. Default: none.
    pub target_groups: Vec<String>,
    /// Whether its online hosts list all online instances of the stack in `/etc/hosts`, and are told by a Configure run whenever one comes or
    /// goes [INST-63]. Default false, since that is a command on each of them.
    pub hosts_file: bool,
    /// What the hours of weekly schedules mean: time zone, exceptions, lead time.
    pub time_scaling: time_scaling::TimeScalingSettings,
}

/// So many target groups: each costs calls whenever a host comes or goes.
const MOST_TARGET_GROUPS: usize = 8;

fn check_target_groups(groups: &[String]) -> Result<(), String> {
    if groups.len() > MOST_TARGET_GROUPS {
        return Err(format!("{} target groups are more than {MOST_TARGET_GROUPS}", groups.len()));
    }
    for (n, arn) in groups.iter().enumerate() {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let is_group =
            matches!(parts[..], ["arn", _, "elasticloadbalancing", _, _, resource] if resource.starts_with("targetgroup/"));
        if !is_group || arn.len() > 256 {
            return Err(format!("{arn:?} is not the ARN of a target group, arn:aws:elasticloadbalancing:...:targetgroup/..."));
        }
        if groups[..n].contains(arn) {
            return Err(format!("{arn} stands twice"));
        }
    }
    Ok(())
}

/// `"strata".launch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LaunchSettings {
    /// Instance types that a start tries in this order when EC2 has none of the instance's own. At most 8. Default none.
    pub fallback_instance_types: Vec<String>,
    /// Whether the metadata service also answers requests without a session token (IMDSv1), as in OpsWorks' days. Default false.
    pub imdsv1: bool,
    /// Whether root volumes are encrypted. Default true.
    pub encrypt_root: bool,
    /// Whether machines that somebody launches from the layer's launch template become registered instances of the layer; else they are left
    /// alone. Default false.
    pub adopt_break_glass: bool,
}

impl Default for LaunchSettings {
    fn default() -> Self {
        Self { fallback_instance_types: Vec::new(), imdsv1: false, encrypt_root: true, adopt_break_glass: false }
    }
}

/// So many fallback types: each costs a call in a start that EC2 refuses, and shows in its token.
const MOST_FALLBACKS: usize = 8;

impl LaunchSettings {
    fn check(&self) -> Result<(), String> {
        let types = &self.fallback_instance_types;
        if types.len() > MOST_FALLBACKS {
            return Err(format!("{} types are more than the {MOST_FALLBACKS} that can be tried", types.len()));
        }
        for (n, name) in types.iter().enumerate() {
            let has_form =
                name.len() <= 32 && name.split_once('.').is_some_and(|(family, size)| is_word(family) && is_word(size));
            if !has_form {
                return Err(format!("{name:?} is not an instance type such as \"m6i.large\""));
            }
            if types[..n].contains(name) {
                return Err(format!("{name} stands twice"));
            }
        }
        Ok(())
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// `"strata".instance_metrics`. Each metric of each host is a series that costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceMetrics {
    /// None.
    #[default]
    Off,
    /// CPU and memory percent, and load.
    Basic,
    /// All sixteen [MET-1].
    All,
}

impl InstanceMetrics {
    /// As it is written, and as Setup is told.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Basic => "basic",
            Self::All => "all",
        }
    }
}

/// `"strata".healing`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealingSettings {
    /// Whether a host whose ECS agent alone is silent is healed: its agent is restarted first, then the host. Default true; with false it is
    /// a service error only [HEAL-10].
    pub silent_agent: bool,
    /// Minutes that the ECS agent may be silent until the host is drained and healed, its restart included. 8 to 1440, default 10.
    pub silent_agent_minutes: u32,
}

impl Default for HealingSettings {
    fn default() -> Self {
        Self { silent_agent: true, silent_agent_minutes: 10 }
    }
}

impl HealingSettings {
    /// How long an ECS agent may be silent on a host that is well otherwise; `None`: for ever.
    pub fn silent_agent_limit(&self) -> Option<SignedDuration> {
        self.silent_agent.then(|| SignedDuration::from_mins(i64::from(self.silent_agent_minutes)))
    }
}

/// A mistake in `CustomJson`, with the path to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not JSON at all, or not an object.
    #[error("Custom Json: must be a JSON object: {0}")]
    NotAnObject(String),
    /// The object under `"strata"` is wrong.
    #[error("Custom Json: strata.{path}: {problem}")]
    Invalid {
        /// Dotted path below `strata`.
        path: String,
        /// What is wrong and what was expected.
        problem: String,
    },
}

impl Settings {
    /// Reads the settings out of a `CustomJson` text; absent text, or no `"strata"` key, gives the defaults.
    ///
    /// # Errors
    /// [`SettingsError`] names the path of the first mistake.
    pub fn from_custom_json(custom_json: Option<&str>) -> Result<Self, SettingsError> {
        let Some(text) = custom_json.filter(|t| !t.is_empty()) else { return Ok(Self::default()) };
        let json: serde_json::Value = serde_json::from_str(text).map_err(|e| SettingsError::NotAnObject(e.to_string()))?;
        let object = json.as_object().ok_or_else(|| SettingsError::NotAnObject("it is another JSON type".to_owned()))?;
        let Some(own) = object.get("strata") else { return Ok(Self::default()) };
        let settings: Self = serde_json::from_value(own.clone())
            .map_err(|e| SettingsError::Invalid { path: first_bad_path(own), problem: e.to_string() })?;
        let in_updates = |(path, problem)| SettingsError::Invalid { path: format!("updates.{path}"), problem };
        settings.updates.check().map_err(in_updates)?;
        if !(8..=1_440).contains(&settings.healing.silent_agent_minutes) {
            return Err(SettingsError::Invalid {
                path: "healing.silent_agent_minutes".to_owned(),
                problem: format!("{} is not within 8 to 1440", settings.healing.silent_agent_minutes),
            });
        }
        settings
            .load_scaling
            .check()
            .map_err(|(member, problem)| SettingsError::Invalid { path: format!("load_scaling.{member}"), problem })?;
        settings
            .launch
            .check()
            .map_err(|problem| SettingsError::Invalid { path: "launch.fallback_instance_types".to_owned(), problem })?;
        check_target_groups(&settings.target_groups)
            .map_err(|problem| SettingsError::Invalid { path: "target_groups".to_owned(), problem })?;
        let in_time_scaling = |(path, problem)| SettingsError::Invalid { path: format!("time_scaling.{path}"), problem };
        settings.time_scaling.check().map_err(in_time_scaling)?;
        if let Some(teardown) = &settings.teardown {
            teardown
                .check()
                .map_err(|(member, problem)| SettingsError::Invalid { path: format!("teardown.{member}"), problem })?;
        }
        Ok(settings)
    }
}

/// Which member makes the object unreadable: each is tried alone, so the error names the path and not only the type.
fn first_bad_path(own: &serde_json::Value) -> String {
    if !own.is_object() {
        return "(the object itself)".to_owned();
    }
    let mut path: Vec<&str> = Vec::new();
    let mut inner = own;
    while let Some((name, value)) = inner.as_object().into_iter().flatten().find(|(name, value)| is_bad_alone(&path, name, value))
    {
        path.push(name);
        inner = value;
    }
    if path.is_empty() { "(unknown)".to_owned() } else { path.join(".") }
}

/// Whether settings of nothing but this member, in its place, are unreadable.
fn is_bad_alone(path: &[&str], name: &str, value: &serde_json::Value) -> bool {
    let within = |inner: serde_json::Value, name: &str| serde_json::json!({ name: inner });
    let alone = path.iter().rev().fold(within(value.clone(), name), |inner, name| within(inner, name));
    serde_json::from_value::<Settings>(alone).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_agent_is_healed_after_ten_minutes_or_the_layers_or_never() {
        for (healing, minutes) in [
            ("{}", Some(10)),
            (r#"{"silent_agent_minutes":8}"#, Some(8)),
            (r#"{"silent_agent_minutes":1440}"#, Some(1_440)),
            (r#"{"silent_agent":false,"silent_agent_minutes":8}"#, None),
        ] {
            let text = format!(r#"{{"strata":{{"healing":{healing}}}}}"#);
            let limit = Settings::from_custom_json(Some(&text)).unwrap().healing.silent_agent_limit();
            assert_eq!(limit, minutes.map(SignedDuration::from_mins), "{healing}");
        }
    }

    #[test]
    fn absent_settings_are_the_defaults_and_a_mistake_names_its_path() {
        for absent in [None, Some(""), Some("{}"), Some(r#"{"other":1}"#)] {
            assert_eq!(Settings::from_custom_json(absent).unwrap(), Settings::default(), "{absent:?}");
        }
        for (text, path) in [
            (r#"{"strata":{"mod":"frozen"}}"#, "mod"),
            (r#"{"strata":{"mode":"off"}}"#, "mode"),
            (r#"{"strata":{"instance_metrics":"some"}}"#, "instance_metrics"),
            (r#"{"strata":{"updates":{"canary":"one"}}}"#, "updates.canary"),
            (r#"{"strata":{"updates":{"max_unavailable_percent":0}}}"#, "updates.max_unavailable_percent"),
            (r#"{"strata":{"updates":{"max_unavailable_percent":101}}}"#, "updates.max_unavailable_percent"),
            (r#"{"strata":{"healing":{"silent_agent_minutes":7}}}"#, "healing.silent_agent_minutes"),
            (r#"{"strata":{"healing":{"silent_agent_minutes":1441}}}"#, "healing.silent_agent_minutes"),
            (r#"{"strata":{"healing":{"silent_agent":"no"}}}"#, "healing.silent_agent"),
            (r#"{"strata":{"healing":{"silent":1}}}"#, "healing.silent"),
            (r#"{"strata":{"healing":1}}"#, "healing"),
            (r#"{"strata":{"launch":{"imdsv1":"yes"}}}"#, "launch.imdsv1"),
            (r#"{"strata":{"launch":{"imds":true}}}"#, "launch.imds"),
            (r#"{"strata":{"launch":{"adopt_break_glass":"later"}}}"#, "launch.adopt_break_glass"),
            (r#"{"strata":{"target_groups":["web"]}}"#, "target_groups"),
            (r#"{"strata":{"target_groups":["arn:aws:elasticloadbalancing:r:1:loadbalancer/app/web/1"]}}"#, "target_groups"),
            (
                r#"{"strata":{"target_groups":["arn:aws:elasticloadbalancing:r:1:targetgroup/a/1","arn:aws:elasticloadbalancing:r:1:targetgroup/a/1"]}}"#,
                "target_groups",
            ),
            (r#"{"strata":{"launch":{"fallback_instance_types":["m6i"]}}}"#, "launch.fallback_instance_types"),
            (r#"{"strata":{"launch":{"fallback_instance_types":["m6i.large","M6i.large"]}}}"#, "launch.fallback_instance_types"),
            (r#"{"strata":{"launch":{"fallback_instance_types":["a.b","a.b"]}}}"#, "launch.fallback_instance_types"),
        ] {
            match Settings::from_custom_json(Some(text)) {
                Err(SettingsError::Invalid { path: found, .. }) => assert_eq!(found, path, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(matches!(Settings::from_custom_json(Some("[1]")), Err(SettingsError::NotAnObject(_))));
        let types = |n: usize| (0..n).map(|i| format!("\"m{i}.large\"")).collect::<Vec<_>>().join(",");
        let with = |n: usize| format!(r#"{{"strata":{{"launch":{{"fallback_instance_types":[{}]}}}}}}"#, types(n));
        let read = Settings::from_custom_json(Some(&with(8))).unwrap().launch;
        assert_eq!((read.fallback_instance_types.len(), read.imdsv1, read.encrypt_root), (8, false, true));
        assert!(Settings::from_custom_json(Some(&with(9))).is_err());
    }
}
