//! Modes against a server that speaks SSM's protocol: what `aws ssm put-parameter` sets is what is read.

mod support;

use aws_sdk_ssm::types::ParameterType;
use strata_aws::modes::{SsmModes, USES};
use strata_domain::mode::Mode;
use strata_ports::contract::modes_contract;
use strata_ports::{CloudError, ModeScope, Modes};

const INSTALLATION: &str = "contract";

async fn put(client: &aws_sdk_ssm::Client, scope: &ModeScope, value: Option<&str>) {
    let name = scope.parameter(INSTALLATION);
    match value {
        Some(value) => {
            let put = client.put_parameter().name(name).value(value).r#type(ParameterType::String).overwrite(true);
            put.send().await.expect("a parameter is put");
        }
        // One that was never set is as good as removed.
        None => drop(client.delete_parameter().name(name).send().await),
    }
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds_and_a_value_that_is_no_mode_is_unreadable() {
    let base = support::base(&[("STRATA_INSTALLATION", INSTALLATION)]);
    let client = aws_sdk_ssm::Client::new(&base.own("SSM"));
    let modes = SsmModes::new(&base);
    modes_contract(&modes, async |scope, mode: Option<Mode>| put(&client, &scope, mode.map(Mode::as_str)).await).await;

    base.log().take();
    let scopes = [ModeScope::Installation, ModeScope::Stack("s".into())];
    assert_eq!(modes.read(&scopes).await, Ok(vec![None, None]));
    support::check_uses(&base, USES, "read");

    put(&client, &scopes[1], Some("froozen")).await;
    let error = modes.read(&scopes).await.unwrap_err();
    assert!(matches!(&error, CloudError::Wrong { why, .. } if why.contains("/contract/mode/stack/s is \"froozen\"")), "{error}");
    put(&client, &scopes[1], None).await;
}
