//! User tags of stacks and layers: what may be a tag, how layers inherit, how many there may be [TAG].

use std::collections::BTreeMap;

/// User tags by key.
pub type Tags = BTreeMap<String, String>;

/// User tags of a stack or layer, inherited ones counted [TAG-4].
pub const MAX_TAGS: usize = 40;
/// Characters of a key [TAG-5].
pub const MAX_KEY: usize = 127;
/// Characters of a value [TAG-5].
pub const MAX_VALUE: usize = 255;
/// What the service and AWS keep for themselves [TAG-6]. Our choice: in any mixture of cases, as AWS has it for `aws:`.
const RESERVED_PREFIXES: [&str; 3] = ["aws:", "opsworks:", "rds:"];

/// Why tags are refused. The text is the ValidationException's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// [TAG-5]
    #[error("Tags: the key \"{0}\" must have 1 to {MAX_KEY} characters without the white space around it, it has {1}")]
    KeyLength(String, usize),
    /// [TAG-5]
    #[error("Tags: the value of \"{0}\" must have at most {MAX_VALUE} characters without the white space around it, it has {1}")]
    ValueLength(String, usize),
    /// [TAG-5]
    #[error("Tags: {what} has {found:?}; allowed are letters, digits, spaces and + - = . _ : /")]
    Character {
        /// `the key "x"` or `the value of "x"`.
        what: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// [TAG-6]
    #[error("Tags: the key \"{0}\" begins with {1}, which is reserved")]
    Reserved(String, &'static str),
    /// Two keys that differ only in the white space around them.
    #[error("Tags: the key \"{0}\" is given twice, apart from the white space around it")]
    Twice(String),
    /// [TAG-4] [QTA-3]
    #[error("Tags: {whose} would have {found} tags; at most {MAX_TAGS} are allowed, inherited ones counted")]
    TooMany {
        /// `the stack`, or `the layer "x"`.
        whose: String,
        /// How many it would have.
        found: usize,
    },
    /// [TAG-2]
    #[error("Tag Keys: \"{0}\" is inherited from the stack, so it cannot be removed from the layer; override its value instead")]
    Inherited(String),
}

/// Tags as they are kept: trimmed, and each key and value as it must be [TAG-5] [TAG-6]. `Name` is a key like any other here
/// (monitoring-and-resources.md, Q6).
///
/// # Errors
/// The first one that is not allowed.
pub fn checked(given: Tags) -> Result<Tags, TagError> {
    let mut tags = Tags::new();
    for (key, value) in given {
        let (key, value) = (key.trim(), value.trim());
        check_key(key)?;
        let length = value.chars().count();
        if length > MAX_VALUE {
            return Err(TagError::ValueLength(key.to_owned(), length));
        }
        check_characters(value, || format!("the value of \"{key}\""))?;
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(TagError::Twice(key.to_owned()));
        }
    }
    Ok(tags)
}

fn check_key(key: &str) -> Result<(), TagError> {
    let length = key.chars().count();
    if !(1..=MAX_KEY).contains(&length) {
        return Err(TagError::KeyLength(key.to_owned(), length));
    }
    let begins = |prefix: &&&str| key.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if let Some(prefix) = RESERVED_PREFIXES.iter().find(begins) {
        return Err(TagError::Reserved(key.to_owned(), prefix));
    }
    check_characters(key, || format!("the key \"{key}\""))
}

fn check_characters(text: &str, what: impl Fn() -> String) -> Result<(), TagError> {
    let is_allowed = |c: char| {
        // Unicode's separators are its white space without the control characters.
        c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || matches!(c, '+' | '-' | '=' | '.' | '_' | ':' | '/')
    };
    match text.chars().find(|c| !is_allowed(*c)) {
        Some(found) => Err(TagError::Character { what: what(), found }),
        None => Ok(()),
    }
}

/// What a layer shows: the stack's tags, with the layer's own values over them and its own keys beside them [TAG-2] [TAG-8].
pub fn effective(inherited: &Tags, own: &Tags) -> Tags {
    inherited.iter().chain(own).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Tags after TagResource: merged, existing keys overwritten, none removed [TAG-7].
pub fn merged(present: &Tags, given: Tags) -> Tags {
    let mut tags = present.clone();
    tags.extend(given);
    tags
}

/// That a stack or layer would not have too many [TAG-4]; `inherited` is empty for a stack.
///
/// # Errors
/// [`TagError::TooMany`] names `whose` they are.
pub fn check_count(inherited: &Tags, own: &Tags, whose: impl FnOnce() -> String) -> Result<(), TagError> {
    let found = effective(inherited, own).len();
    if found > MAX_TAGS { Err(TagError::TooMany { whose: whose(), found }) } else { Ok(()) }
}

/// Tags after UntagResource; keys that are not there are ignored [TAG-7].
///
/// # Errors
/// [`TagError::Inherited`]: a layer cannot lose what its stack has [TAG-2].
pub fn without(inherited: &Tags, own: &Tags, keys: &[String]) -> Result<Tags, TagError> {
    let mut tags = own.clone();
    for key in keys.iter().map(|key| key.trim()) {
        if inherited.contains_key(key) {
            return Err(TagError::Inherited(key.to_owned()));
        }
        tags.remove(key);
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(pairs: &[(&str, &str)]) -> Tags {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn numbered(prefix: &str, n: usize) -> Tags {
        (0..n).map(|i| (format!("{prefix}{i}"), String::new())).collect()
    }

    /// [TAG-5] [QTA-3]
    #[test]
    fn tag_5_lengths_count_trimmed_characters() {
        let long = |n: usize| "é".repeat(n);
        for (key, value, is_fine) in [
            (long(1), long(0), true),
            (long(127), long(255), true),
            (long(128), long(0), false),
            (long(1), long(256), false),
            (String::new(), long(1), false),
            ("  ".to_owned(), long(1), false),
            (format!(" {} ", long(127)), format!("\t{}\n", long(255)), true),
        ] {
            assert_eq!(checked(tags(&[(&key, &value)])).is_ok(), is_fine, "{key:?} {value:?}");
        }
        assert_eq!(checked(tags(&[(" a b ", " c ")])).unwrap(), tags(&[("a b", "c")]));
        assert_eq!(checked(tags(&[("a", "1"), ("a ", "2")])), Err(TagError::Twice("a".to_owned())));
    }

    /// [TAG-5]
    #[test]
    fn tag_5_letters_digits_separators_and_seven_signs() {
        for fine in ["Stage", "größe", "漢字", "a1²", "a b", "a\u{3000}b", "+-=._:/"] {
            assert!(checked(tags(&[(fine, fine)])).is_ok(), "{fine}");
        }
        for bad in ["a\tb", "a\nb", "a@b", "a,b", "a\"b", "a*b", "a\u{0}b", "😀"] {
            assert!(matches!(checked(tags(&[(bad, "v")])), Err(TagError::Character { .. })), "{bad}");
            assert!(matches!(checked(tags(&[("k", bad)])), Err(TagError::Character { .. })), "{bad}");
        }
    }

    /// [TAG-6]
    #[test]
    fn tag_6_three_prefixes_are_reserved_and_name_is_not() {
        for reserved in ["aws:a", "opsworks:stack", "rds:x", "AWS:a", "OpsWorks:a", "aws:"] {
            assert!(matches!(checked(tags(&[(reserved, "v")])), Err(TagError::Reserved(..))), "{reserved}");
        }
        for fine in ["Name", "name", "aws", "awsx:a", "my:aws:a", "k-aws:"] {
            assert!(checked(tags(&[(fine, "aws:v")])).is_ok(), "{fine}");
        }
    }

    /// [TAG-4] [QTA-3]
    #[test]
    fn tag_4_forty_in_all_inherited_ones_counted_once() {
        let fits = |inherited: &Tags, own: &Tags| check_count(inherited, own, String::new).is_ok();
        let none = Tags::new();
        assert!(fits(&none, &numbered("a", 40)) && !fits(&none, &numbered("a", 41)));
        assert!(fits(&numbered("s", 30), &numbered("l", 10)) && !fits(&numbered("s", 30), &numbered("l", 11)));
        assert!(fits(&numbered("s", 40), &numbered("s", 40)), "an override is no further tag");
    }

    /// [TAG-2] [TAG-8]
    #[test]
    fn tag_2_a_layer_inherits_overrides_values_and_keeps_inherited_keys() {
        let (stack, layer) = (tags(&[("stage", "prod"), ("team", "a")]), tags(&[("team", "b"), ("tier", "web")]));
        assert_eq!(effective(&stack, &layer), tags(&[("stage", "prod"), ("team", "b"), ("tier", "web")]));
        let remove = |key: &str| without(&stack, &layer, &[key.to_owned()]);
        assert_eq!(remove("stage"), Err(TagError::Inherited("stage".to_owned())));
        assert_eq!(remove(" team "), Err(TagError::Inherited("team".to_owned())));
        assert_eq!(remove("tier").unwrap(), tags(&[("team", "b")]));
    }

    /// [TAG-7]
    #[test]
    fn tag_7_tagging_merges_and_untagging_ignores_what_is_not_there() {
        let present = tags(&[("a", "1"), ("b", "2")]);
        assert_eq!(merged(&present, tags(&[("b", "3"), ("c", "")])), tags(&[("a", "1"), ("b", "3"), ("c", "")]));
        let keys = ["a", "nothing"].map(str::to_owned);
        assert_eq!(without(&Tags::new(), &present, &keys).unwrap(), tags(&[("b", "2")]));
    }
}
