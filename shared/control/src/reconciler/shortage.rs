//! Capacity that EC2 has not got: one page for a layer and a zone, however many hosts cannot start and however often they are tried again.

use std::collections::BTreeSet;

use jiff::Timestamp;
use strata_domain::decision::Page;
use strata_domain::model::Instance;
use strata_domain::{LayerId, StackId};
use strata_ports::store::Listing;
use strata_ports::{Change, Expect, HandlerError, Key, Store, StoreError, Told, keys};

use super::telling::Incident;
use super::write::close_incident;

/// The pages that the writes of one round open: a commit names each key once.
#[derive(Default)]
pub(super) struct Shortages(BTreeSet<Key>);

impl Shortages {
    /// Opens the page about the record's layer and zone, unless it is open. `page` is the one that would be about the host alone.
    pub(super) async fn open(
        &mut self,
        store: &dyn Store,
        record: &Instance,
        page: Page,
        told: &mut Told,
        changes: &mut Vec<Change>,
    ) -> Result<(), StoreError> {
        let Some(layer) = record.layer_ids.first() else { return Ok(()) };
        let zone = &record.availability_zone;
        let key = keys::shortage(&record.stack_id, layer, zone);
        if self.0.contains(&key) || store.get(&key).await?.is_some() {
            return Ok(());
        }
        let page = Page {
            incident: format!("no-capacity/{zone}/{}/{}", record.id, record.status_sequence),
            host: None,
            what: format!("EC2 has no capacity in {zone}: {} cannot start", record.hostname),
            did: "try again every few minutes until EC2 takes it, its scaler wants it no more, or somebody stops it".to_owned(),
            next: format!("aws opsworks describe-instances --layer-id {layer}"),
            ..page
        };
        changes.push(Change::put(key.clone(), &Incident { page: page.clone() }, Expect::Absent));
        told.pages.push(page);
        self.0.insert(key);
        Ok(())
    }
}

/// Resolves the shortages of a stack that no host of the layer waits for any more. One list; records are read only if one is open.
pub(super) async fn resolve(store: &dyn Store, stack: &StackId, now: Timestamp) -> Result<(), HandlerError> {
    let pk = keys::stack_pk(stack);
    let open = store.list(&Listing::of(&pk, keys::SHORTAGE)).await?;
    if open.is_empty() {
        return Ok(());
    }
    let records = store.list(&Listing::of(&pk, keys::INSTANCE)).await?;
    let records: Vec<Instance> = records.iter().map(|item| item.decode()).collect::<Result<_, _>>()?;
    for item in open {
        let Some((layer, zone)) = item.key.sk.trim_start_matches(keys::SHORTAGE).split_once('#') else { continue };
        let layer = LayerId::new(layer);
        let waits =
            |r: &&Instance| r.shortage.start_refused && r.availability_zone == zone && r.layer_ids.first() == Some(&layer);
        if records.iter().any(|record| waits(&record)) {
            continue;
        }
        let what = format!("no host waits for capacity in {zone} any more");
        let (mut told, mut changes) = (Told::default(), Vec::new());
        close_incident(store, &item.key, now, &what, &mut told, &mut changes).await?;
        changes.extend(told.changes());
        super::round::committed(store.commit(changes).await)?;
    }
    Ok(())
}
