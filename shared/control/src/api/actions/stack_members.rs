//! The nested members that CreateStack and UpdateStack share: configuration manager, cookbooks, Chef configuration.

use schemars::JsonSchema;
use serde::Deserialize;
use strata_domain::Secret;
use strata_domain::model::{ChefConfiguration, CookbooksSource};

use crate::api::checks;
use crate::api::error::ApiError;

/// `ConfigurationManager`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ConfigurationManager {
    /// The name, which must be "Chef".
    name: Option<String>,
    /// The Chef version, 12 or 11.10.
    version: Option<String>,
}

/// `ChefConfiguration`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChefConfigurationMembers {
    /// Whether to enable Berkshelf.
    manage_berkshelf: Option<bool>,
    /// The Berkshelf version.
    berkshelf_version: Option<String>,
}

/// `CustomCookbooksSource`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SourceMembers {
    /// The repository type: git, svn, archive or s3.
    r#type: Option<String>,
    /// The source URL.
    url: Option<String>,
    /// The user name, or the access key ID of an Amazon S3 source.
    username: Option<String>,
    /// The password, or the secret access key of an Amazon S3 source. It is shown as *****FILTERED*****; an update that sends this text
    /// keeps the stored password.
    password: Option<String>,
    /// The repository's private SSH key. It is shown as *****FILTERED*****; an update that sends this text keeps the stored key.
    ssh_key: Option<String>,
    /// The branch, tag or commit to use.
    revision: Option<String>,
}

/// Chef `12` and `11.10` [STK-7]; the others are out of scope [SCP-4].
pub(super) fn chef_version(manager: Option<ConfigurationManager>) -> Result<Option<String>, ApiError> {
    let Some(ConfigurationManager { name, version }) = manager else { return Ok(None) };
    if let Some(name) = name.filter(|n| n != "Chef") {
        return Err(ApiError::field("ConfigurationManager", format!("Name must be Chef, not \"{name}\"")));
    }
    match version.as_deref() {
        None | Some("12" | "11.10") => Ok(version),
        Some(old @ ("0.9" | "11.4" | "12.2")) => {
            Err(ApiError::unsupported(&format!("ConfigurationManager.Version={old}"), "Use version 12 or 11.10."))
        }
        Some(other) => Err(ApiError::field("ConfigurationManager", format!("\"{other}\" is not a known Chef version"))),
    }
}

/// Agent versions go with Chef 11.10 and 12 only [TXT-9].
pub(super) fn check_agent_fits(agent: Option<&str>, manager: Option<&ConfigurationManager>) -> Result<(), ApiError> {
    let chef = manager.and_then(|m| m.version.as_deref()).unwrap_or("12");
    match agent {
        Some(_) if !matches!(chef, "12" | "11.10") => {
            Err(ApiError::field("AgentVersion", "can only be set for Chef 11.10 and Chef 12"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Berkshelf settings, replaced whole.
pub(super) fn chef_configuration(sent: ChefConfigurationMembers) -> Result<ChefConfiguration, ApiError> {
    if let Some(version) = &sent.berkshelf_version {
        checks::name("ChefConfiguration", version, 32)?;
    }
    Ok(ChefConfiguration { manage_berkshelf: sent.manage_berkshelf, berkshelf_version: sent.berkshelf_version })
}

/// The source of custom cookbooks, replaced whole; `{}` unsets it. Secrets sent as they are shown stay as they are stored [WIRE-7].
pub(super) fn cookbooks_source(
    sent: SourceMembers,
    present: Option<&CookbooksSource>,
) -> Result<Option<CookbooksSource>, ApiError> {
    const MEMBER: &str = "CustomCookbooksSource";
    let SourceMembers { r#type, url, username, password, ssh_key, revision } = sent;
    if [&r#type, &url, &username, &password, &ssh_key, &revision].iter().all(|m| m.is_none()) {
        return Ok(None);
    }
    let missing = |member: &str| ApiError::field(MEMBER, format!("{member} is required"));
    let source_type = r#type.ok_or_else(|| missing("Type"))?;
    checks::one_of(MEMBER, &source_type, &["git", "svn", "archive", "s3"])?;
    Ok(Some(CookbooksSource {
        source_type,
        url: url.ok_or_else(|| missing("Url"))?,
        username,
        password: secret(MEMBER, "Password", password, present.and_then(|p| p.password.as_ref()))?,
        ssh_key: secret(MEMBER, "SshKey", ssh_key, present.and_then(|p| p.ssh_key.as_ref()))?,
        revision,
    }))
}

/// A secret as sent, or as stored when the filtered text is sent [WIRE-7].
pub(super) fn secret(
    member: &str,
    name: &str,
    sent: Option<String>,
    present: Option<&Secret>,
) -> Result<Option<Secret>, ApiError> {
    match sent {
        Some(text) if text == Secret::FILTERED => {
            let kept = present.cloned();
            kept.map(Some).ok_or_else(|| ApiError::field(member, format!("{name} {text} keeps a stored one, but none is stored")))
        }
        sent => Ok(sent.map(Secret::new)),
    }
}
