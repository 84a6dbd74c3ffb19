//! What `"strata".teardown` of a layer or stack brings about: a plan that the function teardown goes by.

use strata_domain::settings::teardown::{TeardownSettings, check_ahead};
use strata_domain::settings::{Settings, SettingsError};
use strata_domain::teardown::planned::Planned;
use strata_domain::{LayerId, StackId};
use strata_ports::{Change, Expect, Item, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;

/// Whose settings are written.
pub(super) struct Settled<'a> {
    pub(super) stack: &'a StackId,
    /// `None`: the stack's own.
    pub(super) layer: Option<&'a LayerId>,
    /// CustomJson as it was.
    pub(super) before: Option<&'a str>,
    /// CustomJson as it will be.
    pub(super) after: Option<&'a str>,
}

/// Checks a plan and gives the change that makes, moves or ends it; none where the settings say the same as before.
///
/// `layers` are the names that the confirmation may give; `None` where there is no layer yet.
///
/// # Errors
/// ValidationException: the moment is past, or the confirmation names no such layer.
pub(super) async fn plan(call: &Call<'_>, of: Settled<'_>, layers: Option<&[String]>) -> Result<Option<Change>, ApiError> {
    let (before, after) = (read(of.before), read(of.after));
    if let (Some(settings), Some(names)) = (&after, layers) {
        check_name(settings, names)?;
    }
    if before == after {
        return Ok(None);
    }
    let moment = after.as_ref().and_then(TeardownSettings::moment);
    if let Some(moment) = moment.filter(|moment| before.and_then(|b| b.moment()) != Some(*moment)) {
        check_ahead(moment, call.now).map_err(|problem| invalid("at", problem))?;
    }
    let key = keys::teardown_plan(of.stack, of.layer);
    let standing = call.store().get(&key).await?;
    let known = standing.as_ref().and_then(|item| item.decode::<Planned>().ok());
    let expect = standing.as_ref().map_or(Expect::Absent, Item::unchanged);
    Ok(match (moment, known) {
        // The pages that are open are resolved by who sent them.
        (moment, Some(known)) if moment.is_some() || !known.warned.is_empty() => {
            Some(Change::put(key, &Planned { at: moment, ..known }, expect))
        }
        (Some(moment), _) => Some(Change::put(key, &Planned::new(of.stack.clone(), of.layer.cloned(), moment), expect)),
        (None, _) => standing.map(|item| Change::Delete { expect: item.unchanged(), key: item.key }),
    })
}

fn check_name(settings: &TeardownSettings, names: &[String]) -> Result<(), ApiError> {
    if names.contains(&settings.confirm) {
        return Ok(());
    }
    let given = &settings.confirm;
    let expected = match names {
        [] => "the stack has no layer".to_owned(),
        [one] => format!("expected the layer's name, \"{one}\""),
        many => format!("expected the name of one of its layers: {}", many.join(", ")),
    };
    Err(invalid("confirm", format!("\"{given}\" is no layer of that name; {expected}")))
}

fn invalid(member: &str, problem: String) -> ApiError {
    SettingsError::Invalid { path: format!("teardown.{member}"), problem }.into()
}

fn read(custom_json: Option<&str>) -> Option<TeardownSettings> {
    Settings::from_custom_json(custom_json).ok()?.teardown
}
