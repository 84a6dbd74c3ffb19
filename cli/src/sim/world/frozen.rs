//! What Strata changes while the installation is frozen, which should be nothing.

use std::collections::BTreeMap;

use strata_domain::mode::Mode;
use strata_ports::ModeScope;

use super::World;

/// How calls that change nothing begin.
const READING: [&str; 7] = ["Assume", "Describe", "Get", "List", "Query", "Simulate", "Search"];
/// Telling goes on: on-call wants to hear of a host that has failed.
const TELLING: [&str; 2] = ["sns:Publish", "events:PutEvents"];

/// The calls when it was frozen.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    since: Option<BTreeMap<String, u64>>,
}

impl Frozen {
    /// Looks whether the mode was turned; when the freeze is over, says what was changed during it.
    pub(super) fn follow(&mut self, world: &World) -> Option<String> {
        let is_frozen =
            world.cloud.modes().iter().any(|(scope, mode, _)| *scope == ModeScope::Installation && *mode == Mode::Frozen);
        match (is_frozen, self.since.is_some()) {
            (true, false) => self.since = Some(changing(world)),
            (false, true) => {
                let before = self.since.take().unwrap_or_default();
                return Some(told(&before, &changing(world)));
            }
            (true, true) | (false, false) => {}
        }
        None
    }
}

/// Calls so far that change something, by action: the cloud's and the API's.
fn changing(world: &World) -> BTreeMap<String, u64> {
    let mut calls = world.cloud.calls();
    calls.extend(world.api.counts());
    calls.retain(|action, _| is_changing(action));
    calls
}

fn is_changing(action: &str) -> bool {
    let name = action.rsplit(':').next().unwrap_or(action);
    !TELLING.contains(&action) && !READING.iter().any(|reading| name.starts_with(reading))
}

fn told(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> String {
    let grown = after.iter().map(|(action, count)| (action, count - before.get(action).unwrap_or(&0)));
    let grown: Vec<(&String, u64)> = grown.filter(|(_, more)| *more > 0).collect();
    let total: u64 = grown.iter().map(|(_, more)| more).sum();
    let list: Vec<String> = grown.iter().map(|(action, more)| format!("{more} {action}")).collect();
    let which = if list.is_empty() { String::new() } else { format!(": {}", list.join(", ")) };
    format!("while the installation was frozen {total} changing calls were made{which}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_change_something_are_counted_and_named() {
        for (action, expected) in [
            ("ec2:StartInstances", true),
            ("ecs:UpdateContainerInstancesState", true),
            ("opsworks:StopInstance", true),
            ("ssm:SendCommand", true),
            ("ec2:DescribeInstances", false),
            ("ssm:GetParameter", false),
            ("ecs:ListTasks", false),
            ("sns:Publish", false),
        ] {
            assert_eq!(is_changing(action), expected, "{action}");
        }
        let counts = |pairs: &[(&str, u64)]| pairs.iter().map(|(a, n)| ((*a).to_owned(), *n)).collect::<BTreeMap<_, _>>();
        let before = counts(&[("ec2:StartInstances", 3), ("ec2:StopInstances", 1)]);
        let after = counts(&[("ec2:StartInstances", 5), ("ec2:StopInstances", 1), ("ssm:SendCommand", 1)]);
        assert_eq!(
            told(&before, &after),
            "while the installation was frozen 3 changing calls were made: 2 ec2:StartInstances, 1 ssm:SendCommand"
        );
        assert_eq!(told(&after, &after), "while the installation was frozen 0 changing calls were made");
    }
}
