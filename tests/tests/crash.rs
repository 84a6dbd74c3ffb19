//! Whatever moment the process dies at, what was begun comes to the same end.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests, where a panic is the answer and figures are shown"
)]

use std::collections::BTreeMap;

use std::sync::Arc;

use async_trait::async_trait;
use strata_local::faults::Moment;
use strata_ports::store::Listing;
use strata_ports::{Change, Clock, CommitError, Item, Key, Ports, Store, StoreError, keys};
use strata_tests::crash::{Share, Swept, by_ticks_alone, operations, sweep};

/// Prints how many points each operation has, and gives the findings as text.
fn report(swept: &BTreeMap<&'static str, Swept>) -> String {
    let (mut points, mut crashes) = (0, 0);
    for (name, one) in swept {
        let writes = one.calls.iter().filter(|call| call.writes).count();
        println!("{name:40} {:4} calls and commits, {writes:3} of them changing; {:4} crashes", one.calls.len(), one.crashes);
        (points, crashes) = (points + one.calls.len(), crashes + one.crashes);
    }
    println!("{:40} {points:4} calls and commits in {} operations; {crashes} crashes", "all", swept.len());
    let findings = swept.values().flat_map(|one| &one.findings);
    let told = findings.map(|f| format!("{}: {:?} call {} {}:\n{}", f.operation, f.moment, f.number, f.action, f.what));
    told.collect::<Vec<_>>().join("\n\n")
}

#[test]
fn with_every_event_lost_each_operation_and_each_heal_still_comes_true() {
    for operation in operations::ALL {
        let lost = by_ticks_alone(operation).unwrap_or_else(|problem| panic!("{}: {problem}", operation.name));
        println!("{:40} {lost:4} events and table changes lost", operation.name);
        assert!(lost > 20, "{}: there were events to lose", operation.name);
    }
}

#[test]
fn a_crash_at_some_of_the_changing_calls_leads_to_the_same_end() {
    let swept = sweep(operations::ALL, Share::EveryNthWrite(6), None);
    assert_eq!(report(&swept), "");
}

#[test]
#[ignore = "thousands of runs: run by cargo xtask sweep"]
fn a_crash_before_and_after_every_call_of_the_cloud_and_every_commit_leads_to_the_same_end() {
    let swept = sweep(operations::ALL, Share::All, None);
    assert_eq!(report(&swept), "");
    assert!(swept.values().all(|one| one.crashes == 2 * one.calls.len()));
}

/// A store with a mistake that only a crash brings out: what it reads as a start's launch number, and so its token, depends on the time.
struct TimelyTokens {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

fn with_timely_tokens(ports: Ports) -> Ports {
    let store = Arc::new(TimelyTokens { store: ports.store.clone(), clock: ports.clock.clone() });
    Ports { store, ..ports }
}

#[async_trait]
impl Store for TimelyTokens {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let Some(mut item) = self.store.get(key).await? else { return Ok(None) };
        if key.sk.starts_with(keys::INSTANCE) {
            let mut record: serde_json::Value = item.decode()?;
            if record["status"] == "requested" {
                record["launch_number"] = (self.clock.now().as_second() / 60 % 1_000).into();
                item.value = serde_json::to_vec(&record).unwrap().into();
            }
        }
        Ok(Some(item))
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Item>, StoreError> {
        self.store.list(listing).await
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        self.store.commit(changes).await
    }

    fn stamp(&self, pk: &str) -> Option<u64> {
        self.store.stamp(pk)
    }
}

#[test]
fn the_sweep_finds_a_launch_whose_token_is_not_the_same_after_a_crash() {
    let first_launch = &operations::ALL[..1];
    let swept = sweep(first_launch, Share::All, Some(with_timely_tokens));
    let findings = &swept["start, first launch"].findings;
    let doubled: Vec<_> =
        findings.iter().filter(|f| f.what.contains("have a second machine")).map(|f| (f.action, f.moment)).collect();
    assert_eq!(doubled.first(), Some(&("ec2:RunInstances", Moment::After)), "{}", report(&swept));
    assert!(!doubled.contains(&("ec2:RunInstances", Moment::Before)), "{}", report(&swept));
}
