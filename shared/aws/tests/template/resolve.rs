//! Works the template's functions out, for parameters as a person would give them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "eu-central-1";
const STACK_ID: &str = "arn:aws:cloudformation:eu-central-1:123456789012:stack/strata/9f3c0f4e-0b6e-4f9a-8f47-0d0b7a1c55e2";

/// A template and its parameters.
pub(crate) struct Resolver<'a> {
    template: &'a Value,
    parameters: BTreeMap<String, Value>,
}

impl<'a> Resolver<'a> {
    /// With the defaults, save for what is `given`.
    pub(crate) fn new(template: &'a Value, given: &[(&str, &str)]) -> Self {
        let declared = template["Parameters"].as_object().expect("a template with parameters");
        let typed = |parameter: &Value, value: &Value| match (parameter["Type"].as_str(), value) {
            (Some("CommaDelimitedList"), Value::String(list)) => list.split(',').map(Value::from).collect(),
            _ => value.clone(),
        };
        let mut parameters: BTreeMap<_, _> = declared.iter().map(|(name, p)| (name.clone(), typed(p, &p["Default"]))).collect();
        for (name, value) in given {
            let parameter = declared.get(*name).unwrap_or_else(|| panic!("{name} is no parameter of the template"));
            parameters.insert((*name).to_owned(), typed(parameter, &json!(value)));
        }
        Self { template, parameters }
    }

    /// The resources that are made, with all functions worked out.
    pub(crate) fn resources(&self) -> Map<String, Value> {
        let resources = self.template["Resources"].as_object().expect("a template with resources");
        let is_made = |resource: &Value| resource["Condition"].as_str().is_none_or(|name| self.condition(name));
        resources.iter().filter(|(_, r)| is_made(r)).map(|(name, r)| (name.clone(), self.value(r).unwrap_or_default())).collect()
    }

    fn condition(&self, name: &str) -> bool {
        self.truth(&self.template["Conditions"][name])
    }

    fn truth(&self, condition: &Value) -> bool {
        let (function, operand) = function(condition).unwrap_or_else(|| panic!("{condition} is no condition"));
        let mut operands = operand.as_array().into_iter().flatten();
        match function {
            "Fn::Not" => !operands.any(|o| self.truth(o)),
            "Fn::And" => operands.all(|o| self.truth(o)),
            "Fn::Equals" => text(&self.value(&operand[0])) == text(&self.value(&operand[1])),
            other => panic!("{other} is not known here"),
        }
    }

    /// `None`: `AWS::NoValue`.
    fn value(&self, value: &Value) -> Option<Value> {
        if let Some((function, operand)) = function(value) {
            return self.function(function, operand);
        }
        Some(match value {
            Value::Array(items) => items.iter().filter_map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                Value::Object(members.iter().filter_map(|(k, v)| Some((k.clone(), self.value(v)?))).collect())
            }
            other => other.clone(),
        })
    }

    fn function(&self, function: &str, operand: &Value) -> Option<Value> {
        let list = |value: &Value| match self.value(value) {
            Some(Value::Array(items)) => items,
            other => panic!("{function} of {other:?}, expected a list"),
        };
        Some(match function {
            "Ref" => return self.reference(operand.as_str().expect("Ref of a name")),
            "Fn::GetAtt" => json!(self.attribute(&text(&Some(operand[0].clone())), &text(&Some(operand[1].clone())))),
            "Fn::Sub" => json!(self.substituted(operand.as_str().expect("Sub of a text"))),
            "Fn::If" => {
                let branch = if self.condition(operand[0].as_str().expect("If of a condition")) { 1 } else { 2 };
                return self.value(&operand[branch]);
            }
            "Fn::Join" => json!(
                list(&operand[1])
                    .iter()
                    .map(|v| text(&Some(v.clone())))
                    .collect::<Vec<_>>()
                    .join(&text(&Some(operand[0].clone())))
            ),
            "Fn::Split" => text(&self.value(&operand[1])).split(&text(&Some(operand[0].clone()))).map(Value::from).collect(),
            "Fn::Select" => list(&operand[1])
                [operand[0].as_u64().and_then(|at| usize::try_from(at).ok()).expect("Select by a number")]
            .clone(),
            other => panic!("{other} is not known here"),
        })
    }

    fn reference(&self, name: &str) -> Option<Value> {
        Some(match name {
            "AWS::NoValue" => return None,
            "AWS::AccountId" => json!(ACCOUNT),
            "AWS::Region" => json!(REGION),
            "AWS::Partition" => json!("aws"),
            "AWS::URLSuffix" => json!("amazonaws.com"),
            "AWS::StackId" => json!(STACK_ID),
            name => self.parameters.get(name).cloned().unwrap_or_else(|| json!(self.attribute(name, "Ref"))),
        })
    }

    /// A stand-in for what AWS makes up: it names the resource. Roles have names, so their ARNs are known.
    fn attribute(&self, resource: &str, attribute: &str) -> String {
        let there = resource.strip_suffix(".Alias").unwrap_or(resource);
        // SAM makes the function URL.
        assert!(there == "ApiUrl" || self.template["Resources"][there].is_object(), "{there} is no resource of the template");
        let properties = &self.template["Resources"][there]["Properties"];
        match (attribute, properties.get("RoleName")) {
            ("Arn", Some(name)) => format!("arn:aws:iam::{ACCOUNT}:role/{}", text(&self.value(name))),
            _ => format!("made:{resource}.{attribute}"),
        }
    }

    fn substituted(&self, pattern: &str) -> String {
        let mut out = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').expect("Sub with its closing brace");
            let value = match name.split_once('.') {
                Some((resource, attribute)) => json!(self.attribute(resource, attribute)),
                None => self.reference(name).unwrap_or_default(),
            };
            out.extend([before, &text(&Some(value))]);
            rest = after;
        }
        out + rest
    }
}

/// The one function that an object stands for.
fn function(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    let (name, operand) = members.iter().next()?;
    (name == "Ref" || name.starts_with("Fn::")).then_some((name.as_str(), operand))
}

fn text(value: &Option<Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(text_of).collect::<Vec<_>>().join(","),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn text_of(value: &Value) -> String {
    text(&Some(value.clone()))
}

#[test]
fn functions_are_worked_out_by_parameters_and_conditions() {
    let template = crate::document::read(
        "Parameters:\n  Name: {Type: String, Default: x}\n  More: {Type: CommaDelimitedList, Default: ''}\n\
         Conditions:\n  Named: !Not [!Equals [!Ref Name, x]]\n\
         Resources:\n  A: {Type: T, Condition: Named}\n  B:\n    RoleName: !Sub \"${Name}-${AWS::Region}\"\n    \
         Of: !If [Named, !GetAtt A.Arn, !Ref AWS::NoValue]\n    List: !Split [',', !Join [',', [a, !Ref Name]]]\n",
    );
    let plain = Resolver::new(&template, &[]).resources();
    assert_eq!(json!(plain), json!({ "B": { "RoleName": "x-eu-central-1", "List": ["a", "x"] } }));
    let named = Resolver::new(&template, &[("Name", "y")]).resources();
    assert_eq!((named.len(), &named["B"]["Of"], &named["B"]["List"]), (2, &json!("made:A.Arn"), &json!(["a", "y"])));
}
