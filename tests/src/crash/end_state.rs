//! The end of a run as text, one fact a line, so that two runs can be compared: machines, volumes, addresses, launch templates,
//! container instances, services, members of load balancers and target groups, security groups, every record of the store, and what was
//! told. Ids that a run makes and times are told apart by nobody.

use std::collections::{BTreeMap, BTreeSet};

use strata_ports::{Inventory, Key, keys};

use super::World;

/// Partitions that hold what happened rather than how things stand, or whose only value is a time.
const HISTORY: [&str; 6] = ["last-decision", keys::JOURNAL, keys::REPEATS_PK, "fleet-changed", "sweep", "launch-poke"];

/// The end state, sorted.
pub(super) async fn of(world: &World) -> String {
    let names = names(world);
    let mut lines = cloud_lines(world).await;
    let records = world.store.records();
    let is_gone = !records.iter().any(|(key, _)| *key == keys::stack(world.stack()));
    for (Key { pk, sk }, value) in records {
        if is_gone && is_litter(&pk, &value, world.stack().as_str()) {
            continue;
        }
        if HISTORY.iter().any(|history| pk.starts_with(history)) {
            continue;
        }
        lines.push(format!("record {pk} {sk} {}", String::from_utf8_lossy(&value)));
    }
    lines = lines.iter().map(|line| normalised(line, &names)).collect();
    lines.extend(told(world, &names));
    lines.sort();
    lines.join("\n")
}

/// What is left of a deleted stack: its partition, and outside records that name it. A crash between two of DeleteStack's commits leaves it
/// there; nobody reads it, and a registration whose stack is gone counts as none.
fn is_litter(pk: &str, value: &[u8], stack: &str) -> bool {
    let is_outside = ["id#", "address#", "volume#"].iter().any(|outside| pk.starts_with(outside));
    pk == keys::stack_pk(&stack.into()) || (is_outside && String::from_utf8_lossy(value).contains(stack))
}

/// The cloud's things, with all that its views tell of them.
async fn cloud_lines(world: &World) -> Vec<String> {
    let view = world.cloud.world_view();
    let mut lines: Vec<String> = view.hosts.iter().map(|host| format!("{host:?}")).collect();
    lines.extend(view.containers.iter().map(|container| format!("{container:?}")));
    lines.extend(view.services.iter().map(|service| format!("{service:?}")));
    lines.extend(view.volumes.iter().map(|(id, host)| format!("volume {id} of {host:?}")));
    lines.extend(world.cloud.launch_templates().iter().map(|(name, template)| format!("template {name} {:?}", template.spec)));
    let tagged = view.hosts.iter().map(|host| host.ec2_id.to_string()).chain(view.volumes.keys().cloned());
    lines.extend(tagged.map(|id| format!("tags of {id} {:?}", world.cloud.tags_of(&id))));
    let ips = world.cloud.address_ips();
    for (balancer, hosts) in world.cloud.balanced_hosts() {
        lines.push(format!("tags of load balancer {balancer} {:?}", world.cloud.tags_of_load_balancer(&balancer)));
        lines.extend(hosts.into_iter().map(|host| format!("load balancer {balancer} has {host}")));
    }
    for (arn, targets) in world.cloud.target_groups() {
        lines.extend(targets.into_iter().map(|target| format!("target group {arn} has {target}")));
    }
    for (vpc, groups) in world.cloud.built_in_groups() {
        for group in groups {
            let rules = world.cloud.rules_of_group(&vpc, &group).len();
            lines.push(format!("security group {group} of {vpc} with {rules} rules"));
        }
    }
    lines.extend(world.cloud.addresses(&world.scope(), &ips).await.into_iter().flatten().map(|address| format!("{address:?}")));
    lines
}

/// What was told: each event and each kind of page once, however often it was sent.
fn told(world: &World, names: &BTreeMap<String, String>) -> BTreeSet<String> {
    let of_events =
        world.cloud.events_out(0).into_iter().map(|(_, event)| format!("event {} {}", event.detail_type, event.detail));
    let of_pages =
        world.cloud.pages(0).into_iter().map(|(_, page)| format!("page {:?} {:?} {}", page.kind, page.host, page.resolved));
    of_events.chain(of_pages).map(|line| normalised(&line, names)).collect()
}

/// Ids by the name of what they belong to now; what nobody has any more has no name.
fn names(world: &World) -> BTreeMap<String, String> {
    let mut names = BTreeMap::from([
        (world.stack().to_string(), "STACK".to_owned()),
        (world.layer().to_owned(), "LAYER".to_owned()),
        (world.cluster().to_string(), "CLUSTER".to_owned()),
    ]);
    names.extend(world.hosts().iter().enumerate().map(|(n, id)| (id.to_string(), format!("WEB{}", n + 1))));
    let view = world.cloud.world_view();
    let mut of_machines = BTreeMap::new();
    for host in &view.hosts {
        let of = names.get(host.record.as_str()).map_or("nobody", String::as_str).to_owned();
        of_machines.insert(host.ec2_id.to_string(), format!("MACHINE-OF-{of}"));
    }
    for container in &view.containers {
        let of = of_machines.get(container.ec2_id.as_str()).map_or("nothing", String::as_str);
        names.insert(container.arn.to_string(), format!("CONTAINER-ON-{of}"));
    }
    for (volume, host) in &view.volumes {
        let of = host.as_ref().and_then(|host| of_machines.get(host.as_str())).map_or("nothing", String::as_str);
        names.insert(volume.clone(), format!("VOLUME-OF-{of}"));
    }
    // Which of the account's addresses it is depends on how many were there before.
    for (ip, host) in world.cloud.addresses_at() {
        let of = host.and_then(|host| of_machines.get(host.as_str())).map_or("nothing", String::as_str);
        names.insert(ip, format!("ADDRESS-OF-{of}"));
    }
    names.extend(of_machines);
    names
}

/// The line without times and without ids that mean nothing.
fn normalised(line: &str, names: &BTreeMap<String, String>) -> String {
    let named = names.iter().fold(line.to_owned(), |line, (id, name)| line.replace(id, name));
    let mut out = String::with_capacity(named.len());
    let mut word = String::new();
    for letter in named.chars().chain(['\n']) {
        if letter.is_ascii_alphanumeric() || matches!(letter, '-' | ':' | '.') {
            word.push(letter);
            continue;
        }
        out.push_str(if is_time(&word) {
            "TIME"
        } else if is_id(&word) {
            "ID"
        } else {
            &word
        });
        word.clear();
        out.push(letter);
    }
    out.pop();
    out
}

fn is_time(word: &str) -> bool {
    word.len() >= 20 && word.starts_with("20") && word.ends_with('Z') && word.contains('T')
}

/// Uuids, EC2's ids, ECS's ids, and nonces that have one in them.
fn is_id(word: &str) -> bool {
    let hex =
        |part: &str| part.len() >= 8 && part.chars().all(|c| c.is_ascii_hexdigit()) && part.chars().any(|c| c.is_ascii_digit());
    word.split(['-', ':', '.']).any(hex)
}

/// The lines of one that the other lacks, both ways.
pub(super) fn difference(expected: &str, found: &str) -> String {
    let count = |text: &str| {
        let mut lines: BTreeMap<String, i32> = BTreeMap::new();
        text.lines().for_each(|line| *lines.entry(line.to_owned()).or_default() += 1);
        lines
    };
    let (expected, found) = (count(expected), count(found));
    let all: BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let of = |lines: &BTreeMap<String, i32>, line: &String| lines.get(line).copied().unwrap_or_default();
    let told = all.into_iter().filter_map(|line| match of(&found, line) - of(&expected, line) {
        0 => None,
        more if more > 0 => Some(format!("+{line}")),
        _ => Some(format!("-{line}")),
    });
    told.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_ids_that_a_run_makes_are_the_same_for_everybody_and_names_are_not() {
        let names = BTreeMap::from([("i-0123456789abcdef0".to_owned(), "MACHINE-OF-WEB1".to_owned())]);
        for (line, expected) in [
            (r#"{"at":"2026-03-02T00:00:00Z","n":3}"#, r#"{"at":"TIME","n":3}"#),
            ("host i-0123456789abcdef0 of i-0fffffffffffffff1", "host MACHINE-OF-WEB1 of ID"),
            ("0a1b2c3d-0000-4000-8000-1234567890ab/web1", "ID/web1"),
            ("us-east-1a online 10.0.0.12 stop_failed", "us-east-1a online 10.0.0.12 stop_failed"),
        ] {
            assert_eq!(normalised(line, &names), expected);
        }
    }

    #[test]
    fn a_difference_names_what_is_missing_and_what_is_too_much() {
        assert_eq!(difference("a\nb\nb", "a\nb\nc"), "-b\n+c");
        assert_eq!(difference("a\nb", "b\na"), "");
    }
}
