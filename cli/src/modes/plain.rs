//! The AWS CLI's command that does the same.

use strata_domain::mode::Mode;
use strata_ports::ModeScope;

/// One line that can be pasted as it stands.
pub(super) fn command(scope: &ModeScope, wanted: Option<Mode>, installation: &str, reason: &str, region: Option<&str>) -> String {
    let name = quoted(&scope.parameter(installation));
    let region = region.map(|region| format!(" --region {}", quoted(region))).unwrap_or_default();
    match wanted {
        Some(mode) => format!(
            "aws ssm put-parameter --name {name} --type String --overwrite --value {} --description {}{region}",
            mode.as_str(),
            quoted(reason)
        ),
        None => format!("aws ssm delete-parameter --name {name}{region}"),
    }
}

/// As a shell takes it for one word.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | ':');
    if !text.is_empty() && text.chars().all(is_plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_can_be_pasted_whatever_the_reason_says() {
        for (scope, wanted, reason, region, expected) in [
            (
                ModeScope::Installation,
                Some(Mode::Frozen),
                "it's `bad`; $HOME",
                None,
                r"aws ssm put-parameter --name /strata/mode --type String --overwrite --value frozen --description 'it'\''s `bad`; $HOME'",
            ),
            (
                ModeScope::Stack("s-1".into()),
                Some(Mode::Observe),
                "INC-7",
                Some("eu-west-1"),
                "aws ssm put-parameter --name /strata/mode/stack/s-1 --type String --overwrite --value observe --description INC-7 --region eu-west-1",
            ),
            (ModeScope::Layer("l-1".into()), None, "x", None, "aws ssm delete-parameter --name /strata/mode/layer/l-1"),
        ] {
            assert_eq!(command(&scope, wanted, "strata", reason, region), expected);
        }
    }
}
