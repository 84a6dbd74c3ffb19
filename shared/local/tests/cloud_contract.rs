//! The simulated cloud keeps the contract of every port of the cloud.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;
use strata_domain::StackId;
use strata_domain::security_groups::{ALL, GroupRule};
use strata_local::cloud::{CloudConfig, LayerMetrics, ServiceSpec, SimCloud};
use strata_local::{VirtualClock, virtual_runtime};
use strata_ports::contract::cloud::launch;
use strata_ports::contract::pager::Delivered;
use strata_ports::contract::{
    AlarmWorld, alarm_values_contract, alarms_contract, compute_contract, host_contract, modes_contract, objects_contract,
    pager_contract, security_groups_contract, services_contract, tags_contract, templates_contract,
};
use strata_ports::{AlarmSpec, Clock, StackScope, TemplateSpec};

/// A layer's hosts publish, and a few seconds later CloudWatch has looked.
struct Metrics(Arc<SimCloud>, Arc<VirtualClock>);

#[async_trait]
impl AlarmWorld for Metrics {
    async fn cross(&self, alarm: &AlarmSpec, value: f64) {
        let metrics = LayerMetrics { cpu: Some(value), ..LayerMetrics::default() };
        self.0.publish_layer_metrics(&alarm.layer_id, metrics, self.1.now());
        self.1.sleep(SignedDuration::from_mins(1)).await;
        drop(self.0.advance(self.1.now()));
    }
}

#[test]
fn the_simulated_cloud_keeps_the_contracts_of_its_ports() {
    virtual_runtime().expect("a runtime").block_on(async {
        let clock = Arc::new(VirtualClock::new("2026-03-01T00:00:00Z".parse().expect("a literal time")));
        let cloud = SimCloud::new(CloudConfig::default(), 1, clock.clone());
        let cluster = cloud.create_cluster("contract");
        let scope = StackScope {
            stack_id: StackId::from("stack"),
            region: "us-east-1".to_owned(),
            service_role_arn: "arn:aws:iam::123456789012:role/aws-opsworks-service-role".to_owned(),
        };
        let settle = || -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
            let (clock, cloud) = (clock.clone(), cloud.clone());
            Box::pin(async move {
                clock.sleep(SignedDuration::from_mins(10)).await;
                drop(cloud.advance(clock.now()));
            })
        };
        compute_contract(&*cloud, &scope, "us-east-1a", &settle).await;
        let vpc = "vpc-0fedcba9876543210";
        let name_of =
            |id: &str| ALL.into_iter().find(|name| cloud.id_of_group(vpc, name).as_deref() == Some(id)).expect("built in");
        let shown = async |id: &str| cloud.rules_of_group(vpc, name_of(id));
        let edit = async |id: &str, added: &GroupRule, taken: &GroupRule| {
            cloud.edit_group(vpc, name_of(id), |rules| {
                rules.remove(taken);
                rules.insert(added.clone());
            });
        };
        security_groups_contract(&*cloud, &scope, vpc, shown, edit).await;
        host_contract(&*cloud, &scope, &cluster, "us-east-1b", &settle).await;
        let spec = ServiceSpec { name: "web".to_owned(), desired: 2, ..ServiceSpec::default() };
        let service = cloud.create_service(&cluster, spec).expect("the cluster is there");
        services_contract(&*cloud, &scope, &cluster, &service, &settle).await;
        alarms_contract(&*cloud, &scope).await;
        alarm_values_contract(&*cloud, &scope, &Metrics(cloud.clone(), clock.clone())).await;

        cloud.add_launch_template("theirs");
        let template = TemplateSpec {
            name: "strata-contract".to_owned(),
            layer_id: "layer".into(),
            machine: launch("break-glass", ""),
            user_data: "#!/bin/bash\n".to_owned(),
            fingerprint: "a1".to_owned(),
        };
        templates_contract(&*cloud, &scope, &template, "theirs", async |name: &str| {
            let found = cloud.launch_templates().remove(name)?;
            Some((found.spec.map(|spec| spec.fingerprint).unwrap_or_default(), found.versions))
        })
        .await;
        let resources = [(); 2].map(|()| cloud.add_volume("us-east-1a", 1, "gp3"));
        tags_contract(&*cloud, &scope, &resources).await;

        cloud.serve_objects_at("http://127.0.0.1:4280/");
        let fetch = |url: String| -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
            let cloud = cloud.clone();
            Box::pin(async move {
                let (path, query) = url.strip_prefix("http://127.0.0.1:4280")?.split_once('?')?;
                cloud.linked(path, query)
            })
        };
        objects_contract(&*cloud, &fetch).await;
        modes_contract(&*cloud, async |mode_of, mode| cloud.set_mode(mode_of, mode)).await;
        let seen = std::sync::atomic::AtomicUsize::new(0);
        let inbox = || -> std::pin::Pin<Box<dyn Future<Output = Vec<Delivered>> + Send>> {
            let new = cloud.notices(seen.load(std::sync::atomic::Ordering::SeqCst));
            seen.fetch_add(new.len(), std::sync::atomic::Ordering::SeqCst);
            Box::pin(async move { new.into_iter().map(|(_, message)| delivered(message)).collect() })
        };
        pager_contract(&*cloud, &inbox).await;
    });
}

/// As a program gets it that is subscribed by a queue.
fn delivered(message: strata_domain::pages::Message) -> Delivered {
    let bodies: serde_json::Value = serde_json::from_str(&message.by_protocol()).expect("JSON by protocol");
    Delivered {
        subject: message.subject,
        body: bodies["sqs"].as_str().expect("a string for each protocol").to_owned(),
        attributes: message.attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}
