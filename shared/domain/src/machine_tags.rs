//! The tags of machines and their volumes: what the service says of them [TAG-9] and the user's tags of their layers [TAG-3], at the launch and
//! ever after [TAG-10].

use std::collections::BTreeSet;

use crate::tags::Tags;

/// EC2's most for one resource.
pub const MOST_TAGS: usize = 50;
/// EC2's longest key.
const LONGEST_KEY: usize = 128;

/// What a machine's tags are made of.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// The stack's name.
    pub stack: &'a str,
    /// The instance's host name.
    pub hostname: &'a str,
    /// Short names and names of its layers.
    pub layers: &'a [(String, String)],
    /// Whether its `Name` is the owner's own, since the machine was there before its instance.
    pub keeps_name: bool,
}

/// The tags by which people know a machine [TAG-9]; a layer whose short name makes too long a key has none.
pub fn names(of: &Named<'_>) -> Tags {
    let mut tags: Tags = of.layers.iter().map(|(short, name)| (format!("opsworks:layer:{short}"), name.clone())).collect();
    tags.insert("opsworks:stack".to_owned(), of.stack.to_owned());
    tags.insert("opsworks:instance".to_owned(), of.hostname.to_owned());
    if !of.keeps_name {
        tags.insert("Name".to_owned(), format!("{} - {}", of.stack, of.hostname));
    }
    tags.retain(|key, _| key.chars().count() <= LONGEST_KEY);
    tags
}

/// Those of the user's tags that machines and volumes can have: `Name` is the service's (monitoring-and-resources.md, Q6), and permissions hang
/// on ours.
pub fn users(tags: &Tags) -> Tags {
    let is_free = |key: &str| {
        let key = key.to_ascii_lowercase();
        key != "name" && !key.starts_with("strata:")
    };
    tags.iter().filter(|(key, _)| is_free(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The tags that a resource is to have besides those that others gave it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Wanted {
    /// What people know it by.
    pub names: Tags,
    /// The user's.
    pub users: Tags,
}

impl Wanted {
    /// All of them that fit beside `others` tags: the user's, in order, take what is left of EC2's fifty.
    pub fn fitting(&self, others: usize) -> Tags {
        let room = MOST_TAGS.saturating_sub(others + self.names.len());
        let users = self.users.iter().take(room);
        users.chain(&self.names).map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// What is to be set on a resource that has `present`, and which keys are to go: those that its stack or layers have `ever` had and that are
    /// not wanted any more, and names of layers that it has left. Whatever else it has is others' affair.
    pub fn changes(&self, present: &Tags, ever: &BTreeSet<String>) -> (Tags, BTreeSet<String>) {
        let is_wanted = |key: &String| self.names.contains_key(key) || self.users.contains_key(key);
        let goes = |key: &String| !is_wanted(key) && (ever.contains(key) || key.starts_with("opsworks:layer:"));
        let unset: BTreeSet<String> = present.keys().filter(|key| goes(key)).cloned().collect();
        let others = present.keys().filter(|key| !is_wanted(key) && !unset.contains(*key)).count();
        let set = self.fitting(others).into_iter().filter(|(key, value)| present.get(key) != Some(value)).collect();
        (set, unset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(text: &str) -> Tags {
        let pair = |word: &str| {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            (key.to_owned(), value.to_owned())
        };
        text.split_whitespace().map(pair).collect()
    }

    /// [TAG-3] [TAG-7] [TAG-10] What is set and what goes, beside what others have given.
    #[test]
    fn tag_10_values_change_keys_that_were_ours_go_and_what_others_gave_stays() {
        let wanted = Wanted { names: tags("opsworks:layer:web=Web Name=a"), users: tags("stage=prod team=x") };
        let ever = BTreeSet::from(["stage", "team", "old"].map(str::to_owned));
        for (present, set, unset) in [
            ("", "Name=a opsworks:layer:web=Web stage=prod team=x", ""),
            ("Name=a opsworks:layer:web=Web stage=prod team=x", "", ""),
            ("Name=a opsworks:layer:web=Web stage=test team=x cost=7 strata:token=t", "stage=prod", ""),
            ("Name=b opsworks:layer:web=Web stage=prod team=x old=1 opsworks:layer:db=DB", "Name=a", "old opsworks:layer:db"),
        ] {
            let (found, gone) = wanted.changes(&tags(present), &ever);
            assert_eq!(found, tags(set), "{present}");
            assert_eq!(gone, tags(unset).into_keys().collect(), "{present}");
        }
    }

    /// [TAG-4] Of EC2's fifty the names come first, then the user's in order, as far as others leave room.
    #[test]
    fn tag_4_the_users_tags_take_the_room_that_others_leave() {
        let users: Tags = (0..40).map(|n| (format!("k{n:02}"), String::new())).collect();
        let wanted = Wanted { names: tags("Name=a"), users };
        let others = |n: usize| (0..n).map(|n| (format!("other{n:02}"), String::new())).collect::<Tags>();
        for (present, expected) in [(0, 41), (9, 41), (10, 40), (49, 1), (50, 1)] {
            let (set, unset) = wanted.changes(&others(present), &BTreeSet::new());
            assert_eq!((set.len(), unset.len()), (expected, 0), "{present}");
            assert!(set.contains_key("Name") && (expected < 2 || set.contains_key("k00")));
        }
    }

    /// [TAG-9]
    #[test]
    fn tag_9_names_say_whose_it_is_and_a_registered_machine_keeps_its_own_name() {
        let layers = [("web".to_owned(), "Web".to_owned()), ("x".repeat(114), "too long".to_owned())];
        let of = Named { stack: "shop", hostname: "web1", layers: &layers, keeps_name: false };
        let mut expected = tags("opsworks:stack=shop opsworks:instance=web1 opsworks:layer:web=Web");
        assert_eq!(names(&Named { keeps_name: true, ..of }), expected);
        expected.insert("Name".to_owned(), "shop - web1".to_owned());
        assert_eq!(names(&of), expected);
        assert_eq!(users(&tags("Name=x name=x Strata:Installation=x cost=7")), tags("cost=7"));
    }
}
