//! URLs of the API: what is accepted as one, and what a URL tells about its region and signing name.

use std::fmt;

use url::{Host, Url};

use crate::CliError;

/// A URL that requests may be sent to: https, or a loopback address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
}

impl Endpoint {
    /// Reads `text`, which the user gave as `given_as` (a flag or a variable).
    ///
    /// # Errors
    /// [`CliError::BadInput`]: not a URL, not https (requests carry session tokens), or one with a user, a query or a fragment.
    pub fn parse(given_as: &str, text: &str) -> Result<Self, CliError> {
        let refused = |why: &str| {
            CliError::BadInput(format!("{given_as}: {why}; expected for example https://<id>.lambda-url.<region>.on.aws"))
        };
        let url = Url::parse(text).map_err(|error| refused(&format!("{text:?} is not a URL ({error})")))?;
        // A password must not come back in our own error text.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("the URL names a user or a password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refused(&format!("{text} has a query or a fragment")));
        }
        let endpoint = Self { url };
        match endpoint.url.scheme() {
            "https" => Ok(endpoint),
            "http" if endpoint.is_loopback() => Ok(endpoint),
            "http" => Err(refused(&format!("{text} is not https, and plain http goes to loopback addresses only"))),
            other => Err(refused(&format!("{text} has the scheme {other}"))),
        }
    }

    /// Whether it names this machine.
    pub fn is_loopback(&self) -> bool {
        match self.url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }

    /// Whether it is one of AWS's own function URLs, which take signatures made for `lambda` only.
    pub fn is_function_url(&self) -> bool {
        self.host().ends_with(".on.aws")
    }

    /// The region in `<id>.lambda-url.<region>.on.aws`.
    pub fn region(&self) -> Option<&str> {
        let (_, rest) = self.host().split_once(".lambda-url.")?;
        rest.strip_suffix(".on.aws").filter(|region| !region.is_empty() && !region.contains('.'))
    }

    /// The port, also where the URL leaves it to the scheme.
    pub fn port(&self) -> Option<u16> {
        self.url.port_or_known_default()
    }

    /// The URL of a request that was made for `path_and_query`: the endpoint's own path stays in front.
    pub(crate) fn with(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.url.as_str().trim_end_matches('/'))
    }

    fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_goes_to_loopback_addresses_only() {
        for (text, accepted) in [
            ("https://abc.lambda-url.eu-west-1.on.aws/", true),
            ("https://strata.example.com/base", true),
            ("http://127.0.0.1:4280", true),
            ("http://127.9.9.9", true),
            ("http://[::1]:4280", true),
            ("http://localhost:4280", true),
            ("http://128.0.0.1", false),
            ("http://10.0.0.1:4280", false),
            ("http://localhost.example.com", false),
            ("http://0.0.0.0:4280", false),
            ("http://strata.example.com", false),
            ("ftp://127.0.0.1", false),
            ("https://", false),
            ("127.0.0.1:4280", false),
            ("https://me:secret@strata.example.com", false),
            ("https://strata.example.com/?a=1", false),
            ("https://strata.example.com/#a", false),
            ("", false),
        ] {
            let parsed = Endpoint::parse("--to", text);
            assert_eq!(parsed.is_ok(), accepted, "{text}: {parsed:?}");
            if let Err(error) = parsed {
                let error = error.to_string();
                assert!(error.starts_with("--to: ") && error.contains("expected") && !error.contains("secret"), "{error}");
            }
        }
    }

    #[test]
    fn a_function_url_tells_its_region_and_that_it_wants_signatures_for_lambda() {
        for (text, region, function_url) in [
            ("https://abc.lambda-url.eu-west-1.on.aws/", Some("eu-west-1"), true),
            ("https://ABC.LAMBDA-URL.EU-WEST-1.ON.AWS", Some("eu-west-1"), true),
            ("https://abc.lambda-url.eu-west-1.on.aws.example.com", None, false),
            ("https://abc.lambda-url..on.aws", None, true),
            ("https://abc.on.aws", None, true),
            ("https://strata.example.com", None, false),
            ("http://127.0.0.1:4280", None, false),
        ] {
            let Ok(endpoint) = Endpoint::parse("--to", text) else { continue };
            assert_eq!(endpoint.region(), region, "{text}");
            assert_eq!(endpoint.is_function_url(), function_url, "{text}");
        }
    }

    #[test]
    fn the_path_of_the_endpoint_stays_in_front_of_the_requests() {
        for (endpoint, path, whole) in [
            ("https://a.example.com", "/", "https://a.example.com/"),
            ("https://a.example.com/base/", "/", "https://a.example.com/base/"),
            ("https://a.example.com/base", "/x?b=2&a", "https://a.example.com/base/x?b=2&a"),
        ] {
            assert_eq!(Endpoint::parse("--to", endpoint).unwrap().with(path), whole);
        }
    }
}
