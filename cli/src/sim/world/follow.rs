//! Following the store: what the run's record and log tell of statuses and decisions is what was committed, not what a function
//! says that it did.

use std::collections::BTreeMap;

use jiff::Timestamp;
use strata_domain::InstanceId;
use strata_domain::decision::DecisionRecord;
use strata_domain::model::Instance;
use strata_ports::{Item, Key, Store, StoreError, keys};

use crate::sim::log::LogLine;
use crate::sim::record::HostHistory;

/// The histories of all hosts and all changed decisions, so far.
#[derive(Debug, Default)]
pub(crate) struct Follow {
    hosts: Vec<HostHistory>,
    places: BTreeMap<InstanceId, usize>,
    by_key: BTreeMap<Key, InstanceId>,
    /// Changed decisions in the order in which they were committed.
    pub(crate) decisions: Vec<DecisionRecord>,
    /// `stack/layer` by stack id, to name hosts.
    pub(crate) labels: BTreeMap<String, String>,
}

impl Follow {
    /// Takes note of one changed record; gives the log's line, if it is worth one.
    ///
    /// # Errors
    /// [`StoreError`]: the record cannot be read.
    pub(crate) async fn changed(&mut self, store: &dyn Store, key: &Key, now: Timestamp) -> Result<Option<LogLine>, StoreError> {
        if key.pk.starts_with("journal") {
            let Some(decision) = read::<DecisionRecord>(store.get(key).await?)? else { return Ok(None) };
            self.decisions.push(decision.clone());
            return Ok(Some(LogLine::Decision(decision)));
        }
        if !is_instance(key) {
            return Ok(None);
        }
        Ok(match read::<Instance>(store.get(key).await?)? {
            Some(instance) => self.seen(key, instance, now),
            None => self.gone(key, now),
        })
    }

    fn seen(&mut self, key: &Key, instance: Instance, now: Timestamp) -> Option<LogLine> {
        let place = match self.places.get(&instance.id) {
            Some(place) => *place,
            None => {
                let layer = self.labels.get(instance.stack_id.as_str()).cloned().unwrap_or_default();
                self.places.insert(instance.id.clone(), self.hosts.len());
                self.by_key.insert(key.clone(), instance.id.clone());
                let host = instance.hostname.clone();
                self.hosts.push(HostHistory { layer, host, scaling: instance.scaling, changes: Vec::new(), gone_at: None });
                self.hosts.len() - 1
            }
        };
        let history = &mut self.hosts[place];
        let from = history.changes.last().map(|(_, status)| *status);
        if from == Some(instance.status) {
            return None;
        }
        history.changes.push((now, instance.status));
        let host = format!("{}/{}", history.layer, history.host);
        Some(LogLine::Status { at: now, host, from, to: Some(instance.status) })
    }

    fn gone(&mut self, key: &Key, now: Timestamp) -> Option<LogLine> {
        let id = self.by_key.remove(key)?;
        let history = &mut self.hosts[*self.places.get(&id)?];
        history.gone_at = Some(now);
        let from = history.changes.last().map(|(_, status)| *status);
        Some(LogLine::Status { at: now, host: format!("{}/{}", history.layer, history.host), from, to: None })
    }

    /// The histories; what lies before `start` counts as if it had happened at `start`.
    pub(crate) fn histories(self, start: Timestamp) -> Vec<HostHistory> {
        let mut hosts = self.hosts;
        for host in &mut hosts {
            let before = host.changes.iter().filter(|(at, _)| *at <= start).count();
            host.changes.drain(..before.saturating_sub(1));
            if let Some((at, _)) = host.changes.first_mut().filter(|(at, _)| *at < start) {
                *at = start;
            }
        }
        hosts
    }
}

/// Whether a key is an instance's record.
pub(crate) fn is_instance(key: &Key) -> bool {
    key.pk.starts_with("stack#") && key.sk.starts_with(keys::INSTANCE)
}

fn read<T: serde::de::DeserializeOwned>(item: Option<Item>) -> Result<Option<T>, StoreError> {
    item.map(|item| item.decode()).transpose()
}
