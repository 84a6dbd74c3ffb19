//! The ARNs that callers send [IDN-4].

/// What a `ResourceArn` names: only stacks and layers can be tagged [TAG-1].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceKind {
    /// `stack/<uuid>`.
    Stack,
    /// `layer/<uuid>`.
    Layer,
}

/// A stack's or layer's ARN, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceArn<'a> {
    /// Stack or layer.
    pub kind: ResourceKind,
    /// Region, as it stands.
    pub region: &'a str,
    /// Account, as it stands.
    pub account: &'a str,
    /// The uuid; a malformed one is merely unknown [IDN-1].
    pub id: &'a str,
}

impl<'a> ResourceArn<'a> {
    /// Reads `arn:<partition>:opsworks:<region>:<account>:<stack or layer>/<uuid>`, with or without a slash at the end [IDN-4]; `None` for
    /// any other text.
    pub fn parse(arn: &'a str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, "opsworks", region, account, resource] = parts.as_slice() else { return None };
        let (kind, rest) = resource.split_once('/')?;
        let kind = match kind {
            "stack" => ResourceKind::Stack,
            "layer" => ResourceKind::Layer,
            _ => return None,
        };
        let id = rest.strip_suffix('/').unwrap_or(rest);
        let is_whole = ![*partition, *region, *account, id].contains(&"") && !id.contains(['/', ':']);
        is_whole.then_some(Self { kind, region, account, id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [IDN-4] [TAG-1]
    #[test]
    fn idn_4_stack_and_layer_arns_are_read_with_and_without_the_last_slash() {
        let of = |kind, id| Some(ResourceArn { kind, region: "eu-west-1", account: "123456789012", id });
        let begin = "arn:aws:opsworks:eu-west-1:123456789012:";
        for (end, expected) in [
            ("stack/s-1/", of(ResourceKind::Stack, "s-1")),
            ("stack/s-1", of(ResourceKind::Stack, "s-1")),
            ("layer/l-1/", of(ResourceKind::Layer, "l-1")),
            ("layer/l-1", of(ResourceKind::Layer, "l-1")),
            ("instance/i-1", None),
            ("stack/", None),
            ("stack//", None),
            ("stack/s-1//", None),
            ("stack/s-1/layer/l-1", None),
            ("stack", None),
            ("Stack/s-1", None),
        ] {
            assert_eq!(ResourceArn::parse(&format!("{begin}{end}")), expected, "{end}");
        }
        for other in [
            "",
            "s-1",
            "arn:aws:ec2:eu-west-1:123456789012:stack/s-1",
            "arn:aws:opsworks::123456789012:stack/s-1",
            "arn:aws:opsworks:eu-west-1::stack/s-1",
            "arn::opsworks:eu-west-1:123456789012:stack/s-1",
        ] {
            assert_eq!(ResourceArn::parse(other), None, "{other}");
        }
    }
}
