//! The Objects port: files in the cloud's own state, so that a served world has them again after it was killed.
//!
//! Its links lead to the endpoint of the served world. They are not signed, as nothing is there: whoever reaches it may do everything.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use strata_ports::objects::{check_key, check_validity};
use strata_ports::{Clock, CloudError, Objects};

use super::state::{State, wrong};
use super::{Latency, SimCloud};

/// Where links lead, below the endpoint of the served world.
pub const LINK_FOLDER: &str = "/_strata/objects/";
/// What a key keeps in a URL: slashes, and what RFC 3986 never needs to escape.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// All objects, and where their links lead.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Files {
    files: BTreeMap<String, File>,
    #[serde(skip)]
    endpoint: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct File {
    content_type: String,
    #[serde(with = "binary")]
    bytes: Bytes,
}

/// As one run of bytes: by itself serde takes them for a list of numbers.
mod binary {
    use std::fmt;

    use bytes::Bytes;
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_byte_buf(Binary)
    }

    struct Binary;

    impl Visitor<'_> for Binary {
        type Value = Bytes;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
            Ok(Bytes::copy_from_slice(bytes))
        }

        fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
            Ok(bytes.into())
        }
    }
}

impl State {
    /// A host writes a command's output. It is no call of ours.
    pub(super) fn keep_output(&mut self, key: String, text: String) {
        self.files.files.insert(key, File { content_type: "text/plain".to_owned(), bytes: text.into() });
    }
}

#[async_trait]
impl Objects for SimCloud {
    async fn put(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<(), CloudError> {
        const ACTION: &str = "s3:PutObject";
        check_key(ACTION, key)?;
        self.call(Latency::Write, |s| {
            s.admit(ACTION, 1)?;
            s.files.files.insert(key.to_owned(), File { content_type: content_type.to_owned(), bytes });
            Ok(())
        })
        .await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, CloudError> {
        const ACTION: &str = "s3:GetObject";
        check_key(ACTION, key)?;
        self.call(Latency::Read, |s| {
            s.admit(ACTION, 1)?;
            Ok(s.files.files.get(key).map(|file| file.bytes.clone()))
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), CloudError> {
        const ACTION: &str = "s3:DeleteObject";
        check_key(ACTION, key)?;
        self.call(Latency::Write, |s| {
            s.admit(ACTION, 1)?;
            s.files.files.remove(key);
            Ok(())
        })
        .await
    }

    /// No call of the cloud's, as a signature is none on AWS.
    async fn link(&self, key: &str, valid_for: SignedDuration) -> Result<String, CloudError> {
        const ACTION: &str = "s3:GetObject";
        check_key(ACTION, key)?;
        check_validity(ACTION, valid_for)?;
        let until = self.clock.now().checked_add(valid_for).unwrap_or(Timestamp::MAX).as_second();
        match &self.lock().files.endpoint {
            Some(endpoint) => Ok(format!("{endpoint}{LINK_FOLDER}{}?until={until}", utf8_percent_encode(key, ESCAPED))),
            None => {
                let why = "a link needs an endpoint, and this world is not served; `strata sim serve` serves one";
                Err(wrong(ACTION, "NoEndpoint", why))
            }
        }
    }
}

impl SimCloud {
    /// From now on links lead to `endpoint`, for example `http://127.0.0.1:4280`, which hands them to [`SimCloud::linked`].
    pub fn serve_objects_at(&self, endpoint: &str) {
        self.with(|s| s.files.endpoint = Some(endpoint.trim_end_matches('/').to_owned()));
    }

    /// What a link gives: content type and bytes. `None` for what is no link, one that is no longer good, or leads to nothing.
    ///
    /// `path` and `query` as they stand in the URL.
    pub fn linked(&self, path: &str, query: &str) -> Option<(String, Bytes)> {
        let key = percent_decode_str(path.strip_prefix(LINK_FOLDER)?).decode_utf8().ok()?;
        let until: i64 = query.strip_prefix("until=")?.parse().ok()?;
        if self.clock.now().as_second() >= until {
            return None;
        }
        let state = self.lock();
        let file = state.files.files.get(&*key)?;
        Some((file.content_type.clone(), file.bytes.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cloud::{ApiSettings, CloudConfig, Saved, Spread};
    use crate::{VirtualClock, virtual_runtime};

    fn cloud(clock: &Arc<VirtualClock>) -> Arc<SimCloud> {
        let at_once = Spread::fixed_ms(0);
        let api = ApiSettings { read_latency: at_once, write_latency: at_once, ..ApiSettings::default() };
        SimCloud::new(CloudConfig { api, ..CloudConfig::default() }, 1, clock.clone())
    }

    fn clock() -> Arc<VirtualClock> {
        Arc::new(VirtualClock::new("2026-03-02T00:00:00Z".parse().unwrap()))
    }

    #[test]
    fn objects_are_in_the_snapshot() {
        virtual_runtime().unwrap().block_on(async {
            let clock = clock();
            let first = cloud(&clock);
            let bytes = Bytes::from_static(&[0, 255, b'a']);
            first.put("a", bytes.clone(), "text/plain").await.unwrap();
            let second = Saved::read(&first.snapshot()).unwrap().wake(clock);
            assert_eq!(second.get("a").await, Ok(Some(bytes)));
        });
    }

    #[test]
    fn a_link_needs_a_served_world_and_is_good_until_its_time() {
        virtual_runtime().unwrap().block_on(async {
            let clock = clock();
            let cloud = cloud(&clock);
            cloud.put("a b", Bytes::from_static(b"1"), "text/plain").await.unwrap();
            let minute = SignedDuration::from_mins(1);
            let error = cloud.link("a b", minute).await.unwrap_err();
            assert_eq!(error.code(), Some("NoEndpoint"));
            cloud.serve_objects_at("http://127.0.0.1:4280/");
            let link = cloud.link("a b", minute).await.unwrap();
            assert_eq!(link, "http://127.0.0.1:4280/_strata/objects/a%20b?until=1772409660");
            let get = || cloud.linked("/_strata/objects/a%20b", "until=1772409660");
            clock.sleep(SignedDuration::from_secs(59)).await;
            assert_eq!(get(), Some(("text/plain".to_owned(), Bytes::from_static(b"1"))));
            clock.sleep(SignedDuration::from_secs(1)).await;
            assert_eq!(get(), None);
            for (path, query) in
                [("/_strata/objects/a%20b", ""), ("/_strata/objects/b", "until=1772409999"), ("/a", "until=1772409999")]
            {
                assert_eq!(cloud.linked(path, query), None, "{path} {query}");
            }
        });
    }
}
