//! What a change of `"strata".time_scaling` brings about: time-scaling's note that all is as it should be no longer holds.

use strata_domain::StackId;
use strata_domain::settings::Settings;
use strata_domain::settings::time_scaling::TimeScalingSettings;
use strata_ports::{Change, Expect, Item, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;

/// The change that makes the next check look at the stack's schedules, if the settings differ in what they mean for those.
pub(super) async fn look_again(
    call: &Call<'_>,
    stack: &StackId,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<Option<Change>, ApiError> {
    if of(before) == of(after) {
        return Ok(None);
    }
    let key = keys::timers_settled(stack);
    let expect = call.store().get(&key).await?.as_ref().map_or(Expect::Absent, Item::unchanged);
    Ok(Some(Change::put(key, &(), expect)))
}

fn of(custom_json: Option<&str>) -> TimeScalingSettings {
    Settings::from_custom_json(custom_json).unwrap_or_default().time_scaling
}
