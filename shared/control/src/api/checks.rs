//! Checks that several actions share [VAL].

use std::collections::BTreeMap;

use strata_domain::operating_systems;
use strata_domain::settings::Settings;

use super::error::ApiError;

/// At most so many bytes of CustomJson [VAL-3].
const MAX_CUSTOM_JSON: usize = 122_880;

/// A name's length in characters [VAL-1].
pub(crate) fn name(member: &str, value: &str, max: usize) -> Result<(), ApiError> {
    let length = value.chars().count();
    if (1..=max).contains(&length) {
        Ok(())
    } else {
        Err(ApiError::field(member, format!("must have 1 to {max} characters, it has {length}")))
    }
}

/// A layer's short name [VAL-1].
pub(crate) fn shortname(value: &str) -> Result<(), ApiError> {
    name("Shortname", value, 32)?;
    let is_allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.');
    if value.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(ApiError::field("Shortname", "may contain only lower case letters, digits, '_', '-' and '.'"))
    }
}

/// CustomJson: a JSON object of at most 120 KB [VAL-3].
pub(crate) fn custom_json(text: Option<&str>) -> Result<(), ApiError> {
    let Some(text) = text else { return Ok(()) };
    if text.len() > MAX_CUSTOM_JSON {
        return Err(ApiError::field("CustomJson", format!("has {} bytes, at most {MAX_CUSTOM_JSON} are allowed", text.len())));
    }
    serde_json::from_str::<BTreeMap<String, serde::de::IgnoredAny>>(text)
        .map(|_| ())
        .map_err(|e| ApiError::field("CustomJson", format!("must be a JSON object: {e}")))
}

/// CustomJson of a stack or layer: also Strata's own settings in it must be right.
pub(crate) fn custom_json_with_settings(text: Option<&str>) -> Result<(), ApiError> {
    custom_json(text)?;
    Settings::from_custom_json(text)?;
    Ok(())
}

/// An IAM ARN of the caller's account: `arn:<p>:iam::<account>:<kind>/...` [VAL-7].
pub(crate) fn iam_arn(member: &str, arn: &str, kind: &str, account: &str) -> Result<(), ApiError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", of, resource]
            if resource.strip_prefix(kind).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/')) =>
        {
            if *of == account {
                Ok(())
            } else {
                Err(ApiError::field(member, format!("must belong to account {account}")))
            }
        }
        _ => Err(ApiError::field(member, format!("must have the form arn:<partition>:iam::<account>:{kind}/<name>"))),
    }
}

/// An Os string that OpsWorks knew or that is ours; Windows is out of scope [SCP-4].
pub(crate) fn os(member: &str, value: &str) -> Result<(), ApiError> {
    if value.starts_with("Microsoft Windows") {
        return Err(ApiError::unsupported(&format!("{member}={value}"), "Use a Linux operating system."));
    }
    if operating_systems::by_name(value).is_some() {
        Ok(())
    } else {
        Err(ApiError::field(member, format!("\"{value}\" is not a known operating system")))
    }
}

/// A host name theme [INST-61].
pub(crate) fn hostname_theme(value: &str) -> Result<&'static str, ApiError> {
    strata_domain::hostnames::theme(value)
        .ok_or_else(|| ApiError::field("HostnameTheme", format!("\"{value}\" is not a known theme")))
}

/// `ebs` or `instance-store`.
pub(crate) fn root_device_type(member: &str, value: &str) -> Result<strata_domain::model::RootDeviceType, ApiError> {
    use strata_domain::model::RootDeviceType::{Ebs, InstanceStore};
    [Ebs, InstanceStore]
        .into_iter()
        .find(|known| known.as_str() == value)
        .ok_or_else(|| ApiError::field(member, format!("\"{value}\" is neither ebs nor instance-store")))
}

/// A recipe: `cookbook::recipe`, or `cookbook` for its default one [CMD-14].
pub(crate) fn recipe(member: &str, text: &str) -> Result<(), ApiError> {
    let is_name = |n: &str| !n.is_empty() && n.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    let is_recipe =
        text.split_once("::").map_or_else(|| is_name(text), |(cookbook, recipe)| is_name(cookbook) && is_name(recipe));
    if is_recipe && text.len() <= 255 {
        Ok(())
    } else {
        Err(ApiError::field(member, format!("\"{text}\" is not of the form cookbook::recipe")))
    }
}

/// The name of an OS package: what a package manager takes for an option or a shell for a command is none.
pub(crate) fn package(member: &str, text: &str) -> Result<(), ApiError> {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'+' | b'-' | b':' | b'~' | b'=' | b'@');
    let is_name = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()) && text.bytes().all(is_allowed);
    if is_name && text.len() <= 128 {
        Ok(())
    } else {
        Err(ApiError::field(member, format!("\"{text}\" is not the name of a package")))
    }
}

/// A text of a form that nobody checks, so only its length is bounded.
pub(crate) fn bounded(member: &str, text: Option<&str>, max: usize) -> Result<(), ApiError> {
    text.map_or(Ok(()), |text| name(member, text, max))
}

/// One of some words.
pub(crate) fn one_of(member: &str, value: &str, words: &[&str]) -> Result<(), ApiError> {
    if words.contains(&value) {
        Ok(())
    } else {
        Err(ApiError::field(member, format!("\"{value}\" is not one of {}", words.join(", "))))
    }
}

/// Under a quota before one more is added [QTA-1].
pub(crate) fn quota(what: &str, present: usize, max: usize) -> Result<(), ApiError> {
    if present < max { Ok(()) } else { Err(ApiError::Validation(format!("The limit of {max} {what} is reached"))) }
}

/// Exactly one of several identifying parameters [DSC-1].
pub(crate) fn exactly_one(given: &[bool], text: &str) -> Result<(), ApiError> {
    if given.iter().filter(|g| **g).count() == 1 { Ok(()) } else { Err(ApiError::Validation(text.to_owned())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [VAL-1]
    #[test]
    fn val_1_lengths_count_characters_and_short_names_are_lower_case() {
        assert!(name("Name", "é", 1).is_ok() && name("Name", "", 1).is_err() && name("Name", "ab", 1).is_err());
        for (value, ok) in [("ecs-cluster", true), ("a_b.c-1", true), ("Web", false), ("a b", false), ("", false)] {
            assert_eq!(shortname(value).is_ok(), ok, "{value}");
        }
        assert!(shortname(&"a".repeat(32)).is_ok() && shortname(&"a".repeat(33)).is_err());
    }

    /// [VAL-3]
    #[test]
    fn val_3_custom_json_is_an_object_of_at_most_122880_bytes() {
        let sized = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
        assert_eq!(sized(122_880).len(), 122_880);
        assert!(custom_json(Some(&sized(122_880))).is_ok());
        assert!(custom_json(Some(&sized(122_881))).is_err());
        for bad in ["[]", "5", "{", "{\"a\":}"] {
            assert!(custom_json(Some(bad)).is_err(), "{bad}");
        }
        assert!(custom_json(None).is_ok() && custom_json(Some("{}")).is_ok());
    }

    /// [CMD-14]
    #[test]
    fn cmd_14_recipes_and_packages_have_plain_names() {
        for (text, ok) in
            [("a::b", true), ("a", true), ("a_b-1.2::c", true), ("a::b::c", false), ("a b", false), ("::a", false), ("", false)]
        {
            assert_eq!(recipe("CustomRecipes", text).is_ok(), ok, "{text}");
        }
        for (text, ok) in [
            ("git", true),
            ("g++", true),
            ("libc6:i386", true),
            ("nginx=1.2~3", true),
            ("--nogpgcheck", false),
            ("a;b", false),
            ("a b", false),
            ("", false),
        ] {
            assert_eq!(package("Packages", text).is_ok(), ok, "{text}");
        }
    }

    /// [VAL-7], the account.
    #[test]
    fn val_7_roles_and_profiles_belong_to_the_account() {
        let check = |arn| iam_arn("ServiceRoleArn", arn, "role", "123456789012").is_ok();
        assert!(check("arn:aws:iam::123456789012:role/a") && check("arn:aws:iam::123456789012:role/path/a"));
        assert!(!check("arn:aws:iam::999999999999:role/a") && !check("arn:aws:iam::123456789012:user/a"));
        assert!(!check("arn:aws:iam::123456789012:role/") && !check("role/a"));
    }
}
