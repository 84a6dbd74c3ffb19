//! The list of layers with an update window, which security-updates' tick reads instead of all layers.

use strata_domain::model::Layer;
use strata_domain::settings::Settings;
use strata_ports::keys::UpdateWindow;
use strata_ports::{Change, Expect, Item, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;

/// A new layer's entry, if it has a window.
pub(super) fn entry(layer: &Layer) -> Option<Change> {
    Some(Change::put(keys::update_window(&layer.id), &window(layer)?, Expect::Absent))
}

/// What an update of the layer makes of its entry.
pub(super) async fn changed(call: &Call<'_>, before: &Layer, after: &Layer) -> Result<Option<Change>, ApiError> {
    let (was, is) = (window(before), window(after));
    if was == is {
        return Ok(None);
    }
    let key = keys::update_window(&after.id);
    let standing = call.store().get(&key).await?;
    let expect = standing.as_ref().map_or(Expect::Absent, Item::unchanged);
    Ok(match is {
        Some(window) => Some(Change::put(key, &window, expect)),
        None => standing.map(|_| Change::Delete { key, expect }),
    })
}

/// Settings that cannot be read have no window.
fn window(layer: &Layer) -> Option<UpdateWindow> {
    let updates = Settings::from_custom_json(layer.custom_json.as_deref()).unwrap_or_default().updates;
    let (window, window_minutes) = (updates.window?, updates.window_minutes);
    Some(UpdateWindow { stack_id: layer.stack_id.clone(), window, window_minutes })
}
