//! Alarms against a server that speaks CloudWatch's protocol.

mod support;

use async_trait::async_trait;
use aws_sdk_cloudwatch::types::StateValue;
use strata_aws::alarms::{CloudWatchAlarms, USES};
use strata_ports::contract::cloud::{AlarmWorld, alarm_values_contract, alarms_contract};
use strata_ports::{AlarmSpec, Alarms};

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    alarms_contract(&CloudWatchAlarms::new(&support::base(&[])), &support::scope()).await;
}

/// SetAlarmState with the reason that CloudWatch itself would give.
struct ByHand(aws_sdk_cloudwatch::Client);

#[async_trait]
impl AlarmWorld for ByHand {
    async fn cross(&self, alarm: &AlarmSpec, value: f64) {
        let data =
            format!(r#"{{"version":"1.0","statistic":"Average","period":60,"recentDatapoints":[1.5,{value}],"threshold":80.0}}"#);
        let turn = self.0.set_alarm_state().alarm_name(&alarm.name).state_value(StateValue::Alarm);
        turn.state_reason("crossed").state_reason_data(data).send().await.expect("the server takes it");
    }
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn an_alarm_that_has_turned_tells_the_newest_value_behind_it() {
    let base = support::base(&[]);
    let world = ByHand(aws_sdk_cloudwatch::Client::new(&base.own("CLOUDWATCH")));
    alarm_values_contract(&CloudWatchAlarms::new(&base), &support::scope(), &world).await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_method_calls_what_its_table_says() {
    let base = support::base(&[]);
    let (alarms, scope) = (CloudWatchAlarms::new(&base), support::scope());
    let name = "strata/uses/ecs-cluster/up-cpu".to_owned();
    let spec = AlarmSpec {
        name: name.clone(),
        layer_id: "layer".into(),
        metric: "cpu".to_owned(),
        above: true,
        threshold: 80.0,
        evaluation_periods: 5,
    };
    alarms.put(&scope, &[spec]).await.unwrap();
    support::check_uses(&base, USES, "put");
    alarms.describe(&scope, std::slice::from_ref(&name)).await.unwrap();
    support::check_uses(&base, USES, "describe");
    alarms.delete(&scope, &[name]).await.unwrap();
    support::check_uses(&base, USES, "delete");
}
