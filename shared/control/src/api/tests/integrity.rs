//! No dangling id: every reference in every record resolves, and every uniqueness record has its owner, and the other way round.
//!
//! A kind of record that is not known here is a problem too, so whoever adds one says what it refers to.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use strata_domain::ClusterArn;
use strata_domain::model::{ElasticIp, Instance, Layer, LayerLoadBalancer, LayerType, RegisteredVolume, Stack, UserProfile};
use strata_ports::{Item, Key, keys};

use super::TestApi;
use crate::records::{ClusterRegistration, Command, Deployment, DeploymentState};

/// Fails with all that dangles.
#[track_caller]
pub(super) fn assert_whole(app: &TestApi) {
    let problems = problems(app.store.all());
    assert!(problems.is_empty(), "dangling:\n{}", problems.join("\n"));
}

/// All that dangles in these records, one sentence each.
pub(super) fn problems(items: Vec<Item>) -> Vec<String> {
    let mut look = Look { items: items.into_iter().map(|i| (i.key.clone(), i)).collect(), problems: Vec::new(), at: None };
    for item in look.items.clone().into_values() {
        look.at = Some(item.key.clone());
        look.record(&item);
    }
    look.problems
}

struct Look {
    items: BTreeMap<Key, Item>,
    problems: Vec<String>,
    at: Option<Key>,
}

impl Look {
    fn wants(&mut self, is_so: bool, what: &str) {
        if let (false, Some(at)) = (is_so, &self.at) {
            self.problems.push(format!("{at}: {what}"));
        }
    }

    fn get<T: DeserializeOwned>(&self, key: &Key) -> Option<T> {
        self.items.get(key).map(|item| item.decode().unwrap())
    }

    fn exists(&mut self, key: &Key) {
        let is_there = self.items.contains_key(key);
        self.wants(is_there, &format!("there is no {key}"));
    }

    fn record(&mut self, item: &Item) {
        let (pk, sk) = (item.key.pk.as_str(), item.key.sk.as_str());
        match pk.split_once('#') {
            Some(("stack", stack)) => self.of_stack(&stack.into(), sk, item),
            Some(("id", id)) => self.pointer(id, item),
            Some(("ec2", ec2)) => {
                let owner: keys::Ec2Owner = item.decode().unwrap();
                let instance: Option<Instance> = self.get(&keys::instance(&owner.stack_id, &owner.instance_id));
                let names_it = instance.is_some_and(|i| i.ec2_instance_id.is_some_and(|id| id.as_str() == ec2));
                self.wants(names_it, "its instance does not name it");
            }
            Some(("ec2-volume", id)) => {
                let owner: keys::VolumeOwner = item.decode().unwrap();
                let volume: Option<RegisteredVolume> = self.get(&keys::volume(&owner.stack_id, &owner.volume_id));
                self.wants(volume.is_some_and(|v| v.ec2_volume_id == id), "no volume is registered so");
            }
            Some(("address", ip)) => {
                let owner: keys::Owner = item.decode().unwrap();
                self.exists(&keys::elastic_ip(&owner.stack_id, ip));
            }
            Some(("load-balancer", of)) => {
                let owner: keys::LoadBalancerOwner = item.decode().unwrap();
                let attached: Option<LayerLoadBalancer> = self.get(&keys::load_balancer(&owner.stack_id, &owner.layer_id));
                let name = of.split_once('#').map(|(_, name)| name.to_owned());
                self.wants(attached.map(|a| a.name) == name, "its layer does not have it");
            }
            Some(("alarm", _)) => self.layer_of_index(item, sk),
            // What they decided and when: history and hints.
            Some(("scaling" | "journal" | "last-decision", _)) => {}
            Some(_) => self.wants(false, "a kind of record that integrity.rs does not know"),
            None => self.of_installation(pk, sk, item),
        }
    }

    /// Records of the installation's own partitions.
    fn of_installation(&mut self, pk: &str, sk: &str, item: &Item) {
        match pk {
            keys::STACKS_PK => self.exists(&keys::stack(&sk.into())),
            keys::CLUSTERS_PK => {
                let of: ClusterRegistration = item.decode().unwrap();
                let named: Option<ClusterArn> = self.get(&keys::unique(&of.stack_id, "cluster", "one"));
                self.wants(named == Some(sk.into()), "its stack does not name it as its one cluster");
            }
            keys::BUSY_PK | keys::LAUNCH_BACKLOG_PK => {
                let owner: keys::Owner = item.decode().unwrap();
                self.exists(&keys::instance(&owner.stack_id, &sk.into()));
            }
            keys::OPEN_DEPLOYMENTS_PK => {
                let owner: keys::Owner = item.decode().unwrap();
                let of: Option<Deployment> = self.get(&keys::deployment(&owner.stack_id, &sk.into()));
                self.wants(of.is_some_and(|d| d.status == DeploymentState::Running), "no running deployment is named so");
            }
            keys::PENDING_COMMANDS_PK => {
                let (instance, command) = sk.split_once('#').unwrap();
                let owner: keys::Owner = item.decode().unwrap();
                if !self.items.contains_key(&keys::stack(&owner.stack_id)) {
                    return;
                }
                let of: Option<Command> = self.get(&keys::command(&owner.stack_id, &instance.into(), &command.into()));
                self.wants(of.is_some_and(|c| !c.status.is_final()), "no unfinished command is named so");
            }
            // What is due goes when the tick has looked, also for a stack or an instance that is gone.
            keys::CONFIGURE_DUE_PK | keys::USERS_DUE_PK | keys::USERS_BEHIND_PK => {}
            keys::LOAD_BASED_LAYERS_PK => self.layer_of_index(item, sk),
            keys::UPDATE_WINDOWS_PK => {
                let window: keys::UpdateWindow = item.decode().unwrap();
                self.exists(&keys::layer(&window.stack_id, &sk.into()));
            }
            keys::USERS_PK => {
                let user: UserProfile = item.decode().unwrap();
                self.taken_by(&keys::ssh_name(&user.ssh_username), sk);
                self.taken_by(&keys::uid(user.uid), sk);
            }
            keys::SSH_NAMES_PK => {
                let user: Option<UserProfile> = self.get(&keys::user(&item.decode::<String>().unwrap()));
                self.wants(user.is_some_and(|u| u.ssh_username == sk), "no user has that name");
            }
            // A UID stays given after its user is deleted [USR-5].
            keys::UIDS_PK => {
                if let Some(arn) = item.decode::<Option<String>>().unwrap() {
                    self.exists(&keys::user(&arn));
                }
            }
            // Hints, what is sent, and the controllers' own records refer to nothing that must be there.
            // It may outlive its layer and stack: the next tick takes the hosts out and removes it.
            keys::BALANCERS_DUE_PK | keys::GROUPS_DUE_PK => {}
            // Its hold may have gone with its instance; when its time has come it goes too.
            keys::HOLD_ENDS_PK => {}
            keys::REPEATS_PK | keys::OUTBOX_PK | "journal" | "launch-poke" | "fleet-changed" | "timers-settled" => {}
            // A plan may outlive its layer until its time.
            keys::TEARDOWN_PLANS_PK => {}
            "sweep" | keys::CAMPAIGNS_PK | keys::ENDED_CAMPAIGNS_PK | keys::TEARDOWNS_PK | keys::ENDED_TEARDOWNS_PK => {}
            _ => self.wants(false, "a kind of record that integrity.rs does not know"),
        }
    }

    fn layer_of_index(&mut self, item: &Item, layer: &str) {
        let owner: keys::Owner = item.decode().unwrap();
        self.exists(&keys::layer(&owner.stack_id, &layer.into()));
        self.exists(&keys::load_based(&owner.stack_id, &layer.into()));
    }

    fn pointer(&mut self, id: &str, item: &Item) {
        let owner: keys::Owner = item.decode().unwrap();
        let stack = &owner.stack_id;
        match owner.kind.as_str() {
            "layer" => self.exists(&keys::layer(stack, &id.into())),
            "instance" => self.exists(&keys::instance(stack, &id.into())),
            "volume" => self.exists(&keys::volume(stack, &id.into())),
            "deployment" => self.exists(&keys::deployment(stack, &id.into())),
            "service-error" => self.exists(&keys::service_error(stack, &id.into())),
            // Of a stack that is gone they are never read again; there may be too many to remove them with it.
            "command" if !self.items.contains_key(&keys::stack(stack)) => {}
            "command" => {
                let of: crate::records::CommandPointer = item.decode().unwrap();
                self.exists(&keys::command(stack, &of.instance_id, &id.into()));
            }
            other => self.wants(false, &format!("points to a {other}, which integrity.rs does not know")),
        }
    }

    /// Records of a stack's partition.
    fn of_stack(&mut self, stack: &strata_domain::StackId, sk: &str, item: &Item) {
        self.exists(&keys::stack(stack));
        let Some((kind, id)) = sk.split_once('#') else {
            match sk {
                "stack" => {
                    let own: Stack = item.decode().unwrap();
                    self.wants(own.id == *stack, "has another id");
                    self.exists(&keys::stack_entry(stack));
                }
                _ => self.wants(false, "a kind of record that integrity.rs does not know"),
            }
            return;
        };
        match kind {
            "layer" => self.layer(&item.decode().unwrap()),
            "instance" => self.instance(&item.decode().unwrap()),
            "volume" => self.volume(&item.decode().unwrap()),
            "elastic-ip" => self.address(&item.decode().unwrap()),
            "load-balancer" => self.load_balancer(&item.decode().unwrap()),
            "load-based" | "campaign" | "teardown" => self.exists(&keys::layer(stack, &id.into())),
            "time-based" | "last-start" | "claim" | "claim-report" | "hooks" => self.exists(&keys::instance(stack, &id.into())),
            "hold" => match id.split('#').collect::<Vec<_>>().as_slice() {
                ["layer", layer] => self.exists(&keys::layer(stack, &(*layer).into())),
                ["instance", instance, _] => self.exists(&keys::instance(stack, &(*instance).into())),
                _ => self.wants(false, "a hold on nothing"),
            },
            "incident" => {
                let (layer, instance) = (keys::layer(stack, &id.into()), keys::instance(stack, &id.into()));
                let is_there = self.items.contains_key(&layer) || self.items.contains_key(&instance);
                self.wants(is_there, "about neither a layer nor an instance");
            }
            // Their instances may be gone; they stay readable until the stack goes.
            "deployment" | "service-error" => self.pointed_to(kind, id),
            "command" => self.pointed_to(kind, id.rsplit('#').next().unwrap_or_default()),
            "permission" => self.exists(&keys::user(id)),
            "unique" => self.unique(stack, id, item),
            _ => self.wants(false, "a kind of record that integrity.rs does not know"),
        }
    }

    fn pointed_to(&mut self, kind: &str, id: &str) {
        let pointer: Option<keys::Owner> = self.get(&keys::pointer(id));
        self.wants(pointer.is_some_and(|p| p.kind == kind), "no pointer leads to it");
    }

    fn taken_by(&mut self, key: &Key, owner: &str) {
        let by: Option<String> = self.get(key);
        self.wants(by.as_deref() == Some(owner), &format!("{key} does not name it"));
    }

    fn layer(&mut self, layer: &Layer) {
        let (stack, id) = (&layer.stack_id, layer.id.as_str());
        self.pointed_to("layer", id);
        self.taken_by(&keys::unique(stack, "layer-name", &layer.name), id);
        self.taken_by(&keys::unique(stack, "layer-shortname", &layer.shortname), id);
        if layer.layer_type == LayerType::EcsCluster {
            self.taken_by(&keys::unique(stack, "layer-type", layer.layer_type.as_str()), id);
        }
        if let Some(cluster) = &layer.cluster {
            let of: Option<ClusterRegistration> = self.get(&keys::cluster(cluster));
            self.wants(of.is_some_and(|of| of.stack_id == *stack), "its cluster is not registered with its stack");
        }
    }

    fn instance(&mut self, instance: &Instance) {
        let (stack, id) = (&instance.stack_id, &instance.id);
        self.pointed_to("instance", id.as_str());
        self.taken_by(&keys::unique(stack, "host", &instance.hostname.to_ascii_lowercase()), id.as_str());
        for layer in &instance.layer_ids {
            self.exists(&keys::layer(stack, layer));
        }
        if let Some(error) = &instance.last_service_error_id {
            self.exists(&keys::service_error(stack, error));
        }
        if let Some(ip) = &instance.elastic_ip {
            let address: Option<ElasticIp> = self.get(&keys::elastic_ip(stack, ip));
            self.wants(address.is_some_and(|a| a.instance_id.as_ref() == Some(id)), "its address does not name it");
        }
        for tied in &instance.volumes {
            let owner: Option<keys::VolumeOwner> = self.get(&keys::registered_volume(&tied.ec2_volume_id));
            let volume: Option<RegisteredVolume> = owner.and_then(|o| self.get(&keys::volume(&o.stack_id, &o.volume_id)));
            let names_it = volume.is_some_and(|v| v.instance_id.as_ref() == Some(id) && v.stack_id == *stack);
            self.wants(names_it, &format!("its volume {} does not name it", tied.ec2_volume_id));
        }
    }

    fn volume(&mut self, volume: &RegisteredVolume) {
        self.pointed_to("volume", volume.id.as_str());
        let owner: Option<keys::VolumeOwner> = self.get(&keys::registered_volume(&volume.ec2_volume_id));
        self.wants(owner.is_some_and(|o| o.volume_id == volume.id && o.stack_id == volume.stack_id), "registered otherwise");
        if let Some(holder) = &volume.instance_id {
            let holder: Option<Instance> = self.get(&keys::instance(&volume.stack_id, holder));
            let tied = holder.into_iter().flat_map(|i| i.volumes).find(|v| v.ec2_volume_id == volume.ec2_volume_id);
            let is_same = tied.is_some_and(|v| v.mount_point == volume.mount_point.clone().unwrap_or_default());
            self.wants(is_same, "its instance does not have it at its mount point");
        }
    }

    fn address(&mut self, address: &ElasticIp) {
        let owner: Option<keys::Owner> = self.get(&keys::registered_address(&address.ip));
        self.wants(owner.is_some_and(|o| o.stack_id == address.stack_id), "registered otherwise");
        if let Some(holder) = &address.instance_id {
            let holder: Option<Instance> = self.get(&keys::instance(&address.stack_id, holder));
            let has_it = holder.is_some_and(|i| i.elastic_ip.as_ref() == Some(&address.ip));
            self.wants(has_it, "its instance does not have it");
        }
    }

    fn load_balancer(&mut self, attached: &LayerLoadBalancer) {
        self.exists(&keys::layer(&attached.stack_id, &attached.layer_id));
        let Some(stack) = self.get::<Stack>(&keys::stack(&attached.stack_id)) else { return };
        let owner: Option<keys::LoadBalancerOwner> = self.get(&keys::attached_load_balancer(&stack.region, &attached.name));
        self.wants(owner.is_some_and(|o| o.layer_id == attached.layer_id), "attached otherwise");
    }

    /// A name that is taken: by whom, and that owner has it.
    fn unique(&mut self, stack: &strata_domain::StackId, what_and_name: &str, item: &Item) {
        let (what, name) = what_and_name.split_once('#').unwrap_or_default();
        if what == "cluster" {
            return self.exists(&keys::cluster(&item.decode().unwrap()));
        }
        let owner: String = item.decode().unwrap();
        if what == "host" {
            let instance: Option<Instance> = self.get(&keys::instance(stack, &owner.as_str().into()));
            return self
                .wants(instance.is_some_and(|i| i.hostname.to_ascii_lowercase() == name), "its instance has another name");
        }
        let layer: Option<Layer> = self.get(&keys::layer(stack, &owner.as_str().into()));
        let has_it = layer.is_some_and(|l| match what {
            "layer-name" => l.name == name,
            "layer-shortname" => l.shortname == name,
            "layer-type" => l.layer_type.as_str() == name,
            _ => false,
        });
        self.wants(has_it, "no layer has that name");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The check itself: it sees what dangles.
    #[tokio::test]
    async fn what_dangles_is_seen() {
        let app = TestApi::new();
        let (stack, layer) = app.shop().await;
        let instance = app.instance(&stack, &layer, json!({})).await;
        assert_whole(&app);
        for key in [
            keys::stack(&stack.as_str().into()),
            keys::layer(&stack.as_str().into(), &layer.as_str().into()),
            keys::instance(&stack.as_str().into(), &instance.as_str().into()),
            keys::pointer(&layer),
            keys::unique(&stack.as_str().into(), "layer-name", "web"),
            keys::unique(&stack.as_str().into(), "cluster", "one"),
            keys::cluster(&super::super::support::CLUSTER.into()),
        ] {
            let without = app.store.all().into_iter().filter(|item| item.key != key).collect();
            assert!(!problems(without).is_empty(), "{key} is missed");
        }
        let mut more = app.store.all();
        more.push(Item { key: Key::new("novelty", "x"), version: 1, value: "{}".into() });
        assert_eq!(problems(more).len(), 1, "an unknown kind is a problem");
    }
}
