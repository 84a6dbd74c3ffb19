//! What a function is told about its installation, by environment variables. Read once, in `main`.

use std::collections::BTreeMap;

/// The services whose endpoint can be set, as `AWS_ENDPOINT_URL_<NAME>` and the adapters spell them.
pub const SERVICES: [&str; 13] =
    ["CLOUDWATCH", "DYNAMODB", "EC2", "ECS", "ELB", "ELBV2", "EVENTBRIDGE", "IAM", "OPSWORKS", "S3", "SNS", "SSM", "STS"];

/// A setting that is missing or cannot be right. One line, names the variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not set, or empty.
    #[error("the environment variable {name} is not set; expected {expected}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What it is for.
        expected: &'static str,
    },
    /// Set to what it cannot be.
    #[error("the environment variable {name} is {value:?}; expected {expected}")]
    Malformed {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
        /// What it is for.
        expected: &'static str,
    },
}

/// An installation, as its functions are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `AWS_REGION`.
    pub region: String,
    /// `STRATA_INSTALLATION`: its name, default `strata`. Parameters are named `/<installation>/...`, documents `<installation>-...`.
    pub installation: String,
    /// `STRATA_TABLE`: the DynamoDB table.
    pub table: Option<String>,
    /// `STRATA_TOPIC_ARN`: on-call's SNS topic.
    pub topic_arn: Option<String>,
    /// `STRATA_EVENT_BUS`: the EventBridge bus for events out, default `default`.
    pub event_bus: String,
    /// `STRATA_BUCKET`: logs and the boot program.
    pub bucket: Option<String>,
    /// `STRATA_EXTERNAL_ID`: what the stacks' service roles want to hear from us.
    pub external_id: Option<String>,
    /// `STRATA_API_URL`: the API's function URL, for controllers and for machines that register themselves.
    pub api_url: Option<String>,
    /// `STRATA_ACCOUNT`: the AWS account, 12 digits.
    pub account: Option<String>,
    /// `STRATA_CONTROLLER_ROLE_ARNS`: the controllers' roles, separated by commas.
    pub controller_role_arns: Vec<String>,
    /// `STRATA_MAX_STACKS`: the installation's quota of stacks; without it the API's default.
    pub max_stacks: Option<usize>,
    /// `STRATA_MAX_LAYERS`: layers of a stack, likewise.
    pub max_layers: Option<usize>,
    /// `STRATA_MAX_INSTANCES`: instances of a stack, likewise.
    pub max_instances: Option<usize>,
    /// `AWS_ENDPOINT_URL_<SERVICE>`, and under the empty name `AWS_ENDPOINT_URL`.
    pub endpoints: BTreeMap<String, String>,
    /// `SSL_CERT_FILE` or `SSL_CERT_DIR` is set: certificates to trust instead of Amazon's roots.
    pub own_roots: bool,
}

impl Settings {
    /// Reads the settings; `variable` looks one up, usually in the environment.
    ///
    /// # Errors
    /// [`SettingsError`] for what every function needs, or what is malformed; the rest is asked for by [`required`](Self::required).
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let get = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let account = get("STRATA_ACCOUNT");
        if let Some(value) = account.clone().filter(|a| a.len() != 12 || !a.bytes().all(|b| b.is_ascii_digit())) {
            return Err(SettingsError::Malformed { name: "STRATA_ACCOUNT", value, expected: "the AWS account, 12 digits" });
        }
        let names = std::iter::once(String::new()).chain(SERVICES.map(|service| format!("_{service}")));
        let endpoints = names.filter_map(|suffix| {
            let url = get(&format!("AWS_ENDPOINT_URL{suffix}"))?;
            Some((suffix.trim_start_matches('_').to_owned(), url))
        });
        let quota = |name| get(name).map(|value| quota(name, value)).transpose();
        Ok(Self {
            region: get("AWS_REGION")
                .ok_or(SettingsError::Missing { name: "AWS_REGION", expected: "the region, which Lambda sets" })?,
            installation: get("STRATA_INSTALLATION").unwrap_or_else(|| "strata".to_owned()),
            table: get("STRATA_TABLE"),
            topic_arn: get("STRATA_TOPIC_ARN"),
            event_bus: get("STRATA_EVENT_BUS").unwrap_or_else(|| "default".to_owned()),
            bucket: get("STRATA_BUCKET"),
            external_id: get("STRATA_EXTERNAL_ID"),
            api_url: get("STRATA_API_URL"),
            account,
            controller_role_arns: get("STRATA_CONTROLLER_ROLE_ARNS")
                .map(|arns| arns.split(',').map(|arn| arn.trim().to_owned()).filter(|arn| !arn.is_empty()).collect())
                .unwrap_or_default(),
            max_stacks: quota("STRATA_MAX_STACKS")?,
            max_layers: quota("STRATA_MAX_LAYERS")?,
            max_instances: quota("STRATA_MAX_INSTANCES")?,
            endpoints: endpoints.collect(),
            own_roots: ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().any(|name| get(name).is_some()),
        })
    }

    /// The endpoint that was set for a service, or for all; `None`: AWS's own.
    pub fn endpoint(&self, service: &str) -> Option<&str> {
        self.endpoints.get(service).or_else(|| self.endpoints.get("")).map(String::as_str)
    }

    /// A setting that this function cannot do without.
    ///
    /// # Errors
    /// [`SettingsError::Missing`].
    pub fn required<'a>(value: &'a Option<String>, name: &'static str, expected: &'static str) -> Result<&'a str, SettingsError> {
        value.as_deref().ok_or(SettingsError::Missing { name, expected })
    }
}

fn quota(name: &'static str, value: String) -> Result<usize, SettingsError> {
    let number = value.trim().parse().ok().filter(|number| *number > 0);
    number.ok_or(SettingsError::Malformed { name, value, expected: "a whole number from 1" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_region_is_all_that_every_function_needs() {
        let settings = read(&[("AWS_REGION", "eu-west-1")]).unwrap();
        assert_eq!(
            (settings.installation.as_str(), settings.event_bus.as_str(), settings.endpoint("EC2")),
            ("strata", "default", None)
        );
        let error = read(&[("AWS_REGION", " ")]).unwrap_err();
        assert_eq!(error.to_string(), "the environment variable AWS_REGION is not set; expected the region, which Lambda sets");
    }

    #[test]
    fn a_service_has_its_own_endpoint_or_the_one_for_all() {
        let all = ("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
        let settings = read(&[("AWS_REGION", "r"), all, ("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:2")]).unwrap();
        assert_eq!(settings.endpoint("EC2"), Some("http://127.0.0.1:2"));
        assert_eq!(settings.endpoint("ECS"), Some("http://127.0.0.1:1"));
    }

    #[test]
    fn an_account_has_twelve_digits() {
        assert!(read(&[("AWS_REGION", "r"), ("STRATA_ACCOUNT", "123456789012")]).is_ok());
        for wrong in ["12345678901", "1234567890123", "12345678901x"] {
            let error = read(&[("AWS_REGION", "r"), ("STRATA_ACCOUNT", wrong)]).unwrap_err();
            assert!(error.to_string().contains(&format!("STRATA_ACCOUNT is {wrong:?}")), "{error}");
        }
    }

    #[test]
    fn a_quota_is_a_whole_number_from_1() {
        let settings = read(&[("AWS_REGION", "r"), ("STRATA_MAX_STACKS", " 40 "), ("STRATA_MAX_LAYERS", "1")]).unwrap();
        assert_eq!((settings.max_stacks, settings.max_layers, settings.max_instances), (Some(40), Some(1), None));
        for wrong in ["0", "-1", "many", "1.5"] {
            let error = read(&[("AWS_REGION", "r"), ("STRATA_MAX_INSTANCES", wrong)]).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("the environment variable STRATA_MAX_INSTANCES is {wrong:?}; expected a whole number from 1")
            );
        }
    }

    #[test]
    fn roles_are_separated_by_commas_and_what_is_needed_is_named_when_it_is_missing() {
        let settings = read(&[("AWS_REGION", "r"), ("STRATA_CONTROLLER_ROLE_ARNS", "a, b,")]).unwrap();
        assert_eq!(settings.controller_role_arns, ["a", "b"]);
        let missing = Settings::required(&settings.table, "STRATA_TABLE", "the DynamoDB table").unwrap_err();
        assert_eq!(missing.to_string(), "the environment variable STRATA_TABLE is not set; expected the DynamoDB table");
    }
}
