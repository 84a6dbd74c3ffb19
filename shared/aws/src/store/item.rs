//! A record as the table has it: `pk` and `sk` are its key, `v` its version, `d` its JSON.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use strata_ports::{Item, Key};

/// An item as DynamoDB has it.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// The key alone.
pub(super) fn key_attributes(key: Key) -> Attributes {
    HashMap::from([("pk".to_owned(), AttributeValue::S(key.pk)), ("sk".to_owned(), AttributeValue::S(key.sk))])
}

/// A whole item.
pub(super) fn attributes(key: Key, version: u64, value: String) -> Attributes {
    let mut item = key_attributes(key);
    item.insert("v".to_owned(), AttributeValue::N(version.to_string()));
    item.insert("d".to_owned(), AttributeValue::S(value));
    item
}

/// An item's key. It has one: a table that is not keyed so refuses every query of ours.
pub(super) fn key_of(item: &Attributes) -> Option<Key> {
    Some(Key::new(item.get("pk")?.as_s().ok()?, item.get("sk")?.as_s().ok()?))
}

/// The record of an item. What somebody else has put there has no version, and an empty value, which nothing can be read from: so it
/// troubles nobody but whoever wants this record.
pub(super) fn read(key: Key, mut item: Attributes) -> Item {
    let version = item.get("v").and_then(|version| version.as_n().ok()?.parse().ok());
    match (version, item.remove("d")) {
        (Some(version), Some(AttributeValue::S(value))) => Item { key, version, value: value.into() },
        _ => {
            tracing::warn!(record.key = %key, "an item of the table is not one of Strata's: it lacks the number v or the text d");
            Item { key, version: 0, value: Bytes::new() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let key = Key::new("stack#1", "instance#é");
        let item = attributes(key.clone(), u64::MAX, "{\"n\":1}".to_owned());
        assert_eq!(key_of(&item), Some(key.clone()));
        let read = read(key.clone(), item);
        assert_eq!(read, Item { key, version: u64::MAX, value: Bytes::from_static(b"{\"n\":1}") });
    }

    #[test]
    fn what_somebody_else_has_put_into_the_table_is_unreadable_by_itself_only() {
        let key = Key::new("p", "s");
        let strange = [
            ("v", AttributeValue::S("1".to_owned())),
            ("v", AttributeValue::N("1.5".to_owned())),
            ("d", AttributeValue::Bool(true)),
        ];
        for (name, value) in strange {
            let mut item = attributes(key.clone(), 1, "1".to_owned());
            item.insert(name.to_owned(), value);
            let read = read(key.clone(), item);
            assert!(read.version == 0 && read.decode::<u64>().is_err(), "{read:?}");
        }
        let bare = read(key.clone(), key_attributes(key));
        assert!(bare.decode::<()>().unwrap_err().to_string().starts_with("record p/s is unreadable"));
    }
}
