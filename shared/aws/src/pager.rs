//! Pages, on SNS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::config::Builder;
use strata_domain::decision::Page;
use strata_ports::{CloudError, Pager};

use crate::error::{Effect, sort};
use crate::{Base, Role, Settings, SettingsError, Uses};

/// What the methods need.
pub const USES: &[Uses] = &[Uses { method: "publish", role: Role::Function, actions: &["sns:Publish"] }];

/// SNS, under the function's own role.
pub struct SnsPager {
    client: Client,
    topic_arn: String,
}

impl SnsPager {
    /// To the topic that the settings name.
    ///
    /// # Errors
    /// [`SettingsError::Missing`] without one.
    pub fn new(base: &Base) -> Result<Self, SettingsError> {
        let config = Builder::from(&base.own("SNS")).interceptor(base.log().clone()).build();
        let topic = Settings::required(&base.settings().topic_arn, "STRATA_TOPIC_ARN", "the ARN of on-call's SNS topic")?;
        Ok(Self { client: Client::from_conf(config), topic_arn: topic.to_owned() })
    }
}

#[async_trait]
impl Pager for SnsPager {
    async fn publish(&self, page: &Page) -> Result<(), CloudError> {
        let text = serde_json::to_string(page).map_err(|error| CloudError::Wrong {
            action: "sns:Publish",
            code: "InvalidParameter".to_owned(),
            why: error.to_string(),
        })?;
        let request = self.client.publish().topic_arn(&self.topic_arn).subject(&page.kind).message(text);
        request.send().await.map_err(|error| sort("sns:Publish", Effect::Write, error))?;
        Ok(())
    }
}
