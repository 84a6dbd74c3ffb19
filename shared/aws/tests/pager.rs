//! Pages against a server that speaks SNS's protocol, read back through a queue that is subscribed to the topic.
#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

mod support;

use std::collections::BTreeMap;
use std::pin::Pin;

use aws_sdk_sns::Client;
use serde_json::{Value, json};
use strata_aws::pager::{SnsPager, USES};
use strata_ports::Pager;
use strata_ports::contract::pager::{Delivered, example, pager_contract};
use support::REGION;

/// A topic with a queue that is subscribed to it.
struct Subscribed {
    topic_arn: String,
    queue_url: String,
}

impl Subscribed {
    async fn named(name: &str) -> Self {
        let sns = Client::new(&support::base(&[]).own("SNS"));
        let topic_arn = sns.create_topic().name(name).send().await.unwrap().topic_arn.unwrap();
        let made = support::json_call("sqs", "AmazonSQS.CreateQueue", &json!({ "QueueName": name })).await;
        let queue_url = made["QueueUrl"].as_str().unwrap().to_owned();
        let queue_arn = format!("arn:aws:sqs:{REGION}:{}:{name}", support::ACCOUNT);
        sns.subscribe().topic_arn(&topic_arn).protocol("sqs").endpoint(queue_arn).send().await.unwrap();
        Self { topic_arn, queue_url }
    }

    /// Takes what has come.
    async fn take(&self) -> Vec<Delivered> {
        let mut taken = Vec::new();
        loop {
            let asked = json!({ "QueueUrl": self.queue_url, "MaxNumberOfMessages": 10 });
            let answer = support::json_call("sqs", "AmazonSQS.ReceiveMessage", &asked).await;
            let Some(messages) = answer["Messages"].as_array().filter(|m| !m.is_empty()) else { return taken };
            for message in messages {
                taken.push(delivered(message["Body"].as_str().unwrap()));
                let gone = json!({ "QueueUrl": self.queue_url, "ReceiptHandle": message["ReceiptHandle"] });
                support::json_call("sqs", "AmazonSQS.DeleteMessage", &gone).await;
            }
        }
    }

    fn pager(&self) -> (strata_aws::Base, SnsPager) {
        let base = support::base(&[("STRATA_TOPIC_ARN", &self.topic_arn)]);
        let pager = SnsPager::new(&base).unwrap();
        (base, pager)
    }
}

/// SNS's envelope as a queue gets it.
fn delivered(body: &str) -> Delivered {
    let envelope: Value = serde_json::from_str(body).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let attributes = envelope["MessageAttributes"].as_object().unwrap().iter();
    Delivered {
        subject: text(&envelope["Subject"]),
        body: text(&envelope["Message"]),
        attributes: attributes.map(|(name, value)| (name.clone(), text(&value["Value"]))).collect::<BTreeMap<_, _>>(),
    }
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    let subscribed = Subscribed::named("pager-contract").await;
    let (_, pager) = subscribed.pager();
    let inbox = || -> Pin<Box<dyn Future<Output = Vec<Delivered>> + Send>> { Box::pin(subscribed.take()) };
    pager_contract(&pager, &inbox).await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_method_calls_what_its_table_says() {
    let subscribed = Subscribed::named("pager-uses").await;
    let (base, pager) = subscribed.pager();
    pager.publish(&example("uses/1")).await.unwrap();
    support::check_uses(&base, USES, "publish");
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn a_filter_policy_lets_only_what_it_names_through() {
    let subscribed = Subscribed::named("pager-filter").await;
    let (_, pager) = subscribed.pager();
    let sns = Client::new(&support::base(&[]).own("SNS"));
    let of_topic = sns.list_subscriptions_by_topic().topic_arn(&subscribed.topic_arn).send().await.unwrap();
    let subscription = of_topic.subscriptions()[0].subscription_arn().unwrap().to_owned();
    let policy = json!({ "severity": ["critical"], "stack": ["contract"] }).to_string();
    let set = sns.set_subscription_attributes().subscription_arn(subscription);
    set.attribute_name("FilterPolicy").attribute_value(policy).send().await.unwrap();

    let warning = example("filter/1");
    let critical = strata_domain::decision::Page { severity: strata_domain::decision::Severity::Critical, ..example("filter/2") };
    let over = strata_domain::decision::Page { resolved: true, ..critical.clone() };
    for page in [&warning, &critical, &over] {
        pager.publish(page).await.unwrap();
    }
    let states: Vec<String> = subscribed.take().await.iter().map(|d| d.alarm()["NewStateValue"].to_string()).collect();
    assert_eq!(states, ["\"ALARM\"", "\"OK\""], "whoever hears of the beginning hears of the end");
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn a_topic_that_is_gone_is_an_error_that_names_the_call() {
    let gone = format!("arn:aws:sns:{}:{}:strata-pager-gone", support::REGION, support::ACCOUNT);
    let pager = SnsPager::new(&support::base(&[("STRATA_TOPIC_ARN", &gone)])).unwrap();
    let error = pager.publish(&example("gone/1")).await.unwrap_err();
    assert_eq!(error.code(), Some("NotFound"), "{error}");
    assert!(error.to_string().contains("sns:Publish"), "{error}");
}

#[test]
fn without_a_topic_there_is_no_pager() {
    let settings = strata_aws::Settings::read(|name| (name == "AWS_REGION").then(|| REGION.to_owned())).unwrap();
    let Err(missing) = SnsPager::new(&strata_aws::Base::new(settings, support::keys())) else { panic!("it takes a topic") };
    assert!(missing.to_string().contains("STRATA_TOPIC_ARN"), "{missing}");
}
