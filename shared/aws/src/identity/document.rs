//! Instance identity documents: AWS signs them with a key of the region [REG-7].

use std::sync::OnceLock;

use aws_lc_rs::signature::{RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use strata_domain::Ec2InstanceId;
use strata_ports::{CloudError, InstanceIdentity};

/// Key, then its regions, one key a line.
const KEYS: &str = include_str!("keys.txt");

/// What a document says, as far as it is asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    instance_id: String,
    region: String,
    account_id: String,
}

/// Who signed `document`; `None` when the signature is not that of the document, or it is no such document.
///
/// # Errors
/// `Wrong`: the key of the document's region is not known, so that no instance of that region can be told.
pub(super) fn verify(document: &str, signature: &str) -> Result<Option<InstanceIdentity>, CloudError> {
    let Ok(read) = serde_json::from_str::<Document>(document) else { return Ok(None) };
    let key = key_of(&read.region).ok_or_else(|| CloudError::Wrong {
        action: "ec2:InstanceIdentityDocument",
        code: "UnknownRegion".to_owned(),
        why: format!(
            "this version does not know AWS's public key for the region {:?}, so instances there cannot be registered; it knows {}",
            read.region,
            keys().iter().map(|(region, _)| *region).collect::<Vec<_>>().join(", ")
        ),
    })?;
    let identity =
        InstanceIdentity { host: Ec2InstanceId::from(read.instance_id), region: read.region, account: read.account_id };
    Ok(Some(identity).filter(|_| is_signature_of(document, signature, key)))
}

/// The metadata service gives a signature in lines. AWS's keys have 1024 bits, which is what "legacy" in the algorithm's name is about.
fn is_signature_of(document: &str, signature: &str, key: &[u8]) -> bool {
    let one_line: String = signature.split_ascii_whitespace().collect();
    let Ok(signature) = STANDARD.decode(one_line) else { return false };
    let key = UnparsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, key);
    key.verify(document.as_bytes(), &signature).is_ok()
}

fn key_of(region: &str) -> Option<&'static [u8]> {
    keys().iter().find(|(name, _)| *name == region).map(|(_, key)| key.as_slice())
}

fn keys() -> &'static [(&'static str, Vec<u8>)] {
    static READ: OnceLock<Vec<(&'static str, Vec<u8>)>> = OnceLock::new();
    READ.get_or_init(|| {
        let lines = KEYS.lines().filter(|line| !line.starts_with('#'));
        let read = |line: &'static str| {
            let (key, regions) = line.split_once(' ')?;
            let key = STANDARD.decode(key).ok()?;
            Some(regions.split(' ').map(move |region| (region, key.clone())))
        };
        let mut keys: Vec<_> = lines.filter_map(read).flatten().collect();
        keys.sort_unstable_by_key(|(region, _)| *region);
        keys
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    // A key that was made for this test, and a document that it has signed.
    const KEY: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCqGiwEaBJjyScYVTR8l8Y8jzj1Gzh8NgV/sSTMe6IKA/YtxcN2QVFf4G7IqL9x7aku/1TzcWpmLRnbynQv0+ualQmLapIzt+JUu3t8Koj74C4K/6W5Cfy3OELl3wPfu7AS68eLHMG5AcZtWQPllvKOvWvyTkOnY08aJCVmSzMS9wIDAQAB";
    const DOCUMENT: &str = include_str!("signed.json");
    const SIGNATURE: &str = "ifY8iCMAYmEzyGRR9nWvFwbsAtJzFieFviYxtbWDqdZDR6/3aZRjafUfAZrTMN+OMck3H38pOQXn\n\
        5XTvcJA/DtyNBV+GzqfM5Bzzj+yTNdXTsMJx/7YBZH68xXuycWQ0czv7zTiGEIbXeORqR3OGLl9T\n\
        JFYXIWPmpc8HcWcAADk=";

    fn holds(document: &str, signature: &str) -> bool {
        is_signature_of(document, signature, &STANDARD.decode(KEY).unwrap())
    }

    #[test]
    fn a_signature_is_that_of_one_document_to_the_byte() {
        assert!(holds(DOCUMENT, SIGNATURE));
        assert!(holds(DOCUMENT, &SIGNATURE.replace('\n', "")), "with or without line breaks");
        assert!(!holds(&DOCUMENT.replace("123456789012", "123456789013"), SIGNATURE));
        assert!(!holds(&DOCUMENT.replace(" : ", ": "), SIGNATURE));
        assert!(!holds(DOCUMENT, &SIGNATURE.replacen('A', "B", 1)));
        for odd in ["", "!", "AAAA", &SIGNATURE[..40]] {
            assert!(!holds(DOCUMENT, odd), "{odd}");
        }
    }

    /// [REG-7]
    #[test]
    fn reg_7_a_document_that_aws_did_not_sign_names_nobody() {
        assert_eq!(verify(DOCUMENT, SIGNATURE), Ok(None), "the test's key is not AWS's");
        for odd in ["", "{}", "null", "[]", r#"{"instanceId":"i-1","region":"us-east-1"}"#] {
            assert_eq!(verify(odd, SIGNATURE), Ok(None), "{odd}");
        }
        let error = verify(&DOCUMENT.replace("us-east-1\"", "xx-north-9\""), SIGNATURE).unwrap_err();
        assert!(error.to_string().contains("public key for the region \"xx-north-9\""), "{error}");
    }

    #[test]
    fn each_region_has_one_key_of_the_right_form() {
        let keys = keys();
        assert_eq!(keys.len(), 37);
        assert!(keys.is_sorted_by(|a, b| a.0 < b.0), "each region once");
        for (region, key) in keys {
            assert!(
                aws_lc_rs::signature::ParsedPublicKey::new(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, key).is_ok(),
                "{region}"
            );
        }
    }
}
