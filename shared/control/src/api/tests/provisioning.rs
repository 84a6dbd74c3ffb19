//! What machines and tools ask before they register: parameters, installer, agent versions, operating systems.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use strata_ports::HttpService;

use super::TestApi;
use super::support::{REGION, text};
use crate::api::ApiConfig;

/// [ACT-38] [REG-10] [REG-11] [CLT-5]
#[tokio::test]
async fn clt_5_the_provisioning_parameters_have_all_keys_and_lead_to_the_installer() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let found = app.call("DescribeStackProvisioningParameters", json!({ "StackId": stack })).await.good();
    let url = text(&found["AgentInstallerUrl"]);
    assert_eq!(url, "https://api.example.com:8443/installer/opsworks-agent-installer.tgz");
    let parameters = found["Parameters"].as_object().unwrap();
    let service = ["endpoint", "port", "region", "ssl_verify_peer", "use_ssl"];
    let mut keys: Vec<String> =
        ["instance_service", "ops_works"].iter().flat_map(|of| service.iter().map(move |key| format!("{of}_{key}"))).collect();
    let others = ["agent_installer_base_url", "agent_installer_tgz", "assets_download_bucket", "charlie_public_key", "verbose"];
    keys.extend(others.map(str::to_owned));
    keys.push("wait_between_runs".to_owned());
    keys.sort();
    assert_eq!(parameters.keys().cloned().collect::<Vec<_>>(), keys);
    assert!(parameters.values().all(Value::is_string), "{parameters:?}");
    for (key, value) in [
        ("ops_works_endpoint", "api.example.com"),
        ("ops_works_port", "8443"),
        ("ops_works_region", REGION),
        ("ops_works_use_ssl", "true"),
        ("agent_installer_base_url", "https://api.example.com:8443/installer"),
    ] {
        assert_eq!(parameters[key], value, "{key}");
    }
    let (base, file) = (text(&parameters["agent_installer_base_url"]), text(&parameters["agent_installer_tgz"]));
    assert_eq!(format!("{base}/{file}"), url);
    app.call("DescribeStackProvisioningParameters", json!({ "StackId": "unknown" })).await.not_found();
}

/// [REG-11]: the installer is served without a caller, and at its path only.
#[tokio::test]
async fn reg_11_the_installer_is_downloaded_from_the_api() {
    let app = TestApi::new();
    let get = async |path: &str| app.api.call(Request::get(path).body(Bytes::new()).unwrap()).await;
    let response = get("/installer/opsworks-agent-installer.tgz").await;
    assert_eq!((response.status().as_u16(), &response.headers()["content-type"]), (200, &"application/gzip".parse().unwrap()));
    assert_eq!(response.body()[..2], [0x1f, 0x8b], "gzip's first bytes");
    assert_ne!(get("/installer/other").await.status(), 200);
    let posted = Request::post("/installer/opsworks-agent-installer.tgz").body(Bytes::new()).unwrap();
    assert_ne!(app.api.call(posted).await.status(), 200);
}

/// [REG-11]: no machine can sign for a function URL, so it gets a link, in a form that a shell leaves alone.
#[tokio::test]
async fn reg_11_behind_a_function_url_the_installer_is_lent_by_a_link() {
    let url = "https://abcdefghij.lambda-url.eu-central-1.on.aws/";
    let app = TestApi::with(|_| {}, ApiConfig { public_url: Some(url.to_owned()), ..ApiConfig::default() });
    let stack = app.stack("shop").await;
    let ask = async || app.call("DescribeStackProvisioningParameters", json!({ "StackId": stack })).await;
    // A world that is not served has no links.
    ask().await.error("InternalFailure");
    app.account.serve_objects_at("http://127.0.0.1:4280");
    let found = ask().await.good();
    let quoted = text(&found["AgentInstallerUrl"]);
    let link = quoted.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap();
    assert!(!link.contains('\''), "{link}");
    let (path, query) = link.strip_prefix("http://127.0.0.1:4280").and_then(|rest| rest.split_once('?')).unwrap();
    assert!(path.ends_with("/opsworks-agent-installer.tgz"), "{path}");
    let (content_type, packed) = app.account.linked(path, query).unwrap();
    assert_eq!((content_type.as_str(), &packed), ("application/gzip", &crate::api::installer::archive().unwrap()));
    assert_eq!(ask().await.good()["AgentInstallerUrl"], quoted.as_str(), "the name is that of the content");
    assert_eq!(found["Parameters"]["ops_works_endpoint"], "abcdefghij.lambda-url.eu-central-1.on.aws");
}

/// [ACT-22] [DSC-1]
#[tokio::test]
async fn act_22_one_agent_version_for_each_chef_version() {
    let app = TestApi::new();
    let stack = app.stack("shop").await;
    let versions = async |members: Value| {
        let found = app.call("DescribeAgentVersions", members).await.good();
        let of = |v: &Value| text(&v["ConfigurationManager"]["Version"]);
        for version in found["AgentVersions"].as_array().unwrap() {
            assert_eq!(version["ConfigurationManager"]["Name"], "Chef");
            assert!(strata_domain::ecs_cluster::check_agent_version(version["Version"].as_str().unwrap()).is_ok());
        }
        found["AgentVersions"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(versions(json!({ "StackId": stack })).await, ["12"]);
    assert_eq!(versions(json!({ "ConfigurationManager": { "Name": "Chef", "Version": "11.10" } })).await, ["11.10"]);
    assert_eq!(versions(json!({ "ConfigurationManager": { "Name": "Chef" } })).await, ["11.10", "12"]);
    let both = json!({ "StackId": stack, "ConfigurationManager": { "Name": "Chef" } });
    for bad in [json!({}), both, json!({ "ConfigurationManager": { "Version": "13" } })] {
        app.call("DescribeAgentVersions", bad).await.invalid();
    }
    app.call("DescribeAgentVersions", json!({ "StackId": "unknown" })).await.not_found();
}

/// [ACT-33] [ECS-121]
#[tokio::test]
async fn act_33_operating_systems_with_their_support_and_their_chef_versions() {
    let app = TestApi::new();
    let found = app.call("DescribeOperatingSystems", json!({})).await.good();
    let all = found["OperatingSystems"].as_array().unwrap();
    let of = |name: &str| all.iter().find(|os| os["Name"] == name).unwrap_or_else(|| panic!("{name} is missing"));
    let chef = |version: &str| json!({ "Name": "Chef", "Version": version });
    for (name, id, supported, managers) in [
        ("Amazon Linux 2018.03", "amazon-linux-2018-03", false, json!([chef("12"), chef("11.10")])),
        ("Amazon Linux 2", "amazon-linux-2", false, json!([chef("12")])),
        ("Ubuntu 18.04 LTS", "ubuntu-18-04-lts", false, json!([chef("12")])),
        ("Amazon Linux 2023", "strata-amazon-linux-2023", true, json!([chef("12"), chef("11.10")])),
        ("Ubuntu 24.04 LTS", "strata-ubuntu-24-04-lts", true, json!([chef("12"), chef("11.10")])),
    ] {
        let os = of(name);
        let expected = json!({
            "Name": name, "Id": id, "Type": "Linux", "Supported": supported, "ConfigurationManagers": managers,
        });
        assert_eq!(*os, expected);
    }
}
