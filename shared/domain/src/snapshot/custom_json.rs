//! Custom JSON, put together [CMD-24].

use serde_json::{Map, Value};

/// Where Strata's own settings ride; no script has a use for them.
const OWN: &str = "strata";

/// One object of several texts: what comes later wins, member by member, so the order is stack, layers, deployment [CMD-24]. Lists are
/// replaced whole, as Chef's attributes are. A text that is no JSON object adds nothing: it was refused when it was to be written.
pub fn merged<'a>(texts: impl IntoIterator<Item = &'a str>) -> Map<String, Value> {
    let mut all = Map::new();
    for text in texts {
        if let Ok(Value::Object(mut one)) = serde_json::from_str(text) {
            one.remove(OWN);
            lay_over(&mut all, one);
        }
    }
    all
}

fn lay_over(below: &mut Map<String, Value>, above: Map<String, Value>) {
    for (name, value) in above {
        match (below.get_mut(&name), value) {
            (Some(Value::Object(known)), Value::Object(more)) => lay_over(known, more),
            (_, value) => drop(below.insert(name, value)),
        }
    }
}
