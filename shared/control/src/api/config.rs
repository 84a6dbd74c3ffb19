//! Where this installation stands, and its limits.

/// The controllers' role in the local world, where they have one together.
pub const LOCAL_CONTROLLER: &str = "arn:aws:iam::123456789012:role/strata-controllers";

/// Where this installation stands. What the account has there, its default VPC for example, is looked up when it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// The AWS region that it serves.
    pub region: String,
    /// The AWS account, 12 digits.
    pub account: String,
    /// The roles of the scaling, updates and teardown functions: their calls set no hold and need no permission.
    pub controller_role_arns: Vec<String>,
    /// Stacks of the installation; default 500 [QTA-1].
    pub max_stacks: usize,
    /// Layers of a stack; default 100 [QTA-1].
    pub max_layers: usize,
    /// Instances of a stack; default 2,000 [QTA-1].
    pub max_instances: usize,
    /// Its own URL, for machines that register themselves: `https://...`; without one they cannot.
    pub public_url: Option<String>,
    /// The value of the tag `strata:installation` that a machine must have to be registered: the service role's rights end there. `None`:
    /// it is not asked for.
    pub installation: Option<String>,
}

impl Default for ApiConfig {
    /// The local world's: account 123456789012 in us-east-1.
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            controller_role_arns: vec![LOCAL_CONTROLLER.to_owned()],
            max_stacks: 500,
            max_layers: 100,
            max_instances: 2_000,
            public_url: None,
            installation: None,
        }
    }
}
