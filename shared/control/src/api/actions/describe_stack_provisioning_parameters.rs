//! DescribeStackProvisioningParameters [ACT-38] [REG-10] [REG-11] [CLT-5]: what `aws opsworks register` writes on a machine that joins.

use std::collections::BTreeMap;

use http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::call::Call;
use crate::api::error::ApiError;
use crate::api::input::{Input, required};
use crate::api::installer;
use crate::api::transaction::Answer;

/// Tells what a machine needs to register itself with a stack.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Members {
    /// The stack.
    #[schemars(required)]
    stack_id: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Output {
    /// Where the installer is: a .tgz with the directory `opsworks-agent-installer`. In quotes where a shell would need them.
    agent_installer_url: String,
    /// What the installer reads from its file `preconfig`.
    parameters: BTreeMap<&'static str, String>,
}

pub(super) async fn run(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let stack = call.stack(&required(m.stack_id, "StackId")?).await?.record;
    call.permit(Some(&stack.id)).await?;
    let public_url = call.config.public_url.as_deref().ok_or_else(|| {
        let text = "This installation was not told its own URL, so machines could not find it; set its public URL and try again";
        ApiError::Validation(text.to_owned())
    })?;
    let base = public_url.trim_end_matches('/');
    let place =
        place(base).ok_or_else(|| ApiError::Validation(format!("This installation's public URL \"{base}\" is not one")))?;
    let agent_installer_url = if installer::takes_signed_calls_only(&place.host) {
        installer::lend(call.ports.objects.as_ref()).await?
    } else {
        format!("{base}{}", installer::PATH)
    };
    Ok(Answer::of(&Output { agent_installer_url, parameters: parameters(base, &place, &stack.region) }))
}

/// Where the API is, as the parameters spell it.
struct Place {
    host: String,
    port: u16,
    is_tls: bool,
}

fn place(url: &str) -> Option<Place> {
    let uri: Uri = url.parse().ok()?;
    let is_tls = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    Some(Place { host: uri.host()?.to_owned(), port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }), is_tls })
}

/// All keys that OpsWorks had [CLT-5]. Our choice: there is neither an agent's assets bucket nor a key of the service, so both are empty.
fn parameters(base: &str, place: &Place, region: &str) -> BTreeMap<&'static str, String> {
    let (port, tls) = (place.port.to_string(), place.is_tls.to_string());
    [
        ("agent_installer_base_url", format!("{base}{}", installer::FOLDER)),
        ("agent_installer_tgz", installer::FILE.to_owned()),
        ("assets_download_bucket", String::new()),
        ("charlie_public_key", String::new()),
        ("instance_service_endpoint", place.host.clone()),
        ("instance_service_port", port.clone()),
        ("instance_service_region", region.to_owned()),
        ("instance_service_ssl_verify_peer", tls.clone()),
        ("instance_service_use_ssl", tls.clone()),
        ("ops_works_endpoint", place.host.clone()),
        ("ops_works_port", port),
        ("ops_works_region", region.to_owned()),
        ("ops_works_ssl_verify_peer", tls.clone()),
        ("ops_works_use_ssl", tls),
        ("verbose", "false".to_owned()),
        ("wait_between_runs", "30".to_owned()),
    ]
    .into()
}
