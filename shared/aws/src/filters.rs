//! Filters of EC2's describe calls. Unlike lists of ids, they leave out what is not there instead of failing over it.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::Filter;

/// Values that one filter takes.
const PER_FILTER: usize = 200;
/// Results of one page, as many as EC2 gives.
pub(crate) const PER_PAGE: i32 = 1_000;

/// A filter on exactly these values.
pub(crate) fn filter<V: AsRef<str>>(name: &str, values: impl IntoIterator<Item = V>) -> Filter {
    let values = values.into_iter().map(|value| literal(value.as_ref())).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// Filters on these values, each once, as many to a filter as it takes: one call for each.
pub(crate) fn filters<V: AsRef<str>>(name: &str, values: impl IntoIterator<Item = V>) -> Vec<Filter> {
    let values: BTreeSet<String> = values.into_iter().map(|value| value.as_ref().to_owned()).filter(|v| !v.is_empty()).collect();
    let values: Vec<String> = values.into_iter().collect();
    values.chunks(PER_FILTER).map(|chunk| filter(name, chunk)).collect()
}

/// `*` and `?` are wildcards in a filter, and what people type must not find more than it names.
fn literal(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '*' | '?' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_takes_200_values_each_once() {
        for (values, sizes) in [(0, vec![]), (1, vec![1]), (200, vec![200]), (201, vec![200, 1])] {
            let ids = (0..values).chain(0..values).map(|n| format!("i-{n:04}"));
            let made: Vec<usize> = filters("instance-id", ids).iter().map(|f| f.values().len()).collect();
            assert_eq!(made, sizes, "{values}");
        }
        assert!(filters("instance-id", [""]).is_empty(), "nothing is named by an empty id");
    }

    #[test]
    fn what_people_type_is_no_pattern() {
        assert_eq!(filter("key-name", [r"a*b?c\d"]).values(), [r"a\*b\?c\\d"]);
    }
}
