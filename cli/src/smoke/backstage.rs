//! What the walk needs and the API does not do: an update window that opens, a machine that is terminated in another console.

use crate::sim::serve::account::Wish;
use crate::sim::world_command;

pub(super) enum Backstage {
    /// A world on this machine, by its authority.
    World(String),
    /// AWS: a person runs the commands while the walk waits.
    ByHand,
    /// AWS, and nobody is there.
    Nobody,
}

impl Backstage {
    /// Has a rolling update asked for; gives the reason if nobody can.
    pub(super) fn update(&self, stack: &str) -> Result<Option<String>, String> {
        let wish = Wish::Update { stack: stack.to_owned(), layer: "ecs-cluster".to_owned() };
        self.have("asked for an update", &wish, &ask_for_update(stack))
    }

    /// Has the instance's machine terminated; gives the reason if nobody can.
    pub(super) fn terminate(&self, instance: &str, machine: &str, region: &str) -> Result<Option<String>, String> {
        let wish = Wish::Terminate { instance: instance.into() };
        self.have(
            "terminated the machine",
            &wish,
            &format!("aws ec2 terminate-instances --region {region} --instance-ids {machine}"),
        )
    }

    fn have(&self, what: &str, wish: &Wish, command: &str) -> Result<Option<String>, String> {
        match self {
            Self::World(authority) => world_command::make(authority, wish).map(|_| None).map_err(|e| e.to_string()),
            Self::ByHand => {
                eprintln!("strata: the walk waits until somebody has {what}:\n  {command}");
                Ok(None)
            }
            Self::Nobody => Ok(Some(format!("nobody has {what}; with --by-hand the walk waits for: {command}"))),
        }
    }
}

/// The event that an update window sends.
fn ask_for_update(stack: &str) -> String {
    let detail = serde_json::json!({ "verb": "start", "stack": stack, "layer": "ecs-cluster", "requested_by": "strata smoke" });
    let entries =
        serde_json::json!([{ "Source": "strata", "DetailType": "Strata Campaign Request", "Detail": detail.to_string() }]);
    format!("aws events put-events --entries '{entries}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_that_is_put_by_hand_is_one_that_security_updates_understands() {
        let command = ask_for_update("smoke");
        let entries: serde_json::Value = serde_json::from_str(command.split('\'').nth(1).unwrap()).unwrap();
        let detail: serde_json::Value = serde_json::from_str(entries[0]["Detail"].as_str().unwrap()).unwrap();
        let event = serde_json::json!({
            "version": "0", "id": "b8c4f1d2-70a5-4a7e-b1c9-3d0f7f9f6a10", "detail-type": entries[0]["DetailType"],
            "source": entries[0]["Source"], "account": "123456789012", "time": "2026-03-02T18:11:00Z", "region": "eu-central-1",
            "resources": [], "detail": detail,
        });
        let parsed = strata_triggers::parse(event.to_string().as_bytes()).unwrap();
        assert!(format!("{parsed:?}").contains("CampaignRequest"), "{parsed:?}");
    }

    #[test]
    fn without_anybody_the_step_is_skipped_and_says_how_it_is_walked() {
        let why = Backstage::Nobody.terminate("id", "i-1", "eu-west-1").unwrap().unwrap();
        assert!(
            why.contains("--by-hand") && why.contains("aws ec2 terminate-instances --region eu-west-1 --instance-ids i-1"),
            "{why}"
        );
        assert_eq!(Backstage::ByHand.update("smoke"), Ok(None));
    }
}
