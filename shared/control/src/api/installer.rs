//! The installer that `aws opsworks register` downloads and runs on a machine [REG-11]: one script, in the form that the command expects.

use std::io::{self, Write};
use std::sync::OnceLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use jiff::SignedDuration;
use sha2::{Digest, Sha256};
use strata_ports::{CloudError, Objects};

use super::error::ApiError;

/// The folder of the API's URL that it stands in.
pub(crate) const FOLDER: &str = "/installer";
/// The file's name.
pub(crate) const FILE: &str = "opsworks-agent-installer.tgz";
/// The file's whole path.
pub const PATH: &str = "/installer/opsworks-agent-installer.tgz";

/// What is executed, by its path in the archive.
const SCRIPT: (&str, &[u8]) = ("opsworks-agent-installer/boot-registration", include_bytes!("installer/boot-registration"));

/// The archive: the same bytes on every call and every machine, for there is no time and no owner in it.
pub(crate) fn archive() -> io::Result<Bytes> {
    static PACKED: OnceLock<Bytes> = OnceLock::new();
    if let Some(packed) = PACKED.get() {
        return Ok(packed.clone());
    }
    let packed = pack()?;
    Ok(PACKED.get_or_init(|| packed).clone())
}

fn pack() -> io::Result<Bytes> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    let mut folder = header(tar::EntryType::Directory, 0);
    archive.append_data(&mut folder, "opsworks-agent-installer/", io::empty())?;
    let mut file = header(tar::EntryType::Regular, SCRIPT.1.len() as u64);
    archive.append_data(&mut file, SCRIPT.0, SCRIPT.1)?;
    let mut gzip = archive.into_inner()?;
    gzip.flush()?;
    Ok(gzip.finish()?.into())
}

fn header(kind: tar::EntryType, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(0o755);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Whether only signed calls reach an API at this host, which a machine that fetches the installer cannot make: a function URL's.
pub(crate) fn takes_signed_calls_only(host: &str) -> bool {
    host.contains(".lambda-url.")
}

/// A link is good for as long as a person may need from the answer to the machine.
const LENT_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Puts the archive where a link leads and gives the link, in quotes.
///
/// Its name is that of its content, so a repeat changes nothing and a new version leaves links to the old one alone.
///
/// Our choice: the link stands between single quotes. It has `&` in it, and `aws opsworks register`, the command that asks for it, puts
/// it into a shell script as it is (`curl --retry 5 -L <url> | tar xz`).
pub(crate) async fn lend(objects: &dyn Objects) -> Result<String, ApiError> {
    let packed = archive().map_err(|error| ApiError::Internal(format!("the installer could not be packed: {error}")))?;
    let name: String = Sha256::digest(&packed).iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("{}/{name}/{FILE}", FOLDER.trim_start_matches('/'));
    objects.put(&key, packed, "application/gzip").await.map_err(not_lent)?;
    let link = objects.link(&key, LENT_FOR).await.map_err(not_lent)?;
    Ok(format!("'{link}'"))
}

/// The bucket is the installation's own, so nothing in the request can be wrong about it.
fn not_lent(error: CloudError) -> ApiError {
    match error {
        CloudError::RetryLater { .. } | CloudError::OutcomeUnknown { .. } => {
            ApiError::Unavailable(format!("The installer cannot be lent now; try again ({error})"))
        }
        CloudError::Refused { .. } | CloudError::Wrong { .. } => {
            ApiError::Internal(format!("the installer cannot be lent: {error}"))
        }
    }
}

/// The answer to a GET of [`PATH`]. Nothing in it is secret, so it asks for no caller.
pub(crate) fn answer() -> Response<Bytes> {
    match archive() {
        Ok(packed) => {
            let mut response = Response::new(packed);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/gzip"));
            response
        }
        Err(error) => {
            tracing::error!(error.message = %error, "the installer could not be packed");
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// [REG-11]
    #[test]
    fn reg_11_the_archive_has_the_folder_with_the_executable_and_is_always_the_same() {
        let packed = pack().unwrap();
        assert_eq!(packed, pack().unwrap());
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&packed[..]));
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let (path, mode) = (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap());
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            found.push((path, mode, text));
        }
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].0.as_str(), found[0].1), ("opsworks-agent-installer/", 0o755));
        assert_eq!((found[1].0.as_str(), found[1].1), ("opsworks-agent-installer/boot-registration", 0o755));
        assert!(found[1].2.starts_with("#!/bin/sh\n") && found[1].2.contains("X-aws-ec2-metadata-token"));
        assert!(PATH.starts_with(FOLDER) && PATH.ends_with(FILE));
    }
}
