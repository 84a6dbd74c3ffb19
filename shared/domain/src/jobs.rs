//! What may be asked of a long job that is under way: the same three words for rolling updates and teardowns.

use serde::{Deserialize, Serialize};

/// What is asked of a job that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Begin nothing new.
    Pause,
    /// Go on.
    Resume,
    /// End it where it stands.
    Abort,
}

/// The first ten names, and how many more; `nobody` for none.
pub(crate) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match (names.len(), names.len().saturating_sub(SHOWN)) {
        (0, _) => "nobody".to_owned(),
        (_, 0) => shown,
        (_, more) => format!("{shown} and {more} more"),
    }
}

/// What a tagged record says of itself: the text of its member `name`.
///
/// States and phases are read by their stored form, so that one that is added later shows under its own name.
pub(crate) fn member(record: &serde_json::Value, name: &str) -> Option<String> {
    record.get(name)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_names_are_listed_and_the_rest_is_counted() {
        let names = |count: usize| (1..=count).map(|n| format!("web{n}")).collect::<Vec<_>>();
        for (count, expected) in [
            (0, "nobody"),
            (1, "web1"),
            (10, "web1, web2, web3, web4, web5, web6, web7, web8, web9, web10"),
            (12, "web1, web2, web3, web4, web5, web6, web7, web8, web9, web10 and 2 more"),
        ] {
            assert_eq!(listed(&names(count)), expected);
        }
    }
}
