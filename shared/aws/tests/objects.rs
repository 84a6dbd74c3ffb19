//! Objects against a server that speaks S3's protocol.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

mod support;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::Builder;
use bytes::Bytes;
use jiff::SignedDuration;
use strata_aws::Base;
use strata_aws::objects::{S3Objects, USES};
use strata_ports::contract::objects::{Fetched, objects_contract};
use strata_ports::{CloudError, Objects};

/// A bucket of its own for each test.
async fn objects(bucket: &str) -> (Base, S3Objects) {
    let base = support::base(&[("STRATA_BUCKET", bucket)]);
    let client = Client::from_conf(Builder::from(&base.own("S3")).force_path_style(true).build());
    // An earlier run may have left it behind.
    drop(client.create_bucket().bucket(bucket).send().await);
    base.log().take();
    let objects = S3Objects::new(&base).unwrap();
    (base, objects)
}

fn fetch(url: String) -> Fetched<'static> {
    Box::pin(support::http::get(url))
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn the_contract_holds() {
    let (_, objects) = objects("contract").await;
    objects_contract(&objects, &fetch).await;
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_method_calls_what_its_table_says() {
    let (base, objects) = objects("uses").await;
    objects.put("a", Bytes::from_static(b"1"), "text/plain").await.unwrap();
    support::check_uses(&base, USES, "put");
    objects.get("a").await.unwrap().unwrap();
    support::check_uses(&base, USES, "get");
    objects.link("a", SignedDuration::from_mins(1)).await.unwrap();
    support::check_uses(&base, USES, "link");
    objects.delete("a").await.unwrap();
    support::check_uses(&base, USES, "delete");
}

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn a_missing_bucket_is_not_a_missing_object() {
    let objects = S3Objects::new(&support::base(&[("STRATA_BUCKET", "nowhere")])).unwrap();
    let error = objects.get("a").await.unwrap_err();
    assert!(matches!(&error, CloudError::Wrong { code, .. } if code == "NoSuchBucket"), "{error}");
}
