//! What the scenario lets happen: mishaps in the cloud, requests by people.

use jiff::{SignedDuration, Timestamp};
use strata_domain::InstanceId;
use strata_domain::decision::Function;
use strata_domain::mode::Mode;
use strata_local::cloud::{Mishap, Victim};
use strata_ports::ModeScope;
use strata_triggers::{CampaignRequest, RequestVerb, TeardownRequest, emit};

use super::World;
use super::calendar::Happening;
use super::setup::Built;
use crate::sim::scenario::{EventKind, EventSpec, TeardownSpec, UpdateWindow};

/// Lets it happen; gives the sentence for the log, and the event for the function that is asked for something.
pub(super) fn happen(world: &World, happening: &Happening, now: Timestamp) -> (String, Option<(Function, String)>) {
    match happening {
        Happening::Event(spec) => (befall(world, spec, now), None),
        Happening::Update(window) => ask_for_update(world, window, now),
        Happening::Teardown(spec) => ask_for_teardown(world, spec, now),
    }
}

fn befall(world: &World, spec: &EventSpec, now: Timestamp) -> String {
    let lasts = SignedDuration::from_mins(i64::from(spec.minutes.unwrap_or(0)));
    if let (true, Some(zone)) = (spec.kind.is_of_a_zone(), &spec.zone) {
        if spec.kind == EventKind::ZoneOutage {
            world.cloud.inject_zone_outage(zone, now, lasts);
        } else {
            world.cloud.inject_no_capacity(zone, None, now, lasts);
        }
        return format!("{} in {zone} for {} min", words(spec.kind), lasts.as_mins());
    }
    if spec.kind.is_of_on_call() {
        return turn(world, spec);
    }
    let mishap = match spec.kind {
        EventKind::Hang => Mishap::Hang,
        EventKind::AgentDisconnect => Mishap::AgentDisconnect(lasts),
        EventKind::Ec2Stop => Mishap::Ec2Stop,
        EventKind::Ec2Terminate => Mishap::Ec2Terminate,
        EventKind::SpotInterruption => Mishap::SpotInterruption,
        EventKind::ZoneOutage | EventKind::NoCapacity | EventKind::Freeze | EventKind::Thaw => {
            return format!("{} without a zone: nothing", words(spec.kind));
        }
    };
    let victims = victims(world, spec);
    for (id, _) in &victims {
        world.cloud.inject(Victim::Record(id.clone()), mishap.clone(), now);
    }
    let names: Vec<&str> = victims.iter().map(|(_, name)| name.as_str()).collect();
    match names.as_slice() {
        [] => format!("{}: no host is up that it could befall", words(spec.kind)),
        names => format!("{}: {}", words(spec.kind), names.join(", ")),
    }
}

/// On-call turns the mode of the installation, or of a layer's stack.
fn turn(world: &World, spec: &EventSpec) -> String {
    let built = spec.layer.as_deref().and_then(|reference| layer(world, Some(reference)));
    let scope = built.map_or(ModeScope::Installation, |built| ModeScope::Stack(built.stack.clone()));
    world.cloud.set_mode(scope, (spec.kind == EventKind::Freeze).then_some(Mode::Frozen));
    format!("{} {}", words(spec.kind), spec.layer.as_deref().unwrap_or("the installation"))
}

/// The hosts that it befalls: those that the scenario names, else the first ones that are up, in the order of creation.
fn victims(world: &World, spec: &EventSpec) -> Vec<(InstanceId, String)> {
    let Some(built) = layer(world, spec.layer.as_deref()) else { return Vec::new() };
    built
        .members
        .iter()
        .filter(|(_, m)| spec.host.as_ref().is_none_or(|host| *host == m.hostname))
        .filter(|(_, m)| spec.scaling.is_none_or(|s| m.scaling == strata_domain::ScalingType::from(s)))
        .filter(|(_, m)| spec.zone.as_ref().is_none_or(|zone| *zone == m.zone))
        .filter(|(id, _)| world.cloud.host_of(id).is_some_and(|h| h.up && !h.hung && h.container.is_some()))
        .take(spec.instances as usize)
        .map(|(id, m)| (id.clone(), m.hostname.clone()))
        .collect()
}

fn layer<'a>(world: &'a World, reference: Option<&str>) -> Option<&'a Built> {
    world.built.get(world.plan.scenario.layer_index(reference)?)
}

fn ask_for_update(world: &World, window: &UpdateWindow, now: Timestamp) -> (String, Option<(Function, String)>) {
    let Some(place) = world.plan.scenario.layer_index(window.layer.as_deref()) else {
        return ("an update window of a layer that is not there".to_owned(), None);
    };
    let spec = &world.plan.scenario.layers[place];
    let request = CampaignRequest {
        verb: RequestVerb::Start,
        stack: spec.stack.clone(),
        layer: "ecs-cluster".to_owned(),
        requested_by: "update window".to_owned(),
        reason: Some(format!("the update window of {} min is open", window.minutes)),
        at: now,
    };
    let body = world.event(now, |e| emit::campaign_request(e, &request));
    (format!("the update window of {} opens for {} min", spec.label(), window.minutes), Some((Function::SecurityUpdates, body)))
}

fn ask_for_teardown(world: &World, spec: &TeardownSpec, now: Timestamp) -> (String, Option<(Function, String)>) {
    let Some(place) = world.plan.scenario.layer_index(Some(&spec.layer)) else {
        return ("a teardown of a layer that is not there".to_owned(), None);
    };
    let layer = &world.plan.scenario.layers[place];
    let request = TeardownRequest {
        verb: RequestVerb::Start,
        stack: layer.stack.clone(),
        layer: "ecs-cluster".to_owned(),
        requested_by: super::PERSON.to_owned(),
        delete_services: spec.delete_services,
        delete_volumes: spec.delete_volumes,
        delete_addresses: spec.delete_addresses,
        delete_stack: spec.delete_stack,
        confirm: Some(layer.name.clone()),
        at: now,
    };
    let body = world.event(now, |e| emit::teardown_request(e, &request));
    (format!("ada asks for the teardown of {}", layer.label()), Some((Function::Teardown, body)))
}

fn words(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Hang => "hosts hang",
        EventKind::AgentDisconnect => "the ECS agent loses its connection",
        EventKind::Ec2Stop => "somebody stops EC2 instances by hand",
        EventKind::Ec2Terminate => "somebody terminates EC2 instances by hand",
        EventKind::SpotInterruption => "EC2 takes Spot instances back",
        EventKind::ZoneOutage => "outage of the zone",
        EventKind::NoCapacity => "EC2 has no capacity",
        EventKind::Freeze => "on-call freezes",
        EventKind::Thaw => "on-call thaws",
    }
}
