//! Host names: the themes [INST-60..62] and what a given name must look like.

use std::collections::BTreeSet;

/// The default theme: layer's short name and a number [INST-60].
pub const LAYER_DEPENDENT: &str = "Layer_Dependent";

/// The other themes and our own word lists for them [INST-61].
const THEMES: [(&str, [&str; 12]); 11] = [
    (
        "Baked_Goods",
        [
            "bagel",
            "baguette",
            "biscuit",
            "brioche",
            "brownie",
            "bun",
            "cookie",
            "croissant",
            "muffin",
            "pretzel",
            "scone",
            "waffle",
        ],
    ),
    (
        "Clouds",
        [
            "altocumulus",
            "altostratus",
            "arcus",
            "cirrocumulus",
            "cirrostratus",
            "cirrus",
            "cumulonimbus",
            "cumulus",
            "mammatus",
            "nimbostratus",
            "stratocumulus",
            "stratus",
        ],
    ),
    (
        "Europe_Cities",
        ["athens", "berlin", "dublin", "lisbon", "london", "madrid", "oslo", "paris", "prague", "rome", "vienna", "warsaw"],
    ),
    ("Fruits", ["apple", "apricot", "banana", "cherry", "fig", "grape", "kiwi", "lemon", "mango", "orange", "peach", "plum"]),
    (
        "Greek_Deities_and_Titans",
        ["apollo", "ares", "artemis", "athena", "atlas", "cronus", "demeter", "hera", "hermes", "hestia", "rhea", "zeus"],
    ),
    (
        "Legendary_creatures_from_Japan",
        ["amabie", "baku", "kappa", "kirin", "kitsune", "nue", "oni", "raiju", "ryu", "tanuki", "tengu", "tsuchigumo"],
    ),
    (
        "Planets_and_Moons",
        ["callisto", "europa", "ganymede", "io", "jupiter", "mars", "mercury", "neptune", "saturn", "titan", "uranus", "venus"],
    ),
    (
        "Roman_Deities",
        ["bacchus", "ceres", "diana", "janus", "juno", "jupiter", "mars", "mercury", "minerva", "neptune", "vesta", "vulcan"],
    ),
    ("Scottish_Islands", ["arran", "barra", "bute", "eigg", "gigha", "iona", "islay", "jura", "mull", "rum", "skye", "tiree"]),
    (
        "US_Cities",
        [
            "atlanta", "austin", "boston", "chicago", "dallas", "denver", "houston", "memphis", "miami", "omaha", "phoenix",
            "seattle",
        ],
    ),
    (
        "Wild_Cats",
        ["bobcat", "caracal", "cheetah", "cougar", "jaguar", "leopard", "lion", "lynx", "ocelot", "puma", "serval", "tiger"],
    ),
];

/// Reads a theme: spaces count as underscores; `None` for anything but the twelve.
pub fn theme(text: &str) -> Option<&'static str> {
    let name = text.replace(' ', "_");
    std::iter::once(LAYER_DEPENDENT).chain(THEMES.iter().map(|(theme, _)| *theme)).find(|known| *known == name)
}

/// Whether a given host name will do: 1 to 63 letters, digits and `-`, with no `-` at either end.
pub fn is_valid(hostname: &str) -> bool {
    (1..=63).contains(&hostname.len())
        && hostname.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !hostname.starts_with('-')
        && !hostname.ends_with('-')
}

/// The next free host name of a theme for a layer; `taken` holds the stack's names in lower case. It reserves nothing [INST-62].
///
/// `Layer_Dependent`: the short name and the lowest free number from 1, without padding [INST-60]. Other themes, and an unknown one
/// counts as the default: the first free word of the list, then the words again with a number from 2.
pub fn suggest(theme: &str, layer_shortname: &str, taken: &BTreeSet<String>) -> String {
    let is_free = |name: &String| !taken.contains(name);
    let numbers = 1_u64..;
    match THEMES.iter().find(|(name, _)| *name == theme) {
        None => {
            let stem = stem(layer_shortname);
            numbers.map(|n| format!("{stem}{n}")).find(is_free)
        }
        Some((_, words)) => numbers
            .flat_map(|n| words.iter().map(move |word| if n == 1 { (*word).to_owned() } else { format!("{word}{n}") }))
            .find(is_free),
    }
    .expect("there are more numbers than names taken")
}

/// A short name as the beginning of a host name: `_` and `.` become `-`, and none stands in front.
fn stem(shortname: &str) -> String {
    let mapped: String =
        shortname.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let trimmed = mapped.trim_start_matches('-');
    if trimmed.is_empty() { "host".to_owned() } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    /// [INST-60]
    #[test]
    fn inst_60_the_lowest_free_number_without_padding() {
        for (names, next) in [
            (&[][..], "ecs-cluster1"),
            (&["ecs-cluster1", "ecs-cluster2"], "ecs-cluster3"),
            (&["ecs-cluster1", "ecs-cluster3"], "ecs-cluster2"),
            (&["ecs-cluster01", "web1"], "ecs-cluster1"),
        ] {
            assert_eq!(suggest(LAYER_DEPENDENT, "ecs-cluster", &taken(names)), next, "{names:?}");
        }
        assert_eq!(suggest(LAYER_DEPENDENT, "_my.app_x", &taken(&[])), "my-app-x1");
    }

    /// [INST-61]
    #[test]
    fn inst_61_twelve_themes_and_words_repeat_with_a_number() {
        assert_eq!(theme("Roman Deities"), Some("Roman_Deities"));
        assert_eq!(theme("Layer_Dependent"), Some(LAYER_DEPENDENT));
        for other in ["roman_deities", "Vegetables", ""] {
            assert_eq!(theme(other), None, "{other}");
        }
        let mut names = BTreeSet::new();
        for _ in 0..25 {
            let next = suggest("Fruits", "web", &names);
            assert!(is_valid(&next) && names.insert(next));
        }
        assert!(names.contains("apple") && names.contains("plum2") && names.contains("apple3"));
    }

    #[test]
    fn a_host_name_has_1_to_63_letters_digits_and_inner_hyphens() {
        let (longest, too_long) = ("a".repeat(63), "a".repeat(64));
        for (name, valid) in [
            ("a", true),
            ("web-1", true),
            (longest.as_str(), true),
            (too_long.as_str(), false),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("a_b", false),
            ("a.b", false),
            ("ä", false),
        ] {
            assert_eq!(is_valid(name), valid, "{name}");
        }
    }
}
