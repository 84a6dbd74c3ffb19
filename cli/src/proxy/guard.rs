//! Who may talk to the proxy at all: programs on this machine that mean to, not web pages.
//!
//! A page in the user's browser can send requests to loopback, by a form, by `fetch`, or by a name of its own that it lets point here. It
//! cannot sign, but what it sends is refused before anything of it is looked at.

use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, Method, header};

use super::refusal::{Kind, Refusal};

/// Headers that decide something, so there must not be two of them that two readers choose from differently.
const SINGLE: [&str; 7] =
    ["host", "authorization", "content-type", "amz-sdk-invocation-id", "amz-sdk-request", "user-agent", "content-length"];

/// Refuses what does not come from a stock client that was told the address of this proxy on `port`.
///
/// # Errors
/// [`Refusal`].
pub(super) fn admit(head: &Parts, port: u16) -> Result<(), Refusal> {
    if let Some(name) = head.headers.keys().map(http::HeaderName::as_str).find(|name| is_a_browsers(name)) {
        return Err(Kind::AccessDenied.because(format!("strata proxy answers no browser, and the request has the header {name}")));
    }
    if let Some(name) =
        head.headers.keys().find(|name| is_single(name.as_str()) && head.headers.get_all(*name).iter().count() > 1)
    {
        return Err(Kind::AccessDenied.because(format!("the request has the header {name} more than once")));
    }
    if head.uri.authority().is_some() || !host(&head.headers).is_some_and(|host| is_own(host, port)) {
        return Err(Kind::AccessDenied.because(format!(
            "strata proxy answers only requests for its own address; expected the host 127.0.0.1:{port} or localhost:{port}"
        )));
    }
    if head.method != Method::POST {
        return Err(Kind::UnknownOperation.because(format!("Unknown operation: {} {}", head.method, head.uri.path())));
    }
    Ok(())
}

fn is_a_browsers(header: &str) -> bool {
    header == header::ORIGIN.as_str() || header.starts_with("sec-fetch-")
}

fn is_single(header: &str) -> bool {
    SINGLE.contains(&header) || header.starts_with("x-amz-")
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// Whether `host` is a loopback address or `localhost`, with our port.
fn is_own(host: &str, port: u16) -> bool {
    let (name, given) = match host.rsplit_once(':') {
        Some((name, given)) if !given.ends_with(']') => (name, given.parse().ok()),
        _ => (host, Some(80)),
    };
    let address = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    let is_loopback = address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    given == Some(port) && (is_loopback || name.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn check(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        admit(&request.body(()).unwrap().into_parts().0, 4281)
    }

    #[test]
    fn requests_of_browsers_and_for_other_hosts_are_refused() {
        let host = ("host", "127.0.0.1:4281");
        for (method, target, headers, refused) in [
            ("POST", "/", &[host][..], None),
            ("POST", "/base?a=b", &[host, ("x-amz-target", "OpsWorks_20130218.DescribeStacks")], None),
            ("POST", "/", &[("host", "localhost:4281")], None),
            ("POST", "/", &[("host", "LocalHost:4281")], None),
            ("POST", "/", &[("host", "[::1]:4281")], None),
            ("POST", "/", &[host, ("origin", "null")], Some(Kind::AccessDenied)),
            ("POST", "/", &[host, ("Origin", "http://127.0.0.1:4281")], Some(Kind::AccessDenied)),
            ("POST", "/", &[host, ("sec-fetch-mode", "no-cors")], Some(Kind::AccessDenied)),
            ("POST", "/", &[host, ("Sec-Fetch-Site", "same-origin")], Some(Kind::AccessDenied)),
            ("OPTIONS", "/", &[host, ("origin", "https://example.com")], Some(Kind::AccessDenied)),
            ("POST", "/", &[], Some(Kind::AccessDenied)),
            ("POST", "/", &[("host", "127.0.0.1")], Some(Kind::AccessDenied)),
            ("POST", "/", &[("host", "127.0.0.1:4280")], Some(Kind::AccessDenied)),
            ("POST", "/", &[("host", "127.0.0.1:4281x")], Some(Kind::AccessDenied)),
            ("POST", "/", &[("host", "rebound.example.com:4281")], Some(Kind::AccessDenied)),
            ("POST", "/", &[("host", "127.0.0.1.example.com:4281")], Some(Kind::AccessDenied)),
            ("POST", "/", &[("host", "10.0.0.1:4281")], Some(Kind::AccessDenied)),
            ("POST", "/", &[("host", "[::1]")], Some(Kind::AccessDenied)),
            ("POST", "/", &[host, host], Some(Kind::AccessDenied)),
            ("POST", "/", &[host, ("x-amz-target", "a"), ("x-amz-target", "b")], Some(Kind::AccessDenied)),
            ("POST", "/", &[host, ("authorization", "a"), ("authorization", "b")], Some(Kind::AccessDenied)),
            ("POST", "http://127.0.0.1:4281/", &[host], Some(Kind::AccessDenied)),
            ("GET", "/", &[host], Some(Kind::UnknownOperation)),
            ("OPTIONS", "/", &[host], Some(Kind::UnknownOperation)),
            ("PUT", "/", &[host], Some(Kind::UnknownOperation)),
        ] {
            assert_eq!(check(method, target, headers).err().map(|r| r.kind), refused, "{method} {target} {headers:?}");
        }
    }

    #[test]
    fn port_80_may_be_left_out_of_the_host() {
        for (host, port, own) in
            [("127.0.0.1", 80, true), ("[::1]", 80, true), ("localhost:80", 80, true), ("127.0.0.1", 81, false)]
        {
            assert_eq!(is_own(host, port), own, "{host} {port}");
        }
    }
}
