//! `strata register`, the built binary, with the metadata service and the API of a served world.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a panic is the answer")]

#[path = "support/served.rs"]
mod served;

use serde_json::json;
use served::{Server, layer, request, tool, world};

/// [REG-13]: IMDSv2 only, no SSH; by the metadata service and by two files.
#[test]
fn reg_13_a_machine_registers_itself_with_a_token_and_is_assigned() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &["--speed", "120"]);
    let (stack, web, _) = layer(&server, &world(&[], folder.path()));
    let machine = world(&["add", "machine"], folder.path())["made"].as_str().unwrap().to_owned();
    let metadata = format!("http://{}/_strata/world/machines/{machine}", server.address);

    let wrong = tool(&server, &["register", "--metadata", &metadata, "--layer", "db"]);
    assert!(wrong.0 == Some(2) && wrong.2.contains("--layer db: the stack has no layer"), "{wrong:?}");
    let none = server.call("DescribeInstances", json!({ "StackId": stack }))["Instances"].as_array().unwrap().len();
    assert_eq!(none, 1, "bad input registers nothing");

    let arguments =
        ["register", "--stack", "shop", "--metadata", &metadata, "--hostname", "db1", "--layer", "web", "--output", "json"];
    let (code, told, why) = tool(&server, &arguments);
    assert_eq!(code, Some(0), "{why}");
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["ec2_instance_id"], machine);
    let id = told["instance_id"].as_str().unwrap();
    let online = server.wait_for(id, "online");
    assert_eq!((online["LayerIds"].clone(), online["Hostname"].clone()), (json!([web]), json!("db1")));

    // The same again finds it as it is.
    let (code, again, why) = tool(&server, &arguments);
    assert_eq!((code, serde_json::from_str::<serde_json::Value>(&again).unwrap()), (Some(0), told.clone()), "{why}");
}

#[test]
fn a_machine_registers_by_what_it_was_told_and_a_changed_document_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    layer(&server, &world(&[], folder.path()));
    let machine = world(&["add", "machine"], folder.path())["made"].as_str().unwrap().to_owned();
    let below = format!("/_strata/world/machines/{machine}/latest");
    let (refused, _) = request(&server.address, &format!("GET {below}/dynamic/instance-identity/document HTTP/1.1"), "", b"");
    assert_eq!(refused, 401, "without a token nothing is told");
    let token = "x-aws-ec2-metadata-token: c3RyYXRh\r\n";
    let (_, document) = request(&server.address, &format!("GET {below}/dynamic/instance-identity/document HTTP/1.1"), token, b"");
    let signature = strata_local::SimCloud::sign_identity(&document.to_string());
    let (right, changed, signed) = ("right.json", "changed.json", "signature.txt");
    std::fs::write(folder.path().join(right), format!("{document}\n")).unwrap();
    std::fs::write(folder.path().join(changed), document.to_string().replace(&machine, "i-0123456789abcdef0")).unwrap();
    std::fs::write(folder.path().join(signed), signature).unwrap();
    let register = |file: &str| {
        let path = |name: &str| folder.path().join(name).display().to_string();
        tool(&server, &["register", "--document", &path(file), "--signature", &path(signed)])
    };
    let (code, _, why) = register(changed);
    assert!(code == Some(1) && why.contains("the signature is not that of the document"), "{why}");
    let (code, told, why) = register(right);
    assert!(code == Some(0) && told.starts_with(&format!("{machine} is the instance ")), "{told}{why}");
}

#[test]
fn where_there_is_no_metadata_service_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), &[]);
    let (code, _, why) = tool(&server, &["register", "--metadata", &format!("http://{}/nothing", server.address)]);
    assert!(code == Some(1) && why.contains("run this on the EC2 instance") && why.contains("--document"), "{why}");
    let (code, _, why) = tool(&server, &["register", "--metadata", "https://example.com"]);
    assert!(code == Some(2) && why.contains("--metadata https://example.com"), "{why}");
}
