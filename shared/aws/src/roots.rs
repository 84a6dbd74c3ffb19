//! Whose certificates a function trusts.
//!
//! To read the system's hundred and fifty roots took more than half of a cold start's time; every service of AWS's public regions has its
//! certificate from one of these five.

use aws_smithy_http_client::tls::{TlsContext, TrustStore};

use crate::Settings;

/// Amazon Trust Services' four roots and the older Starfield one that signed them, as Mozilla's list has them.
static AMAZON: &[u8] = include_bytes!("../roots/amazon.pem");

/// Amazon's roots where these are known to be enough: a public region, AWS's own endpoints, and nobody asked for other certificates.
pub(crate) fn context(settings: &Settings) -> TlsContext {
    if !amazon_is_enough(settings) {
        return TlsContext::default();
    }
    let store = TrustStore::empty().with_pem_certificate(AMAZON);
    // The builder has nothing that it could refuse; were there ever something, the system's roots do as well.
    TlsContext::builder().with_trust_store(store).build().unwrap_or_default()
}

fn amazon_is_enough(settings: &Settings) -> bool {
    // Such as eu-west-1. China's, the government's and the isolated ones, of other partitions, are cn-north-1, us-gov-west-1, us-iso-east-1.
    let public = settings.region.split('-').count() == 3 && !settings.region.starts_with("cn-");
    public && !settings.own_roots && !settings.endpoints.values().any(|url| url.starts_with("https:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        Settings::read(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())).unwrap()
    }

    #[test]
    fn amazon_s_roots_are_trusted_alone_only_where_they_are_enough() {
        for (region, other, alone) in [
            ("eu-west-1", ("X", ""), true),
            ("ap-southeast-5", ("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:5000"), true),
            ("cn-north-1", ("X", ""), false),
            ("us-gov-west-1", ("X", ""), false),
            ("us-iso-east-1", ("X", ""), false),
            ("eusc-de-east-1", ("X", ""), false),
            ("eu-west-1", ("SSL_CERT_FILE", "/etc/ssl/own.pem"), false),
            ("eu-west-1", ("SSL_CERT_DIR", "/etc/ssl/own"), false),
            ("eu-west-1", ("AWS_ENDPOINT_URL", "https://proxy.example"), false),
        ] {
            let settings = settings(&[("AWS_REGION", region), other]);
            assert_eq!(amazon_is_enough(&settings), alone, "{region} {other:?}");
        }
    }

    /// A root that Mozilla no longer lists, or a file that lost a line, is noticed here and not by a function that reaches nobody.
    #[test]
    fn each_root_is_one_that_mozilla_trusts() {
        use rustls_pki_types::pem::PemObject;
        let ours: Vec<_> = rustls_pki_types::CertificateDer::pem_slice_iter(AMAZON).collect::<Result<_, _>>().unwrap();
        assert_eq!(ours.len(), 5);
        for root in &ours {
            assert!(webpki_root_certs::TLS_SERVER_ROOT_CERTS.contains(root), "a root that is not in Mozilla's list");
        }
    }
}
