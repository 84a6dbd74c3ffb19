//! What each role is to allow: the adapters' tables, the methods that each function uses, and what no port calls.

use std::collections::{BTreeMap, BTreeSet};

use strata_aws::uses::DEPENDENT;
use strata_aws::{Role, Uses};

/// Every port with a table, by its trait's name.
pub(crate) const TABLES: &[(&str, &[Uses])] = &[
    ("Alarms", strata_aws::alarms::USES),
    ("Attachments", strata_aws::attachments::USES),
    ("Commands", strata_aws::commands::USES),
    ("Compute", strata_aws::compute::USES),
    ("Containers", strata_aws::containers::USES),
    ("Events", strata_aws::events::USES),
    ("Identity", strata_aws::identity::USES),
    ("Inventory", strata_aws::inventory::USES),
    ("LoadBalancers", strata_aws::load_balancers::USES),
    ("Modes", strata_aws::modes::USES),
    ("Objects", strata_aws::objects::USES),
    ("Pager", strata_aws::pager::USES),
    ("Store", strata_aws::store::USES),
    ("Upkeep", strata_aws::upkeep::USES),
];

/// The functions and the logical ids of the roles that are made for them.
pub(crate) const FUNCTIONS: [(&str, &str); 6] = [
    ("api", "ApiRole"),
    ("instance-lifecycle", "InstanceLifecycleRole"),
    ("load-scaling", "LoadScalingRole"),
    ("time-scaling", "TimeScalingRole"),
    ("security-updates", "SecurityUpdatesRole"),
    ("teardown", "TeardownRole"),
];

/// Actions by name.
pub(crate) type Actions = BTreeSet<String>;

/// Methods by function and port, as simulations have shown them (`tests/tests/methods.rs` writes and checks the file).
pub(crate) fn methods() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    serde_json::from_str(include_str!("../../../../tests/tests/methods.json")).expect("methods.json is written by a test")
}

/// What a function's methods need under a role.
pub(crate) fn called(function: &str, role: Role) -> Actions {
    let methods = methods();
    let used = methods[function].iter().flat_map(|(port, methods)| methods.iter().map(|m| line(port, m)).collect::<Vec<_>>());
    let actions = used.flatten().filter(|uses| uses.role == role).flat_map(|uses| uses.actions);
    // Whoever has a method under a stack's role assumes it: that stands among what no port's call is named after.
    actions.filter(|action| **action != "sts:AssumeRole").map(|action| (*action).to_owned()).collect()
}

/// The lines of a method: one for each role that it calls under.
fn line<'a>(port: &str, method: &'a str) -> impl Iterator<Item = &'static Uses> + use<'a> {
    let (_, table) = TABLES.iter().find(|(name, _)| *name == port).unwrap_or_else(|| panic!("the port {port} has no table"));
    assert!(table.iter().any(|uses| uses.method == method), "the table of {port} has no line for {method}");
    table.iter().filter(move |uses| uses.method == method)
}

/// The rights that come with `actions`.
pub(crate) fn dependent(actions: &Actions) -> Actions {
    DEPENDENT.iter().filter(|d| actions.contains(d.of)).map(|d| d.also.to_owned()).collect()
}

/// A right that no port's method is named after.
struct Ground {
    actions: &'static [&'static str],
    functions: fn(&str) -> bool,
    /// Why, and where AWS says so; read by people.
    #[expect(dead_code, reason = "it is there to be read")]
    source: &'static str,
}

const GROUND: &[Ground] = &[
    Ground {
        actions: &["logs:CreateLogStream", "logs:PutLogEvents"],
        functions: |_| true,
        source: "Lambda Developer Guide, \"Defining Lambda function permissions with an execution role\"; the group is the template's",
    },
    Ground {
        actions: &["kms:Decrypt", "kms:GenerateDataKey"],
        functions: |f| uses(f, "Pager"),
        source: "SNS Developer Guide, \"Key management\": whoever publishes to an encrypted topic",
    },
    Ground {
        actions: &["sqs:SendMessage"],
        functions: |f| f != "api",
        source: "Lambda Developer Guide, \"Capturing records of Lambda asynchronous invocations\"; the API is not called so",
    },
    Ground {
        actions: &["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"],
        functions: |f| ["instance-lifecycle", "security-updates"].contains(&f),
        source: "Lambda Developer Guide, \"Configuring permissions\" of event source DynamoDB",
    },
    Ground {
        actions: &["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
        functions: |f| f == "instance-lifecycle",
        source: "Lambda Developer Guide, \"Configuring permissions\" of event source SQS",
    },
    Ground {
        actions: &["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"],
        functions: |f| !["api", "instance-lifecycle"].contains(&f),
        source: "Lambda Developer Guide, \"Control access to Lambda function URLs\": controllers call the API",
    },
    Ground {
        actions: &["sts:AssumeRole"],
        functions: |f| !called(f, Role::Stack).is_empty(),
        source: "shared/aws/src/stack_roles.rs: whose methods call under a stack's service role",
    },
];

fn uses(function: &str, port: &str) -> bool {
    methods()[function].contains_key(port)
}

/// What a function needs besides its ports' calls.
pub(crate) fn ground(function: &str) -> Actions {
    let rows = GROUND.iter().filter(|row| (row.functions)(function));
    rows.flat_map(|row| row.actions).map(|a| (*a).to_owned()).collect()
}
