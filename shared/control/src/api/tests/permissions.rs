//! Who may: levels and IAM, in front of every action.

use serde_json::json;
use strata_local::cloud::Policy;

use super::TestApi;
use super::support::{REGION, USER};

/// [WIRE-14] [PERM-3]: who has no level on the stack and no IAM allow is told so, with the stack's ARN.
#[tokio::test]
async fn wire_14_a_denied_call_names_caller_action_and_stack() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    app.account.set_policy(USER, Policy { deny: vec!["opsworks:UpdateStack".into()], ..Policy::administrator() });
    let text = app.call("UpdateStack", json!({ "StackId": stack, "Name": "other" })).await.error("AccessDeniedException");
    let resource = format!("arn:aws:opsworks:{REGION}:123456789012:stack/{stack}/");
    assert_eq!(text, format!("User: {USER} is not authorized to perform: opsworks:UpdateStack on resource: {resource}"));
    app.call("DescribeStacks", json!({ "StackIds": [stack] })).await.good();
}
