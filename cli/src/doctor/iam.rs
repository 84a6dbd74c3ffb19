//! The IAM statements that somebody lacks, ready to be put into a policy.

use serde_json::{Value, json};

/// What calling a function URL takes: since October 2025 both rights.
///
/// Source: Lambda Developer Guide, "Control access to Lambda function URLs".
pub(super) fn to_call_the_url(region: &str, installation: &str) -> Value {
    let function = format!("arn:aws:lambda:{region}:*:function:{installation}-api");
    let resource = [function.clone(), format!("{function}:live")];
    json!([
        {
            "Effect": "Allow", "Action": "lambda:InvokeFunctionUrl", "Resource": resource,
            "Condition": { "StringEquals": { "lambda:FunctionUrlAuthType": "AWS_IAM" } },
        },
        {
            "Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": resource,
            "Condition": { "Bool": { "lambda:InvokedViaFunctionUrl": "true" } },
        },
    ])
}

/// The statement that would have let a call through which AWS refused with this text; `None`: it is no such text.
///
/// Source: IAM User Guide, "Troubleshoot access denied error messages".
pub(super) fn lacking(message: &str) -> Option<Value> {
    let (_, rest) = message.split_once("not authorized to perform: ")?;
    let mut words = rest.split_whitespace();
    let action = words.next()?.trim_end_matches([',', '.']);
    let resource = rest.split_once("on resource: ").and_then(|(_, rest)| rest.split_whitespace().next());
    let resource = resource.map_or("*", |resource| resource.trim_end_matches([',', '.']));
    action.contains(':').then(|| json!({ "Effect": "Allow", "Action": action, "Resource": resource }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statement_is_read_from_what_aws_says() {
        for (message, expected) in [
            (
                "User: arn:aws:iam::123456789012:user/ada is not authorized to perform: dynamodb:DescribeTable on resource: \
                 arn:aws:dynamodb:eu-west-1:123456789012:table/strata because no identity-based policy allows the dynamodb:DescribeTable action",
                Some(json!({
                    "Effect": "Allow", "Action": "dynamodb:DescribeTable",
                    "Resource": "arn:aws:dynamodb:eu-west-1:123456789012:table/strata",
                })),
            ),
            (
                "User: x is not authorized to perform: events:ListRuleNamesByTarget",
                Some(json!({ "Effect": "Allow", "Action": "events:ListRuleNamesByTarget", "Resource": "*" })),
            ),
            ("Rate exceeded", None),
            ("User is not authorized to perform: this", None),
        ] {
            assert_eq!(lacking(message), expected, "{message}");
        }
    }

    #[test]
    fn a_function_url_takes_two_rights() {
        let statements = to_call_the_url("eu-west-1", "strata");
        let actions: Vec<&Value> = statements.as_array().unwrap().iter().map(|statement| &statement["Action"]).collect();
        assert_eq!(actions, ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]);
        assert_eq!(statements[0]["Resource"][1], "arn:aws:lambda:eu-west-1:*:function:strata-api:live");
    }
}
