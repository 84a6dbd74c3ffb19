//! All ports in one hand, for the control plane, which needs most of them. A controller's `Deps` names only what it may touch.

use std::sync::Arc;

use crate::{
    Alarms, Attachments, Clock, Commands, Compute, Containers, Events, Identity, Ids, Inventory, LoadBalancers, Modes, Objects,
    Pager, Store, Upkeep,
};

/// Every port. Cheap to clone.
#[derive(Clone)]
pub struct Ports {
    /// The store.
    pub store: Arc<dyn Store>,
    /// EC2.
    pub compute: Arc<dyn Compute>,
    /// EC2's volumes and addresses.
    pub attachments: Arc<dyn Attachments>,
    /// Launch templates.
    pub upkeep: Arc<dyn Upkeep>,
    /// ECS.
    pub containers: Arc<dyn Containers>,
    /// What the account has.
    pub inventory: Arc<dyn Inventory>,
    /// ELB.
    pub load_balancers: Arc<dyn LoadBalancers>,
    /// IAM and STS.
    pub identity: Arc<dyn Identity>,
    /// SSM.
    pub commands: Arc<dyn Commands>,
    /// CloudWatch alarms.
    pub alarms: Arc<dyn Alarms>,
    /// SNS.
    pub pager: Arc<dyn Pager>,
    /// EventBridge, outwards.
    pub events: Arc<dyn Events>,
    /// Modes.
    pub modes: Arc<dyn Modes>,
    /// S3.
    pub objects: Arc<dyn Objects>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
}
