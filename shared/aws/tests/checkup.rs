//! What an installation has, looked at in a server that speaks AWS's protocols.

mod support;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoverySpecification, ScalarAttributeType,
    StreamSpecification, StreamViewType,
};
use strata_aws::checkup::{Checkup, RuleSeen, SubscriptionSeen, TableSeen};
use support::{ACCOUNT, REGION};

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn a_table_is_seen_with_keys_stream_and_recovery() {
    let base = support::base(&[]);
    let (checkup, client) = (Checkup::new(&base), aws_sdk_dynamodb::Client::new(&base.own("DYNAMODB")));
    assert_eq!(checkup.table("checkup-absent").await.unwrap(), None);
    let attribute =
        |name: &str| AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build().unwrap();
    let key = |name: &str, of| KeySchemaElement::builder().attribute_name(name).key_type(of).build().unwrap();
    let stream = StreamSpecification::builder().stream_enabled(true).stream_view_type(StreamViewType::KeysOnly).build().unwrap();
    let made = client.create_table().table_name("checkup").billing_mode(BillingMode::PayPerRequest);
    let made = made.attribute_definitions(attribute("pk")).attribute_definitions(attribute("sk"));
    let made = made.key_schema(key("pk", KeyType::Hash)).key_schema(key("sk", KeyType::Range)).stream_specification(stream);
    made.send().await.unwrap();
    let seen = TableSeen {
        status: "ACTIVE".to_owned(),
        keys: vec!["pk S".to_owned(), "sk S".to_owned()],
        stream: Some("KEYS_ONLY".to_owned()),
        has_point_in_time_recovery: false,
    };
    assert_eq!(checkup.table("checkup").await.unwrap(), Some(seen.clone()));
    let recovery = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build().unwrap();
    let update = client.update_continuous_backups().table_name("checkup").point_in_time_recovery_specification(recovery);
    update.send().await.unwrap();
    assert_eq!(checkup.table("checkup").await.unwrap(), Some(TableSeen { has_point_in_time_recovery: true, ..seen }));
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn a_topics_subscriptions_a_functions_rules_and_alarms_are_seen() {
    let base = support::base(&[]);
    let checkup = Checkup::new(&base);
    let caller = checkup.caller().await.unwrap();
    assert_eq!(caller.account, ACCOUNT);

    let sns = aws_sdk_sns::Client::new(&base.own("SNS"));
    let topic = sns.create_topic().name("checkup").send().await.unwrap().topic_arn.unwrap();
    assert_eq!(checkup.subscriptions(&topic).await.unwrap(), Some(vec![]));
    assert_eq!(checkup.subscriptions(&format!("{topic}-absent")).await.unwrap(), None);
    let queue = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:checkup");
    sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(&queue).send().await.unwrap();
    let seen = SubscriptionSeen { protocol: "sqs".to_owned(), is_confirmed: true };
    assert_eq!(checkup.subscriptions(&topic).await.unwrap(), Some(vec![seen]));

    let rules = aws_sdk_eventbridge::Client::new(&base.own("EVENTBRIDGE"));
    let function = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:checkup-load-scaling:live");
    assert_eq!(checkup.rules_of(&function).await.unwrap(), []);
    let pattern = r#"{"source":["aws.cloudwatch"]}"#;
    rules.put_rule().name("checkup-alarms").event_pattern(pattern).send().await.unwrap();
    let target = aws_sdk_eventbridge::types::Target::builder().id("function").arn(&function).build().unwrap();
    rules.put_targets().rule("checkup-alarms").targets(target).send().await.unwrap();
    let seen = |is_enabled| vec![RuleSeen { name: "checkup-alarms".to_owned(), is_enabled }];
    assert_eq!(checkup.rules_of(&function).await.unwrap(), seen(true));
    rules.disable_rule().name("checkup-alarms").send().await.unwrap();
    assert_eq!(checkup.rules_of(&function).await.unwrap(), seen(false));

    assert_eq!(checkup.alarms("checkup-self-").await.unwrap(), []);
    assert!(!checkup.has_document("checkup-Setup").await.unwrap());
}
