//! The controllers' client of the OpsWorks API: the API's function URL, under the function's own role.

use aws_sdk_opsworks::Client;
use aws_sdk_opsworks::config::{Builder, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_opsworks::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_types::SigningName;

use crate::{Base, Settings, SettingsError};

/// A client of the API that the settings name. `AWS_ENDPOINT_URL_OPSWORKS` goes before `STRATA_API_URL`, for tests.
///
/// # Errors
/// [`SettingsError::Missing`] without either.
pub fn client(base: &Base) -> Result<Client, SettingsError> {
    let settings = base.settings();
    let url = match settings.endpoints.get("OPSWORKS") {
        Some(url) => url,
        None => Settings::required(&settings.api_url, "STRATA_API_URL", "the API's function URL")?,
    };
    let config = Builder::from(&base.own("OPSWORKS")).endpoint_url(url);
    Ok(Client::from_conf(config.interceptor(base.log().clone()).interceptor(SignForLambda).build()))
}

/// A function URL takes only signatures that are made for `lambda`.
#[derive(Debug)]
struct SignForLambda;

impl Intercept for SignForLambda {
    fn name(&self) -> &'static str {
        "SignForLambda"
    }

    fn modify_before_signing(
        &self,
        _: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bag.interceptor_state().store_put(SigningName::from_static("lambda"));
        Ok(())
    }
}
