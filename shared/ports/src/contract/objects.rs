//! The contract of objects.

use std::pin::Pin;

use bytes::Bytes;
use jiff::SignedDuration;

use crate::objects::{LONGEST_LINK, MAX_KEY_BYTES};
use crate::{CloudError, Objects};

/// Content type and bytes, or `None` where they are refused.
pub type Fetched<'a> = Pin<Box<dyn Future<Output = Option<(String, Bytes)>> + Send + 'a>>;

/// Gets a URL as anybody would, without credentials.
pub type Fetch<'a> = &'a (dyn Fn(String) -> Fetched<'a> + Sync);

const TYPE: &str = "application/gzip";

/// Checks objects whose keys begin with `contract/`, none of which is there; none is afterwards.
///
/// # Panics
/// With what was broken.
pub async fn objects_contract(objects: &dyn Objects, fetch: Fetch<'_>) {
    let gone = "contract/never";
    assert_eq!(objects.get(gone).await, Ok(None));
    assert_eq!(objects.delete(gone).await, Ok(()), "what is gone is a success");
    // Everything that a URL or a signature could trip over.
    for key in
        ["contract/a.tgz", "contract/ä b+c&d=e?f#g%20/:;@,'()*~!$/x", &*format!("contract/{}", "k".repeat(MAX_KEY_BYTES - 9))]
    {
        let first = Bytes::from_static(&[0, 255, 0x1f, 0x8b, b'\n']);
        put(objects, key, &first).await;
        assert_eq!(objects.get(key).await, Ok(Some(first)), "{key}");
        let second = Bytes::from_static(b"another");
        put(objects, key, &second).await;
        assert_eq!(objects.get(key).await, Ok(Some(second.clone())), "{key}");
        let link = link(objects, key).await;
        assert_eq!(fetch(link.clone()).await, Some((TYPE.to_owned(), second)), "{link}");
        objects.delete(key).await.expect("it is deleted");
        assert_eq!(objects.get(key).await, Ok(None), "{key}");
        assert_eq!(fetch(link).await, None, "a link does not keep what it leads to");
    }
    put(objects, "contract/empty", &Bytes::new()).await;
    assert_eq!(objects.get("contract/empty").await, Ok(Some(Bytes::new())));
    objects.delete("contract/empty").await.expect("it is deleted");
    keeps_to_its_limits(objects).await;
}

async fn put(objects: &dyn Objects, key: &str, bytes: &Bytes) {
    objects.put(key, bytes.clone(), TYPE).await.expect("it is put");
}

async fn link(objects: &dyn Objects, key: &str) -> String {
    objects.link(key, SignedDuration::from_mins(5)).await.expect("a link")
}

fn is_wrong<T>(result: &Result<T, CloudError>) -> bool {
    matches!(result, Err(CloudError::Wrong { .. }))
}

async fn keeps_to_its_limits(objects: &dyn Objects) {
    for key in [String::new(), "k".repeat(MAX_KEY_BYTES + 1)] {
        assert!(is_wrong(&objects.put(&key, Bytes::new(), TYPE).await), "{} bytes", key.len());
        assert!(is_wrong(&objects.get(&key).await) && is_wrong(&objects.delete(&key).await), "{} bytes", key.len());
        assert!(is_wrong(&objects.link(&key, LONGEST_LINK).await), "{} bytes", key.len());
    }
    for valid_for in [SignedDuration::ZERO, LONGEST_LINK + SignedDuration::from_secs(1)] {
        assert!(is_wrong(&objects.link("contract/a", valid_for).await), "{valid_for}");
    }
    objects.link("contract/a", LONGEST_LINK).await.expect("a link to what is not there");
}
