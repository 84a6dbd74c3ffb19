//! Security-updates and teardown in the small world. Each invocation is a process of its own with an API of its own to ask, and dies with it.

use std::sync::Arc;
use std::time::Duration;

use strata_control::{Api, ApiConfig, LOCAL_CONTROLLER};
use strata_domain::teardown::Teardown;
use strata_domain::updates::Campaign;
use strata_fleet::Fleet;
use strata_local::InProcess;
use strata_ports::store::Listing;
use strata_ports::{Clock, HandlerError, Outcome, Store, keys};
use strata_triggers::emit::{self, Envelope};
use strata_triggers::{CampaignRequest, RequestVerb, TeardownRequest};

use super::{REGION, World};

/// What a run's requests are made of.
const PERSON: &str = "ada";
const SHORTNAME: &str = "ecs-cluster";
const NAME: &str = "web";

impl World {
    /// The controllers' way to the API.
    fn fleet(&self) -> Fleet {
        let way = InProcess {
            caller_arn: LOCAL_CONTROLLER.to_owned(),
            region: REGION.to_owned(),
            ids: self.client_ids.clone(),
            seed: 1,
            latency: Duration::ZERO,
        };
        let api = Arc::new(Api::new(self.ports.clone(), ApiConfig::default()));
        Fleet::new(way.client(api, self.clock.clone()))
    }

    async fn updates(&self, event: &str) -> Option<Result<Outcome, HandlerError>> {
        let ports = self.ports.clone();
        let deps = strata_security_updates::Deps {
            fleet: self.fleet(),
            store: ports.store,
            commands: ports.commands,
            containers: ports.containers,
            modes: ports.modes,
            pager: ports.pager,
            events: ports.events,
            clock: ports.clock,
            ids: ports.ids,
        };
        self.live(strata_security_updates::handle(event.as_bytes(), &deps)).await
    }

    async fn teardown(&self, event: &str) -> Option<Result<Outcome, HandlerError>> {
        let ports = self.ports.clone();
        let deps = strata_teardown::Deps {
            fleet: self.fleet(),
            store: ports.store,
            containers: ports.containers,
            modes: ports.modes,
            pager: ports.pager,
            events: ports.events,
            clock: ports.clock,
            ids: ports.ids,
        };
        self.live(strata_teardown::handle(event.as_bytes(), &deps)).await
    }

    /// The two functions' ticks. Before anything was asked of them they would find nothing, and every run would pay for it.
    pub(super) async fn ticks_of_long_jobs(&self, tick: &str) {
        if !self.is_asked.get() {
            return;
        }
        for (function, done) in [("security-updates", self.updates(tick).await), ("teardown", self.teardown(tick).await)] {
            if let Some(Err(error)) = done {
                self.problems.borrow_mut().push(format!("{function} failed: {error}"));
            }
        }
    }

    fn event(&self, write: impl FnOnce(&Envelope<'_>) -> String) -> String {
        let id = "00000000-0000-4000-8000-000000000001";
        write(&Envelope { account: "123456789012", region: REGION, at: self.clock.now(), id })
    }

    /// Asks for a campaign of the layer, or for a change of the one under way. A request whose invocation dies is given to another, as Lambda
    /// repeats an asynchronous one.
    ///
    /// # Errors
    /// It was not heeded.
    pub async fn ask_for_update(&self, verb: RequestVerb) -> Result<(), String> {
        self.is_asked.set(true);
        let request = CampaignRequest {
            verb,
            stack: self.stack.to_string(),
            layer: SHORTNAME.to_owned(),
            requested_by: PERSON.to_owned(),
            reason: Some("the sweep".to_owned()),
            at: self.clock.now(),
        };
        let event = self.event(|e| emit::campaign_request(e, &request));
        loop {
            if let Some(done) = self.updates(&event).await {
                return done.map(drop).map_err(|error| error.to_string());
            }
        }
    }

    /// Asks for the teardown of the layer with its services and volumes, and with its stack if that is wanted.
    ///
    /// # Errors
    /// It was not heeded.
    pub async fn ask_for_teardown(&self, verb: RequestVerb, with_stack: bool) -> Result<(), String> {
        self.is_asked.set(true);
        let request = TeardownRequest {
            verb,
            stack: self.stack.to_string(),
            layer: SHORTNAME.to_owned(),
            requested_by: PERSON.to_owned(),
            delete_services: true,
            delete_volumes: true,
            delete_addresses: false,
            delete_stack: with_stack,
            confirm: Some(NAME.to_owned()),
            at: self.clock.now(),
        };
        let event = self.event(|e| emit::teardown_request(e, &request));
        loop {
            if let Some(done) = self.teardown(&event).await {
                return done.map(drop).map_err(|error| error.to_string());
            }
        }
    }

    /// The first record of a partition.
    async fn first<T: serde::de::DeserializeOwned>(&self, pk: &str) -> Option<T> {
        let listed = self.store.list(&Listing::of(pk, "")).await.expect("the store itself answers");
        listed.first().map(|item| item.decode().expect("records can be read"))
    }

    /// The campaign that is under way.
    pub async fn campaign(&self) -> Option<Campaign> {
        self.first(keys::CAMPAIGNS_PK).await
    }

    /// The campaign that is over.
    pub async fn ended_campaign(&self) -> Option<Campaign> {
        self.first(keys::ENDED_CAMPAIGNS_PK).await
    }

    /// The teardown that is over.
    pub async fn ended_teardown(&self) -> Option<Teardown> {
        self.first(keys::ENDED_TEARDOWNS_PK).await
    }

    /// Whether a claim, or what lifecycle reports of one, is left in the stack; by name.
    pub async fn claims_left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for prefix in [keys::CLAIM, keys::CLAIM_REPORT] {
            let listed = self.store.list(&Listing::of(keys::stack_pk(&self.stack), prefix)).await;
            left.extend(listed.expect("the store itself answers").into_iter().map(|item| item.key.sk));
        }
        left
    }
}
