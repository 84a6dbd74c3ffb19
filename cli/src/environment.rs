//! The environment variables that `strata` itself reads, all in this one place. What the AWS crates read by their own rules
//! (`AWS_PROFILE`, `AWS_REGION`, keys) is not repeated here.

/// The variables, as they were when the command started. An empty one counts as unset, as the AWS CLI has it.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `AWS_DATA_PATH`: folders of service models, as in `PATH`.
    pub aws_data_path: Option<String>,
    /// `HOME`: the user's folder.
    pub home: Option<String>,
    /// `STRATA_INSTALLATION`: the installation's name on AWS.
    pub strata_installation: Option<String>,
    /// `AWS_ENDPOINT_URL_OPSWORKS`: the API's URL.
    pub aws_endpoint_url_opsworks: Option<String>,
    /// `AWS_EC2_METADATA_SERVICE_ENDPOINT`: the metadata service of this machine.
    pub metadata_endpoint: Option<String>,
    /// `AWS_ENDPOINT_URL`: the URL of every service that has none of its own.
    pub aws_endpoint_url: Option<String>,
}

impl Environment {
    /// Reads them.
    pub fn read() -> Self {
        Self {
            aws_data_path: variable("AWS_DATA_PATH"),
            aws_endpoint_url: variable("AWS_ENDPOINT_URL"),
            aws_endpoint_url_opsworks: variable("AWS_ENDPOINT_URL_OPSWORKS"),
            home: variable("HOME"),
            metadata_endpoint: variable("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
            strata_installation: variable("STRATA_INSTALLATION"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place where variables are read; everything else gets `Environment`")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
