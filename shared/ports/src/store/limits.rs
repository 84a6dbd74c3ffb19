//! What one commit can hold: DynamoDB's limits, kept by every store.

use super::{Change, CommitError, Item};
use crate::Key;

/// At most so many changes in one commit; DynamoDB's limit for a transaction.
pub const MAX_CHANGES: usize = 100;
/// At most so many bytes in one value; items are kept below DynamoDB's 400 KB.
pub const MAX_VALUE_BYTES: usize = 380_000;
/// At most so many bytes in one commit, counted by [`Change::bytes`]; DynamoDB's limit for a transaction is 4 MB.
pub const MAX_COMMIT_BYTES: usize = 3_900_000;
/// A partition has a name of 1 to so many bytes.
pub const MAX_PK_BYTES: usize = 2_048;
/// A sort key has 1 to so many bytes.
pub const MAX_SK_BYTES: usize = 1_024;

/// Bytes of an item beside its key and value: the attributes' names, and the version at its longest.
const AROUND_AN_ITEM: usize = 17;

fn item_bytes(key: &Key, value: usize) -> usize {
    key.pk.len() + key.sk.len() + value + AROUND_AN_ITEM
}

impl Change {
    /// Its size as DynamoDB counts an item: names and values of all attributes. What is removed or checked counts with its key alone.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => item_bytes(key, value.len()),
            Self::Delete { key, .. } | Self::Check { key, .. } => item_bytes(key, 0),
        }
    }
}

impl Key {
    /// Whether there can be a record of this key: both parts have a name, and none is too long.
    pub fn is_possible(&self) -> bool {
        (1..=MAX_PK_BYTES).contains(&self.pk.len()) && (1..=MAX_SK_BYTES).contains(&self.sk.len())
    }
}

/// Whether so many changes of such a size can be one commit.
pub fn fits_one_commit<'a>(changes: impl IntoIterator<Item = &'a Change>) -> bool {
    let (count, bytes) = changes.into_iter().fold((0, 0), |(count, bytes), change| (count + 1, bytes + change.bytes()));
    count <= MAX_CHANGES && bytes <= MAX_COMMIT_BYTES
}

/// The first of `items`, as many as one commit may surely remove: whether DynamoDB counts what a transaction removes among its 4 MB is
/// not written anywhere, so it is counted.
pub fn first_portion(mut items: Vec<Item>) -> Vec<Item> {
    let mut bytes = 0;
    let fitting = items.iter().take(MAX_CHANGES).take_while(|item| {
        bytes += item_bytes(&item.key, item.value.len());
        bytes <= MAX_COMMIT_BYTES
    });
    let count = fitting.count();
    items.truncate(count);
    items
}

/// Refuses what DynamoDB would refuse: too many changes, too large a value or too large altogether, a value that is no text, a key that
/// is empty or too long, one key twice.
///
/// # Errors
/// [`CommitError::Impossible`] says which.
pub fn check_possible(changes: &[Change]) -> Result<(), CommitError> {
    let impossible = |why: String| Err(CommitError::Impossible { why });
    if changes.len() > MAX_CHANGES {
        return impossible(format!("{} changes, more than {MAX_CHANGES}", changes.len()));
    }
    if let Some(why) = changes.iter().find_map(trouble) {
        return impossible(why);
    }
    let bytes: usize = changes.iter().map(Change::bytes).sum();
    if bytes > MAX_COMMIT_BYTES {
        return impossible(format!("the changes have {bytes} bytes together, more than {MAX_COMMIT_BYTES}"));
    }
    let mut keys: Vec<&Key> = changes.iter().map(Change::key).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => impossible(format!("{} is there twice", pair[0])),
        None => Ok(()),
    }
}

/// What is wrong with one change by itself.
fn trouble(change: &Change) -> Option<String> {
    let key = change.key();
    if !key.is_possible() {
        let (pk, sk) = (key.pk.len(), key.sk.len());
        let limits = format!("1 to {MAX_PK_BYTES} and 1 to {MAX_SK_BYTES}");
        return Some(format!("the key {key} has parts of {pk} and {sk} bytes, and {limits} are possible"));
    }
    let Change::Put { value, .. } = change else { return None };
    if value.len() > MAX_VALUE_BYTES {
        return Some(format!("the value of {key} has {} bytes, more than {MAX_VALUE_BYTES}", value.len()));
    }
    std::str::from_utf8(value).err().map(|error| format!("the value of {key} is not UTF-8: {error}"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Expect;

    fn put(sk: &str, value: Vec<u8>) -> Change {
        Change::Put { key: Key::new("p", sk), value: value.into(), expect: Expect::Absent }
    }

    #[test]
    fn a_change_is_as_large_as_its_item_and_a_removal_as_its_key() {
        assert_eq!(put("ab", vec![b'1'; 10]).bytes(), 1 + 2 + 10 + AROUND_AN_ITEM);
        assert_eq!(Change::Delete { key: Key::new("p", "ab"), expect: Expect::Version(1) }.bytes(), 1 + 2 + AROUND_AN_ITEM);
    }

    #[test]
    fn a_commit_is_full_by_number_or_by_size() {
        let many = |count: usize| (0..count).map(|n| put(&n.to_string(), vec![b'1'])).collect::<Vec<_>>();
        assert!(fits_one_commit(&many(MAX_CHANGES)) && !fits_one_commit(&many(MAX_CHANGES + 1)));
        let large = |last: usize| {
            let mut changes: Vec<Change> = (0..10).map(|n| put(&n.to_string(), vec![b'1'; MAX_VALUE_BYTES])).collect();
            let so_far: usize = changes.iter().map(Change::bytes).sum();
            changes.push(put("l", vec![b'1'; last - so_far - 2 - AROUND_AN_ITEM]));
            changes
        };
        let (fits, does_not) = (large(MAX_COMMIT_BYTES), large(MAX_COMMIT_BYTES + 1));
        assert!(fits_one_commit(&fits) && check_possible(&fits).is_ok());
        assert!(!fits_one_commit(&does_not));
        let why = check_possible(&does_not).unwrap_err().to_string();
        assert!(why.ends_with("the changes have 3900001 bytes together, more than 3900000"), "{why}");
    }

    #[test]
    fn what_is_removed_at_once_is_bounded_by_number_and_size() {
        let items = |count: usize, bytes: usize| -> Vec<Item> {
            let item = |n| Item { key: Key::new("p", format!("{n:03}")), version: 1, value: Bytes::from(vec![b'1'; bytes]) };
            (0..count).map(item).collect()
        };
        assert_eq!(first_portion(items(3, 10)).len(), 3);
        assert_eq!(first_portion(items(MAX_CHANGES + 1, 10)).len(), MAX_CHANGES);
        assert_eq!(first_portion(items(50, MAX_VALUE_BYTES)).len(), 10);
        assert!(first_portion(Vec::new()).is_empty());
    }

    #[test]
    fn keys_have_a_name_and_a_length() {
        let check = |pk: usize, sk: usize, possible: bool| {
            assert_eq!(Key::new("p".repeat(pk), "s".repeat(sk)).is_possible(), possible, "{pk} {sk}");
        };
        check(1, 1, true);
        check(MAX_PK_BYTES, MAX_SK_BYTES, true);
        check(0, 1, false);
        check(1, 0, false);
        check(MAX_PK_BYTES + 1, 1, false);
        check(1, MAX_SK_BYTES + 1, false);
    }

    #[test]
    fn a_value_is_text() {
        assert!(check_possible(&[put("a", "é".into())]).is_ok());
        let why = check_possible(&[put("a", vec![0xc3])]).unwrap_err().to_string();
        assert!(why.contains("the value of p/a is not UTF-8"), "{why}");
    }
}
