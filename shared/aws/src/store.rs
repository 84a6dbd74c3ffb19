//! The store on DynamoDB: one table, strongly consistent reads, conditional transactions. The change feed is the table's stream.

mod attempts;
mod item;
mod trouble;

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};
use bytes::Bytes;
use strata_ports::store::{Listing, MAX_PK_BYTES, MAX_SK_BYTES, check_possible};
use strata_ports::{Change, CommitError, Expect, Item, Key, Store, StoreError};

use self::attempts::Attempts;
use self::item::Attributes;
use self::trouble::Table;
use crate::{Base, Role, Settings, SettingsError, Uses};

/// What the methods need. A commit is a transaction, which takes the right to each kind of change in it.
pub const USES: &[Uses] = &[
    Uses { method: "get", role: Role::Function, actions: &["dynamodb:GetItem"] },
    Uses { method: "list", role: Role::Function, actions: &["dynamodb:Query"] },
    Uses {
        method: "commit",
        role: Role::Function,
        actions: &["dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem"],
    },
];

/// DynamoDB, under the function's own role.
///
/// Every commit is a TransactWriteItems, also one of a single change. A lone PutItem would cost half of it, but carries no token: the SDK's
/// repeat after a lost answer would find its own write, call it a conflict, and the caller would decide anew and do it twice.
pub struct DynamoStore {
    client: Client,
    table: Table,
}

impl DynamoStore {
    /// Over the table that the settings name.
    ///
    /// # Errors
    /// [`SettingsError::Missing`] without one.
    pub fn new(base: &Base) -> Result<Self, SettingsError> {
        let config = Builder::from(&base.own("DYNAMODB")).interceptor(base.log().clone()).build();
        let name = Settings::required(&base.settings().table, "STRATA_TABLE", "the DynamoDB table")?;
        let table = Table { name: name.to_owned(), region: base.settings().region.clone() };
        Ok(Self { client: Client::from_conf(config), table })
    }

    /// One page of a listing: at most `left` items, and at most 1 MB.
    async fn page(&self, listing: &Listing, left: usize, after: Option<Attributes>) -> Result<QueryOutput, StoreError> {
        let mut request = self.client.query().table_name(&self.table.name).consistent_read(true);
        request = request.expression_attribute_values(":pk", AttributeValue::S(listing.pk.clone()));
        request = if listing.prefix.is_empty() {
            request.key_condition_expression("pk = :pk")
        } else {
            let prefix = AttributeValue::S(listing.prefix.clone());
            request
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", prefix)
        };
        let request =
            request.scan_index_forward(!listing.descending).set_limit(i32::try_from(left).ok()).set_exclusive_start_key(after);
        request.send().await.map_err(|error| self.table.unread("dynamodb:Query", error))
    }

    fn write(&self, change: Change) -> Result<TransactWriteItem, BuildError> {
        let table = &self.table.name;
        let item = TransactWriteItem::builder();
        Ok(match change {
            Change::Put { key, value, expect } => {
                let (condition, values) = condition(expect);
                let item_of_it = item::attributes(key, next_version(expect), text(value)?);
                let put = Put::builder().table_name(table).set_item(Some(item_of_it));
                item.put(put.condition_expression(condition).set_expression_attribute_values(values).build()?)
            }
            Change::Delete { key, expect } => {
                let (condition, values) = condition(expect);
                let delete = Delete::builder().table_name(table).set_key(Some(item::key_attributes(key)));
                item.delete(delete.condition_expression(condition).set_expression_attribute_values(values).build()?)
            }
            Change::Check { key, expect } => {
                let (condition, values) = condition(expect);
                let check = ConditionCheck::builder().table_name(table).set_key(Some(item::key_attributes(key)));
                item.condition_check(check.condition_expression(condition).set_expression_attribute_values(values).build()?)
            }
        }
        .build())
    }
}

/// What must be true of a record, as an expression and its values.
fn condition(expect: Expect) -> (&'static str, Option<HashMap<String, AttributeValue>>) {
    match expect {
        Expect::Absent => ("attribute_not_exists(pk)", None),
        Expect::Version(version) => {
            let version = AttributeValue::N(version.to_string());
            ("v = :v", Some(HashMap::from([(":v".to_owned(), version)])))
        }
    }
}

/// The version that a put leaves behind, its condition being true.
fn next_version(expect: Expect) -> u64 {
    match expect {
        Expect::Absent => 1,
        Expect::Version(version) => version.saturating_add(1),
    }
}

/// [`check_possible`] has seen to it that it is text.
fn text(value: Bytes) -> Result<String, BuildError> {
    String::from_utf8(value.into()).map_err(BuildError::other)
}

/// Whether there can be records at all where it looks.
fn is_possible(listing: &Listing) -> bool {
    (1..=MAX_PK_BYTES).contains(&listing.pk.len()) && listing.prefix.len() <= MAX_SK_BYTES && listing.limit != Some(0)
}

#[async_trait]
impl Store for DynamoStore {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        if !key.is_possible() {
            return Ok(None);
        }
        let request = self.client.get_item().table_name(&self.table.name).set_key(Some(item::key_attributes(key.clone())));
        let answer = request.consistent_read(true).send().await.map_err(|error| self.table.unread("dynamodb:GetItem", error))?;
        Ok(answer.item.map(|attributes| item::read(key.clone(), attributes)))
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Item>, StoreError> {
        let mut found = Vec::new();
        if !is_possible(listing) {
            return Ok(found);
        }
        let limit = listing.limit.unwrap_or(usize::MAX);
        let mut after = None;
        loop {
            let page = self.page(listing, limit - found.len(), after).await?;
            let items = page.items.unwrap_or_default();
            found.extend(items.into_iter().filter_map(|attributes| Some(item::read(item::key_of(&attributes)?, attributes))));
            after = page.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() || found.len() >= limit {
                return Ok(found);
            }
        }
    }

    async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        check_possible(&changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = changes.iter().map(|change| change.key().clone()).collect();
        let items = changes.into_iter().map(|change| self.write(change)).collect::<Result<Vec<_>, _>>();
        let items = items.map_err(|error| CommitError::Impossible { why: error.to_string() })?;
        let attempts = Attempts::default();
        // The SDK gives each call a token of its own, and each attempt of a call the same one.
        let request = self.client.transact_write_items().set_transact_items(Some(items));
        match request.customize().interceptor(attempts.clone()).send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(attempts.judge(self.table.uncommitted(&keys, error))),
        }
    }
}
