//! Whether a request was signed with the user's own credentials, within the last minutes, and as it stands.
//!
//! The request is signed once more, from what was received, and the two signatures are compared.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use http::request::Parts;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::authorization::{Claim, invalid, single};
use super::refusal::{Kind, Refusal};

/// The clocks of signer and proxy may be apart by so much, as AWS has it.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

const STRANGER: &str = "The security token included in the request is invalid: strata proxy takes only requests that are signed with the \
     credentials it holds itself; give both the same ones, for example by eval \"$(aws configure export-credentials --format env)\"";

/// Checks the time of a signature.
///
/// # Errors
/// [`Refusal`]: more than five minutes before or after `now`.
pub(super) fn time(claim: &Claim, now: Timestamp) -> Result<(), Refusal> {
    let age = now.duration_since(claim.signed_at);
    if age > SKEW {
        return Err(invalid(format!("Signature expired: {} is more than 5 minutes before {now}", claim.signed_at)));
    }
    if age < -SKEW {
        return Err(invalid(format!("Signature not yet current: {} is more than 5 minutes after {now}", claim.signed_at)));
    }
    Ok(())
}

/// Checks that the signer has our access key and our session token, as far as he shows them.
///
/// # Errors
/// [`Refusal`].
pub(super) fn identity(claim: &Claim, head: &Parts, own: &Credentials) -> Result<(), Refusal> {
    let given = single(&head.headers, "x-amz-security-token").unwrap_or_default();
    let same_key = is_same(&claim.access_key_id, own.access_key_id());
    let same_token = is_same(given, own.session_token().unwrap_or_default());
    if same_key && same_token { Ok(()) } else { Err(Kind::UnrecognizedClient.because(STRANGER)) }
}

/// Checks the hash that the client has told of the body, if it has.
///
/// # Errors
/// [`Refusal`]: another hash, or none at all (`UNSIGNED-PAYLOAD` and its kin).
pub(super) fn body(head: &Parts, body: &[u8]) -> Result<(), Refusal> {
    let Some(told) = head.headers.get("x-amz-content-sha256") else { return Ok(()) };
    let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    match told.to_str() {
        Ok(told) if is_same(told, &hash) => Ok(()),
        Ok(told) if told.contains("UNSIGNED") || told.starts_with("STREAMING-") => {
            Err(invalid("the body must be signed: X-Amz-Content-Sha256 has to be its SHA-256, or absent"))
        }
        _ => Err(invalid("X-Amz-Content-Sha256 is not the SHA-256 of the body")),
    }
}

/// Checks the signature itself.
///
/// # Errors
/// [`Refusal`].
pub(super) fn signature(claim: &Claim, head: &Parts, body: &[u8], own: &Credentials) -> Result<(), Refusal> {
    let expected = sign_again(claim, head, body, own).ok_or_else(|| invalid("the signed headers are not plain text"))?;
    if is_same(&claim.signature, &expected) {
        return Ok(());
    }
    Err(invalid(
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.",
    ))
}

fn sign_again(claim: &Claim, head: &Parts, body: &[u8], own: &Credentials) -> Option<String> {
    let identity = Identity::from(own.clone());
    let mut settings = SigningSettings::default();
    // All headers that the client has signed, and no others.
    settings.excluded_headers = None;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&claim.region)
        .name(&claim.service)
        .time(SystemTime::try_from(claim.signed_at).ok()?)
        .settings(settings)
        .build()
        .ok()?
        .into();
    let path = head.uri.path_and_query()?.as_str();
    let headers = received(claim, head)?;
    let signable = SignableRequest::new(head.method.as_str(), path, headers.into_iter(), SignableBody::Bytes(body)).ok()?;
    Some(sign(signable, &params).ok()?.into_parts().1)
}

/// The signed headers as they were received, those that came several times in their order. The session token is not among them: the
/// signer puts in our own, which [`identity`] has found to be the same, and keeps it out of its log; headers it would log.
fn received<'a>(claim: &'a Claim, head: &'a Parts) -> Option<Vec<(&'a str, &'a str)>> {
    let names = claim.signed_headers.iter().filter(|name| *name != "x-amz-security-token");
    let all = names.flat_map(|name| head.headers.get_all(name.as_str()).iter().map(move |value| (name, value)));
    all.map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect()
}

/// Compares in a time that depends on the lengths only.
fn is_same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}
