//! What the store sends, and what it makes of DynamoDB's answers. No server: the answers are DynamoDB's own, written down.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

mod support;

use serde_json::{Value, json};
use strata_aws::store::DynamoStore;
use strata_ports::store::{Listing, MAX_VALUE_BYTES};
use strata_ports::{Change, CommitError, Expect, Key, Store, StoreError, keys};
use support::http::Canned;

type Answer = Option<(u16, String)>;

fn store(canned: &Canned) -> DynamoStore {
    DynamoStore::new(&support::base_over(canned.clone(), &[("STRATA_TABLE", "strata")])).unwrap()
}

fn answer(status: u16, body: Value) -> Answer {
    Some((status, body.to_string()))
}

/// An error as DynamoDB sends it.
fn refusal(status: u16, code: &str, message: &str) -> Answer {
    answer(status, json!({ "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message }))
}

/// A cancelled transaction, with a reason for each change.
fn cancelled(codes: &[&str]) -> Answer {
    let reason = |code: &&str| match *code {
        "None" => json!({ "Code": "None" }),
        code => json!({ "Code": code, "Message": format!("about {code}") }),
    };
    let reasons: Vec<Value> = codes.iter().map(reason).collect();
    let listed = codes.join(", ");
    let message = format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{listed}]");
    let code = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    answer(400, json!({ "__type": code, "Message": message, "CancellationReasons": reasons }))
}

fn put(sk: &str) -> Change {
    Change::put(Key::new("p", sk), &1, Expect::Absent)
}

fn conflict(sk: &str) -> CommitError {
    CommitError::Conflict { key: Key::new("p", sk) }
}

/// Commits `a`, `b` and `c`, answered so, one answer for each attempt.
async fn commit(answers: &[Answer]) -> Result<(), CommitError> {
    let canned = Canned::new(answers.to_vec());
    let result = store(&canned).commit(vec![put("a"), put("b"), put("c")]).await;
    assert_eq!(canned.asked().len(), answers.len(), "attempts");
    result
}

#[tokio::test]
async fn a_cancelled_transaction_is_told_by_its_gravest_reason() {
    assert_eq!(commit(&[cancelled(&["None", "ConditionalCheckFailed", "ConditionalCheckFailed"])]).await, Err(conflict("b")));
    assert_eq!(commit(&[cancelled(&["None", "None", "TransactionConflict"])]).await, Err(conflict("c")));
    let both = cancelled(&["TransactionConflict", "None", "ConditionalCheckFailed"]);
    assert_eq!(commit(&[both]).await, Err(conflict("c")), "a condition that did not hold is the firmer word");
    let throttled = cancelled(&["ThrottlingError", "TransactionConflict", "None"]);
    assert_eq!(commit(&[throttled]).await, Err(conflict("b")));
    for code in ["ThrottlingError", "ProvisionedThroughputExceeded", "SomethingNew"] {
        let why = format!("p/b: {code}: about {code} (table strata in us-east-1)");
        assert_eq!(commit(&[cancelled(&["None", code, "None"])]).await, Err(CommitError::Unavailable { why }));
    }
    for code in ["ValidationError", "ItemCollectionSizeLimitExceeded"] {
        let why = format!("p/c: {code}: about {code}");
        let mixed = cancelled(&["ConditionalCheckFailed", "ThrottlingError", code]);
        assert_eq!(commit(&[mixed]).await, Err(CommitError::Impossible { why }));
    }
    let without = commit(&[cancelled(&[])]).await.unwrap_err();
    assert!(matches!(&without, CommitError::Unavailable { why } if why.contains("without a reason")), "{without}");
}

#[tokio::test]
async fn a_missing_table_and_a_missing_right_say_where_and_what_to_do() {
    let no_table = refusal(400, "ResourceNotFoundException", "Requested resource not found");
    let why = commit(std::slice::from_ref(&no_table)).await.unwrap_err().to_string();
    let text = "there is no DynamoDB table strata in us-east-1; have STRATA_TABLE name the table that the template has made";
    assert!(why.starts_with("the store is unavailable: dynamodb:TransactWriteItems:") && why.contains(text), "{why}");

    let message = "User: arn:aws:sts::123456789012:assumed-role/api/api is not authorized to perform: dynamodb:PutItem";
    let why = commit(&[refusal(400, "AccessDeniedException", message)]).await.unwrap_err().to_string();
    assert!(
        why.contains("perform: dynamodb:PutItem") && why.contains("needs its rights to the DynamoDB table strata in us-east-1")
    );

    let canned = Canned::new([no_table]);
    let why = store(&canned).get(&Key::new("p", "a")).await.unwrap_err().to_string();
    assert!(why.starts_with("the store is unavailable: dynamodb:GetItem:") && why.contains(text), "{why}");
    let canned = Canned::new([refusal(400, "ValidationException", "The provided key element does not match the schema")]);
    let why = store(&canned).list(&Listing::of("p", "")).await.unwrap_err().to_string();
    assert!(why.contains("does not match the schema") && why.contains("pk and sk, both of type S"), "{why}");
    let why = commit(&[refusal(400, "ValidationException", "Invalid ConditionExpression")]).await.unwrap_err();
    assert!(matches!(&why, CommitError::Impossible { why } if why.contains("Invalid ConditionExpression")), "{why}");
}

fn is_unknown(result: &Result<(), CommitError>) -> bool {
    matches!(result, Err(CommitError::OutcomeUnknown { .. }))
}

#[tokio::test(start_paused = true)]
async fn a_throttled_commit_has_not_happened() {
    let throttled = refusal(400, "ThrottlingException", "Rate exceeded");
    let exceeded = refusal(400, "ProvisionedThroughputExceededException", "slow down");
    let result = commit(&[throttled.clone(), exceeded]).await.unwrap_err();
    assert!(
        matches!(&result, CommitError::Unavailable { why } if why.contains("slow down") && why.contains("strata")),
        "{result}"
    );
    assert_eq!(commit(&[throttled, answer(200, json!({}))]).await, Ok(()), "the SDK tries once more");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_was_not_answered_may_have_happened_whatever_the_next_attempt_is_told() {
    let broken = || refusal(500, "InternalServerError", "The request processing has failed");
    for lost in [None, broken(), refusal(503, "ServiceUnavailable", "")] {
        let seconds = [
            None,
            broken(),
            refusal(400, "ThrottlingException", "Rate exceeded"),
            cancelled(&["ConditionalCheckFailed", "None", "None"]),
            refusal(400, "AccessDeniedException", "no"),
            refusal(400, "TransactionInProgressException", "in progress"),
        ];
        for second in seconds {
            // A transaction in progress is tried again, too, but two attempts are all.
            let result = commit(&[lost.clone(), second.clone()]).await;
            assert!(is_unknown(&result), "{lost:?}, then {second:?}: {result:?}");
        }
        assert_eq!(commit(&[lost, answer(200, json!({}))]).await, Ok(()), "the token makes it one commit");
    }
    let in_progress = refusal(400, "TransactionInProgressException", "in progress");
    assert!(is_unknown(&commit(&[in_progress.clone(), in_progress]).await));
    assert!(is_unknown(&commit(&[refusal(408, "RequestTimeout", ""), None]).await));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_was_not_answered_is_tried_again_later() {
    for lost in [None, refusal(500, "InternalServerError", ""), refusal(400, "ThrottlingException", "Rate exceeded")] {
        let canned = Canned::new([lost.clone(), lost]);
        let result = store(&canned).get(&Key::new("p", "a")).await;
        assert!(matches!(&result, Err(StoreError::Unavailable { why }) if why.contains("strata")), "{result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_commit_has_a_token_and_each_attempt_of_it_the_same() {
    let done = || answer(200, json!({}));
    let canned = Canned::new([None, done(), done()]);
    let store = store(&canned);
    store.commit(vec![put("a")]).await.unwrap();
    store.commit(vec![put("a")]).await.unwrap();
    let tokens: Vec<String> =
        canned.asked().iter().map(|asked| asked.json()["ClientRequestToken"].as_str().unwrap().to_owned()).collect();
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[1], tokens[2]);
    assert_eq!(tokens[0].len(), 36, "DynamoDB takes 1 to 36 characters");
}

#[tokio::test]
async fn what_is_impossible_is_not_sent() {
    let canned = Canned::default();
    let store = store(&canned);
    let large = Change::Put { key: Key::new("p", "a"), value: vec![b'1'; MAX_VALUE_BYTES + 1].into(), expect: Expect::Absent };
    for changes in [vec![large], vec![put("")], vec![put("a"), put("a")]] {
        assert!(matches!(store.commit(changes).await, Err(CommitError::Impossible { .. })));
    }
    store.commit(Vec::new()).await.unwrap();
    assert_eq!(store.get(&Key::new("", "a")).await, Ok(None));
    let none = Listing { limit: Some(0), ..Listing::of("p", "") };
    assert_eq!(store.list(&none).await, Ok(Vec::new()));
    assert!(canned.asked().is_empty());
}

/// The keys of the record of which the stream's event tells.
fn of_the_stream() -> Value {
    let event: Value = serde_json::from_str(include_str!("../../../events/dynamodb-stream-keys.json")).unwrap();
    event["Records"][0]["dynamodb"]["Keys"].clone()
}

#[tokio::test]
async fn the_stream_tells_keys_in_the_form_in_which_they_are_written() {
    let (stack, instance) = ("2f18b4cb-4de5-4429-a149-ff7da9f0d8ee".into(), "9f3c0f4e-0b6e-4f9a-8f47-0d0b7a1c55e2".into());
    let key = keys::instance(&stack, &instance);
    let canned = Canned::new([answer(200, json!({}))]);
    store(&canned).commit(vec![Change::put(key.clone(), &json!({ "n": 1 }), Expect::Version(7))]).await.unwrap();
    let sent = canned.asked()[0].json();
    let keys = of_the_stream();
    let item = json!({ "pk": keys["pk"], "sk": keys["sk"], "v": { "N": "8" }, "d": { "S": "{\"n\":1}" } });
    let put = json!({
        "Item": item,
        "TableName": "strata",
        "ConditionExpression": "v = :v",
        "ExpressionAttributeValues": { ":v": { "N": "7" } },
    });
    assert_eq!(sent["TransactItems"], json!([{ "Put": put }]));

    let event = include_bytes!("../../../events/dynamodb-stream-keys.json");
    let strata_triggers::Trigger::TableChanges(changed) = strata_triggers::parse(event).unwrap() else {
        panic!("a stream's event")
    };
    assert_eq!(Key::new(&changed[0].pk, &changed[0].sk), key);
}

#[tokio::test]
async fn reads_are_strongly_consistent_and_go_on_until_there_is_enough() {
    let item = |sk: &str| json!({ "pk": { "S": "p" }, "sk": { "S": sk }, "v": { "N": "3" }, "d": { "S": "1" } });
    let more = json!({ "pk": { "S": "p" }, "sk": { "S": "b" } });
    // The second page is empty, and still not the last.
    let canned = Canned::new([
        answer(200, json!({ "Items": [item("a"), item("b")], "LastEvaluatedKey": more })),
        answer(200, json!({ "Items": [], "LastEvaluatedKey": more })),
        answer(200, json!({ "Items": [item("c")], "LastEvaluatedKey": more })),
        answer(200, json!({ "Item": item("a") })),
    ]);
    let store = store(&canned);
    let found = store.list(&Listing { limit: Some(3), ..Listing::of("p", "x") }).await.unwrap();
    assert_eq!(found.iter().map(|item| item.key.sk.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(store.get(&Key::new("p", "a")).await.unwrap().unwrap().version, 3);
    let asked: Vec<Value> = canned.asked().iter().map(support::http::Asked::json).collect();
    assert!(asked.iter().all(|asked| asked["ConsistentRead"] == true && asked["TableName"] == "strata"));
    assert_eq!(asked[..3].iter().map(|asked| asked["Limit"].as_u64()).collect::<Vec<_>>(), [Some(3), Some(1), Some(1)]);
    assert_eq!((&asked[0]["ExclusiveStartKey"], &asked[1]["ExclusiveStartKey"]), (&Value::Null, &more));
    assert_eq!(asked[0]["KeyConditionExpression"], "pk = :pk AND begins_with(sk, :prefix)");
}
