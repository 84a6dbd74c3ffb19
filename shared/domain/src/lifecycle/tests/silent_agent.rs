//! EC2 and SSM hear the host, ECS does not.

use super::*;

fn limited() -> Rules {
    Rules { silent_agent_limit: Some(SignedDuration::from_mins(10)), ..Rules::default() }
}

/// Its agent has been silent since second 0; SSM has just heard of it.
fn silent(now: i64) -> Observed {
    let container = ContainerHost { agent_connected: false, ..container_host() };
    with_container(&Observed { last_ping: PingSeen::At(at(now)), ..well(now) }, container)
}

fn record_of_silent(restarted: Option<i64>) -> Instance {
    let care = Care { agent_restarted_at: restarted.map(at), ..Care::default() };
    Instance { agent_silent_since: Some(at(0)), care, ..online_record() }
}

/// [HEAL-10]: what goes beyond it, on both sides of each boundary.
#[test]
fn heal_10_the_agent_is_restarted_once_after_300_seconds_and_the_host_is_lost_after_the_limit() {
    for (restarted, now, expected) in [
        (None, 299, "wait"),
        (None, 300, "act RestartAgent"),
        (None, 6_000, "act RestartAgent"),
        (Some(300), 301, "wait, agent-silent"),
        (Some(300), 599, "wait, agent-silent"),
        (Some(300), 600, "move connection_lost"),
        (Some(500), 679, "wait, agent-silent"),
        (Some(500), 680, "move connection_lost"),
    ] {
        check_with(&record_of_silent(restarted), &silent(now), &limited(), now, expected);
    }
}

/// [HEAL-2] [HEAL-10]: with the setting or healing off, or a person's hold, it is a service error and no more.
#[test]
fn heal_10_holds_where_the_layer_turns_it_off_or_healing_is_off_or_somebody_holds_the_host() {
    for rules in [
        Rules { silent_agent_limit: None, ..limited() },
        Rules { auto_healing: false, ..limited() },
        Rules { held_by: Some("ada".to_owned()), ..limited() },
    ] {
        check_with(&record_of_silent(None), &silent(6_000), &rules, 6_000, "settled, agent-silent");
    }
}

#[test]
fn in_an_outage_no_agent_is_restarted_and_no_host_healed() {
    let rules = Rules { outage: true, ..limited() };
    check_with(&record_of_silent(None), &silent(300), &rules, 300, "settled, outage");
    let lost = Instance { status: InstanceStatus::ConnectionLost, ..record_of_silent(Some(300)) };
    check_with(&lost, &silent(700), &rules, 700, "settled, outage");
    check_with(&lost, &silent(700), &limited(), 700, "move stopping");
}

#[test]
fn an_agent_that_is_heard_again_ends_the_silence_and_what_was_done_about_it() {
    let step = check_with(&record_of_silent(Some(300)), &well(400), &limited(), 400, "note");
    let heard = changed(step, 400);
    assert_eq!((heard.agent_silent_since, heard.care), (None, Care::default()));
    let lost = Instance { status: InstanceStatus::ConnectionLost, ..record_of_silent(Some(300)) };
    let back = changed(check_with(&lost, &well(700), &limited(), 700, "move online"), 700);
    assert_eq!((back.agent_silent_since, back.care), (None, Care::default()));
}

/// [HEAL-9]: it still does its work, so ECS may first replace its tasks, for the layer's shutdown time.
#[test]
fn a_host_that_lost_its_agent_alone_is_drained_before_it_is_stopped() {
    let lost = Instance { status: InstanceStatus::ConnectionLost, ..record_of_silent(Some(300)) };
    let stopping = changed(check_with(&lost, &silent(600), &limited(), 600, "move stopping"), 600);
    check_with(&stopping, &silent(600), &limited(), 600, "act Drain");
    let draining = |tasks| {
        let container = ContainerHost { active: false, agent_connected: false, tasks, ..container_host() };
        with_container(&silent(600), container)
    };
    check_with(&stopping, &draining(tasks(2, 0, 0, 1)), &limited(), 601, "wait");
    check_with(&stopping, &draining(None), &limited(), 601, "wait");
    check_with(&stopping, &draining(tasks(2, 0, 0, 1)), &limited(), 719, "wait");
    check_with(&stopping, &draining(tasks(2, 0, 0, 1)), &limited(), 720, "act PowerOff { force: false }");
    check_with(&stopping, &draining(tasks(0, 1, 1, 1)), &limited(), 601, "act PowerOff { force: false }");
    // One that is dead as a whole has nothing to wait for.
    let dead = Observed { last_ping: PingSeen::At(at(0)), ..silent(600) };
    let stopping = changed(check_with(&lost, &dead, &limited(), 600, "move stopping"), 600);
    check_with(&stopping, &draining(tasks(2, 0, 0, 1)), &limited(), 601, "act PowerOff { force: false }");
}
