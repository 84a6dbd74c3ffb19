//! What people do: calls of the API, requests for campaigns and teardowns, waiting; and looks at the records.

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use strata_domain::InstanceStatus;
use strata_domain::claims::Claim;
use strata_domain::decision::Function;
use strata_domain::model::Instance;
use strata_domain::teardown::Teardown;
use strata_domain::updates::Campaign;
use strata_ports::http_service::Caller;
use strata_ports::store::Listing;
use strata_ports::{Clock, HttpService, Store, keys};
use strata_triggers::{CampaignRequest, RequestVerb, TeardownRequest, emit};

use super::Rolling;
use super::drive::{Origin, Work};

pub(super) const LAYER: &str = "Web hosts";

impl Rolling {
    /// One call of the API, which does not fail.
    pub(super) async fn call(&self, action: &str, members: Value) -> anyhow::Result<Value> {
        let mut request = Request::new(Bytes::from(members.to_string()));
        *request.method_mut() = http::Method::POST;
        request.headers_mut().insert("x-amz-target", format!("OpsWorks_20130218.{action}").try_into()?);
        request.extensions_mut().insert(Caller { arn: "arn:aws:iam::123456789012:user/ada".to_owned() });
        let response = self.desk.call(request).await;
        if response.status() != 200 {
            bail!("{action} was answered {:?}", response.body());
        }
        Ok(serde_json::from_slice(response.body()).unwrap_or_default())
    }

    /// Sets the layer's `"strata"` settings.
    pub(super) async fn set(&self, strata: &Value) -> anyhow::Result<()> {
        let custom = json!({ "strata": strata }).to_string();
        self.call("UpdateLayer", json!({ "LayerId": self.layer, "CustomJson": custom })).await.map(drop)
    }

    /// Asks security-updates for something.
    pub(super) fn ask_for_update(&mut self, verb: RequestVerb) {
        let request = CampaignRequest {
            verb,
            stack: self.stack.to_string(),
            layer: self.layer.clone(),
            requested_by: "ada".to_owned(),
            reason: None,
            at: self.clock.now(),
        };
        let body = self.event(|e| emit::campaign_request(e, &request));
        self.invoke(Work { function: Function::SecurityUpdates, body, origin: Origin::Request(0) });
    }

    /// Asks teardown for something, with services and volumes.
    pub(super) fn ask_for_teardown(&mut self, verb: RequestVerb) {
        let request = TeardownRequest {
            verb,
            stack: self.stack.to_string(),
            layer: self.layer.clone(),
            requested_by: "ada".to_owned(),
            delete_services: true,
            delete_volumes: true,
            delete_addresses: false,
            delete_stack: false,
            confirm: Some(LAYER.to_owned()),
            at: self.clock.now(),
        };
        let body = self.event(|e| emit::teardown_request(e, &request));
        self.invoke(Work { function: Function::Teardown, body, origin: Origin::Request(0) });
    }

    /// Goes on until something is true of the world, for so many hours at most.
    pub(super) async fn until(&mut self, what: &str, hours: i64, holds: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let begun = self.clock.now();
        while !holds(self) {
            self.go_on().await?;
            if self.clock.now().duration_since(begun) > SignedDuration::from_hours(hours) {
                bail!("within {hours} hours it never came true that {what}");
            }
        }
        Ok(())
    }

    /// Goes on for a while.
    pub(super) async fn pass(&mut self, time: SignedDuration) -> anyhow::Result<()> {
        let end = self.clock.now() + time;
        while self.clock.now() < end {
            self.go_on().await?;
        }
        Ok(())
    }

    /// Goes on until all instances are online.
    pub(super) async fn until_online(&mut self, hosts: usize) -> anyhow::Result<()> {
        for _ in 0..240 {
            let online = self.instances().await?.iter().filter(|i| i.status == InstanceStatus::Online).count();
            if online == hosts {
                return Ok(());
            }
            self.pass(SignedDuration::from_mins(1)).await?;
        }
        bail!("not all instances came online within four hours")
    }

    async fn records<T: DeserializeOwned>(&self, pk: &str, prefix: &str) -> anyhow::Result<Vec<T>> {
        let items = self.store.list(&Listing::of(pk, prefix)).await?;
        items.iter().map(|item| item.decode().context("records can be read")).collect()
    }

    pub(super) async fn instances(&self) -> anyhow::Result<Vec<Instance>> {
        self.records(&keys::stack_pk(&self.stack), keys::INSTANCE).await
    }

    /// Claims in force or not.
    pub(super) async fn claims(&self) -> anyhow::Result<Vec<Claim>> {
        self.records(&keys::stack_pk(&self.stack), keys::CLAIM).await
    }

    /// How many hosts lifecycle still has out of service for somebody.
    pub(super) async fn reports(&self) -> anyhow::Result<usize> {
        let items = self.store.list(&Listing::of(keys::stack_pk(&self.stack), keys::CLAIM_REPORT)).await?;
        Ok(items.len())
    }

    /// The campaign under way, and how many bytes its record has.
    pub(super) async fn campaign(&self) -> anyhow::Result<Option<(Campaign, usize)>> {
        let items = self.store.list(&Listing::of(keys::CAMPAIGNS_PK, "")).await?;
        items.first().map(|item| Ok((item.decode()?, item.value.len()))).transpose()
    }

    /// The newest campaign that is over, if it was begun at or after `since`.
    pub(super) async fn ended_campaign(&self, since: Timestamp) -> anyhow::Result<Option<Campaign>> {
        let ended: Vec<Campaign> = self.records(keys::ENDED_CAMPAIGNS_PK, "").await?;
        Ok(ended.into_iter().find(|campaign| campaign.started_at >= since))
    }

    /// Whether no teardown is under way.
    pub(super) async fn is_not_torn_down(&self) -> anyhow::Result<bool> {
        Ok(self.store.list(&Listing::of(keys::TEARDOWNS_PK, "")).await?.is_empty())
    }

    pub(super) async fn ended_teardown(&self) -> anyhow::Result<Option<Teardown>> {
        Ok(self.records(keys::ENDED_TEARDOWNS_PK, "").await?.into_iter().next())
    }
}
