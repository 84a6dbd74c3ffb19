//! Who this machine is, by EC2's word: its identity document and the signature, from the metadata service, always with a token (IMDSv2).

use std::path::Path;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use bytes::Bytes;
use http::{Method, Request};

use crate::environment::Environment;
use crate::{CliError, transport};

/// Where EC2 has it.
const USUAL: &str = "http://169.254.169.254";
/// The service is on the machine itself, or on none.
const PATIENCE: Duration = Duration::from_secs(5);
/// A document has some 500 bytes, a signature 200.
const LARGEST: usize = 16 * 1024;

/// A document and what was signed with it, as RegisterInstance takes them.
pub(super) struct Identity {
    pub(super) document: String,
    pub(super) signature: String,
    /// `i-...`, by the document.
    pub(super) host: String,
}

/// From two files, which may have got a line's end that EC2 did not sign.
pub(super) fn of_files(document: &Path, signature: &Path) -> Result<Identity, CliError> {
    let read = |flag: &str, path: &Path| {
        let bad = |why: String| CliError::BadInput(format!("{flag} {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
        if text.len() > LARGEST { Err(bad(format!("has {} bytes; expected at most {LARGEST}", text.len()))) } else { Ok(text) }
    };
    let (text, signed) = (read("--document", document)?, read("--signature", signature)?);
    identity(text.trim_end(), signed.trim())
        .map_err(|why| CliError::BadInput(format!("--document {}: {why}", document.display())))
}

/// From the metadata service.
pub(super) async fn of_machine(given: Option<&str>, environment: &Environment) -> Result<Identity, CliError> {
    let service = given.or(environment.metadata_endpoint.as_deref()).unwrap_or(USUAL).trim_end_matches('/');
    if !service.starts_with("http://") {
        return Err(CliError::BadInput(format!("--metadata {service}: expected a URL such as {USUAL}")));
    }
    let connector = transport::unproxied(PATIENCE);
    let ask = async |method: Method, path: &str, header: (&str, &str)| {
        let absent = |why: &str| {
            CliError::Failed(anyhow::anyhow!(
                "{service}/latest/{path} {why}; run this on the EC2 instance, with its metadata service on, or give --document and --signature"
            ))
        };
        get(&connector, method, &format!("{service}/latest/{path}"), header).await.map_err(|why| absent(&why))
    };
    let token = ask(Method::PUT, "api/token", ("x-aws-ec2-metadata-token-ttl-seconds", "60")).await?;
    let header = ("x-aws-ec2-metadata-token", token.trim());
    let document = ask(Method::GET, "dynamic/instance-identity/document", header).await?;
    let signature = ask(Method::GET, "dynamic/instance-identity/signature", header).await?;
    identity(&document, &signature).map_err(|why| CliError::Failed(anyhow::anyhow!("{service} gave a document that {why}")))
}

async fn get(connector: &SharedHttpConnector, method: Method, url: &str, (name, value): (&str, &str)) -> Result<String, String> {
    let request = Request::builder().method(method).uri(url).header(name, value).body(Bytes::new());
    let response = transport::send(connector, request.map_err(transport::chain)?).await?;
    let (head, body) = response.into_parts();
    if !head.status.is_success() {
        return Err(format!("answered with the status {}", head.status.as_u16()));
    }
    let body = axum::body::to_bytes(axum::body::Body::new(body), LARGEST).await.map_err(transport::chain)?;
    String::from_utf8(body.to_vec()).map_err(|_| "answered with what is no text".to_owned())
}

fn identity(document: &str, signature: &str) -> Result<Identity, String> {
    let read: serde_json::Value = serde_json::from_str(document).map_err(|error| format!("is no JSON: {error}"))?;
    let host = read["instanceId"].as_str().ok_or("names no instanceId")?.to_owned();
    Ok(Identity { document: document.to_owned(), signature: signature.to_owned(), host })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_taken_with_a_line_end_too_many_and_refused_when_they_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let signature = file("s", "AAAA\nBBBB\n");
        let identity = of_files(&file("d", "{\"instanceId\":\"i-1\"}\n"), &signature).unwrap();
        assert_eq!((identity.document.as_str(), identity.host.as_str()), ("{\"instanceId\":\"i-1\"}", "i-1"));
        assert_eq!(identity.signature, "AAAA\nBBBB");
        for (text, told) in [("", "is no JSON"), ("{}", "names no instanceId"), (&" ".repeat(LARGEST + 1), "expected at most")] {
            let error = of_files(&file("bad", text), &signature).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with("--document") && error.contains(told), "{error}");
        }
        assert!(of_files(&signature, &folder.path().join("none")).is_err());
    }
}
