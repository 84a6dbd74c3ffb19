//! Objects on S3: one private bucket, encrypted by its own default.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use jiff::SignedDuration;
use strata_ports::objects::{check_key, check_validity};
use strata_ports::{CloudError, Objects};

use crate::error::{Effect, chain, sort};
use crate::{Base, Role, Settings, SettingsError, Uses};

const PUT: &str = "s3:PutObject";
const GET: &str = "s3:GetObject";
const DELETE: &str = "s3:DeleteObject";

/// What the methods need. A link calls nothing: what it takes is asked when it is followed.
pub const USES: &[Uses] = &[
    Uses { method: "put", role: Role::Function, actions: &[PUT] },
    Uses { method: "get", role: Role::Function, actions: &[GET] },
    Uses { method: "delete", role: Role::Function, actions: &[DELETE] },
    Uses { method: "link", role: Role::Function, actions: &[GET] },
];

/// S3, under the function's own role.
pub struct S3Objects {
    client: Client,
    bucket: String,
}

impl S3Objects {
    /// In the bucket that the settings name.
    ///
    /// # Errors
    /// [`SettingsError::Missing`] without one.
    pub fn new(base: &Base) -> Result<Self, SettingsError> {
        let config = Builder::from(&base.own("S3")).interceptor(base.log().clone());
        // A bucket in front of the host name is for AWS's own names; another endpoint need not have one for each bucket.
        let config = config.force_path_style(base.settings().endpoint("S3").is_some()).build();
        let bucket = Settings::required(&base.settings().bucket, "STRATA_BUCKET", "the S3 bucket")?;
        Ok(Self { client: Client::from_conf(config), bucket: bucket.to_owned() })
    }
}

#[async_trait]
impl Objects for S3Objects {
    async fn put(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<(), CloudError> {
        check_key(PUT, key)?;
        let request = self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type);
        request.body(ByteStream::from(bytes)).send().await.map_err(|error| sort(PUT, Effect::Write, error))?;
        Ok(())
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CloudError> {
        check_key(GET, key)?;
        let answer = self.client.get_object().bucket(&self.bucket).key(key).send().await;
        match answer.map_err(|error| sort(GET, Effect::Read, error)) {
            Ok(object) => {
                let body = object.body.collect().await;
                let cut_off = |error| CloudError::RetryLater { action: GET, why: chain(&error) };
                Ok(Some(body.map_err(cut_off)?.into_bytes()))
            }
            Err(CloudError::Wrong { code, .. }) if code == "NoSuchKey" => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn delete(&self, key: &str) -> Result<(), CloudError> {
        check_key(DELETE, key)?;
        let request = self.client.delete_object().bucket(&self.bucket).key(key);
        request.send().await.map_err(|error| sort(DELETE, Effect::Write, error))?;
        Ok(())
    }

    async fn link(&self, key: &str, valid_for: SignedDuration) -> Result<String, CloudError> {
        check_key(GET, key)?;
        check_validity(GET, valid_for)?;
        let seconds = Duration::from_secs(valid_for.as_secs().unsigned_abs());
        let wrong = |why: String| CloudError::Wrong { action: GET, code: "InvalidExpires".to_owned(), why };
        let presigning = PresigningConfig::expires_in(seconds).map_err(|error| wrong(chain(&error)))?;
        let request = self.client.get_object().bucket(&self.bucket).key(key);
        let signed = request.presigned(presigning).await.map_err(|error| sort(GET, Effect::Read, error))?;
        Ok(signed.uri().to_owned())
    }
}
