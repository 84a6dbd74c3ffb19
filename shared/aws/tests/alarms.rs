//! Alarms against a server that speaks CloudWatch's protocol.

mod support;

use strata_aws::alarms::{CloudWatchAlarms, USES};
use strata_ports::contract::cloud::alarms_contract;
use strata_ports::{AlarmSpec, Alarms};

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    alarms_contract(&CloudWatchAlarms::new(&support::base(&[])), &support::scope()).await;
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
