//! Names that may be taken once: a record each, written in the commit of what takes it.

use strata_domain::StackId;
use strata_ports::{Change, Expect, Key, keys};

use crate::api::call::Call;
use crate::api::error::ApiError;

/// The change that takes a name. The look beforehand only gives the friendly text; it is the condition that keeps the name unique.
///
/// # Errors
/// `taken`, when somebody has it.
pub(super) async fn take(call: &Call<'_>, key: Key, owner: &str, taken: impl FnOnce() -> ApiError) -> Result<Change, ApiError> {
    if call.store().get(&key).await?.is_some() {
        return Err(taken());
    }
    Ok(Change::put(key, &owner, Expect::Absent))
}

/// The change that gives a name back, if it is taken.
pub(super) async fn give_back(call: &Call<'_>, key: Key) -> Result<Option<Change>, ApiError> {
    Ok(call.store().get(&key).await?.map(|item| Change::Delete { expect: item.unchanged(), key }))
}

/// `There is already a layer named "<x>" for this stack` [TXT-7].
pub(super) fn layer_name_taken(name: &str) -> ApiError {
    ApiError::Validation(format!("There is already a layer named \"{name}\" for this stack"))
}

/// `There is already a layer with shortname "<x>" for this stack` [TXT-7].
pub(super) fn layer_shortname_taken(shortname: &str) -> ApiError {
    ApiError::Validation(format!("There is already a layer with shortname \"{shortname}\" for this stack"))
}

/// A host name's key: unique in the stack, whatever the case.
pub(super) fn host(stack: &StackId, hostname: &str) -> Key {
    keys::unique(stack, "host", &hostname.to_ascii_lowercase())
}

/// The host names that a stack has, in lower case.
pub(super) async fn hosts_of(call: &Call<'_>, stack: &StackId) -> Result<std::collections::BTreeSet<String>, ApiError> {
    let prefix = keys::unique(stack, "host", "").sk;
    let listing = strata_ports::store::Listing::of(keys::stack_pk(stack), prefix.clone());
    let items = call.store().list(&listing).await?;
    Ok(items.iter().filter_map(|item| item.key.sk.strip_prefix(prefix.as_str())).map(str::to_owned).collect())
}
