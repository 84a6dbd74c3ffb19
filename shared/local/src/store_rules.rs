//! What the local stores have in common: the conditions of a commit, and where a prefix ends.

use strata_ports::{Change, Expect, Key};

/// The first key whose condition does not hold, given the version that each key has now.
pub(crate) fn check_conditions<E>(
    changes: &[Change],
    mut version_of: impl FnMut(&Key) -> Result<Option<u64>, E>,
) -> Result<Option<Key>, E> {
    for change in changes {
        let (Change::Put { key, expect, .. } | Change::Delete { key, expect } | Change::Check { key, expect }) = change;
        let holds = match (expect, version_of(key)?) {
            (Expect::Absent, version) => version.is_none(),
            (Expect::Version(expected), version) => version == Some(*expected),
        };
        if !holds {
            return Ok(Some(key.clone()));
        }
    }
    Ok(None)
}

/// The version that a put leaves behind, its condition being true.
pub(crate) fn next_version(expect: Expect) -> u64 {
    match expect {
        Expect::Absent => 1,
        Expect::Version(version) => version.saturating_add(1),
    }
}

/// The least string that is greater than all that start with `prefix`; `None` when no string is.
pub(crate) fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // The code points between these two are surrogates, which no string holds.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_right_after_the_last_string_that_starts_with_it() {
        let check = |prefix: &str, end: Option<&str>| assert_eq!(end_of_prefix(prefix).as_deref(), end, "{prefix:?}");
        check("", None);
        check("instance#", Some("instance$"));
        check("a\u{10ffff}", Some("b"));
        check("\u{10ffff}\u{10ffff}", None);
        check("\u{d7ff}", Some("\u{e000}"));
        check("\u{7f}", Some("\u{80}"));
    }
}
