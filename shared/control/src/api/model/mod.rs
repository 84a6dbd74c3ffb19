//! The API as a service model of botocore (`service-2.json` and its companions), for the AWS CLI and boto3 of today, which know no
//! OpsWorks any more [CLT-6]. It is made of the wire types, so that it says what the API really reads and answers; its texts are their
//! doc comments.

mod shapes;
mod waiters;

pub use waiters::{paginators, waiters};

use serde_json::{Map, Value, json};

use super::actions::{Operation, operations};
use shapes::{Shapes, Side, html};

/// The API's version, which is the name of the folder that a client looks in.
pub const API_VERSION: &str = "2013-02-18";
/// The service's text. How it begins also tells a model that some version of us wrote from somebody else's.
const ABOUT: &str = "Strata: the OpsWorks Stacks API for ECS Cluster layers, in your own account. This model is generated; \
                     \"strata aws-model --install\" writes it again.";
/// The actions on which ValidationException is not modelled [WIRE-11].
const NEVER_INVALID: [&str; 3] = ["DetachElasticLoadBalancer", "DescribeMyUserProfile", "DescribeOperatingSystems"];
/// The actions on which ResourceNotFoundException is not modelled [WIRE-11].
const NEVER_NOT_FOUND: [&str; 5] =
    ["CreateStack", "CreateUserProfile", "UpdateMyUserProfile", "DescribeMyUserProfile", "DescribeOperatingSystems"];

/// The service model. It has the actions that are built; those out of scope that only refuse are left out [SCP-2].
///
/// `signing_name` is the service that clients sign for: a function URL takes only `lambda`. None: `opsworks`, as ever.
pub fn service(signing_name: Option<&str>) -> Value {
    let mut shapes = Shapes::default();
    for (name, text) in [
        ("ValidationException", "A member has a value that cannot be used, or the state of things forbids the action."),
        ("ResourceNotFoundException", "An id names nothing that exists."),
    ] {
        shapes.exception(name, text);
    }
    let operations: Map<String, Value> = operations().iter().map(|o| (o.name.to_owned(), operation(o, &mut shapes))).collect();
    json!({
        "version": "2.0",
        "metadata": metadata(signing_name),
        "operations": operations,
        "shapes": shapes.into_json(),
        "documentation": html(ABOUT),
    })
}

/// Whether a service model is one that [`service`] made, in whatever version.
pub fn is_ours(model: &Value) -> bool {
    model["documentation"].as_str().is_some_and(|text| text.starts_with("<p>Strata: "))
}

/// As botocore's last own model of the service had it.
fn metadata(signing_name: Option<&str>) -> Value {
    let mut metadata = json!({
        "apiVersion": API_VERSION,
        "endpointPrefix": "opsworks",
        "jsonVersion": "1.1",
        "protocol": "json",
        "protocols": ["json"],
        "serviceFullName": "AWS OpsWorks",
        "serviceId": "OpsWorks",
        "signatureVersion": "v4",
        "targetPrefix": "OpsWorks_20130218",
        "uid": format!("opsworks-{API_VERSION}"),
    });
    if let Some(name) = signing_name {
        metadata["signingName"] = name.into();
    }
    metadata
}

fn operation(operation: &Operation, shapes: &mut Shapes) -> Value {
    let name = operation.name;
    let mut model = json!({
        "name": name,
        "http": { "method": "POST", "requestUri": "/" },
        "errors": errors(name),
        "documentation": html(shapes::description(operation.input.as_value())),
    });
    if shapes::has_members(&operation.input) {
        model["input"] = json!({ "shape": shapes.add(&format!("{name}Request"), &operation.input, Side::Input) });
    }
    if let Some(output) = &operation.output {
        model["output"] = json!({ "shape": shapes.add(&format!("{name}Result"), output, Side::Output) });
    }
    model
}

fn errors(action: &str) -> Vec<Value> {
    let modelled = [("ValidationException", &NEVER_INVALID[..]), ("ResourceNotFoundException", &NEVER_NOT_FOUND[..])];
    modelled.iter().filter(|(_, never)| !never.contains(&action)).map(|(error, _)| json!({ "shape": error })).collect()
}

#[cfg(test)]
mod tests;
