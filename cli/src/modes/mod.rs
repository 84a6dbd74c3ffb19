//! `strata freeze`, `thaw`, `observe`: the modes of the installation, a stack or a layer.
//!
//! [`target`] finds out whose mode is meant, [`place`] reads and turns it where it is kept, [`plain`] is the AWS CLI's command that does the
//! same, which is always printed: whoever has seen it can do it without Strata.

mod place;
mod plain;
mod target;

use serde_json::json;
use strata_domain::mode::Mode;
use strata_ports::ModeScope;

use self::place::Place;
use self::target::Target;
use crate::args::{ModeArgs, Output};
use crate::client::Api;
use crate::environment::Environment;
use crate::{CliError, Exit, write_stdout};

/// A description of an SSM parameter has at most so many characters.
const LONGEST_REASON: usize = 1_024;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `strata freeze`.
    Freeze,
    /// `strata thaw`.
    Thaw,
    /// `strata observe`.
    Observe,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Thaw => "thaw",
            Self::Observe => "observe",
        }
    }

    /// The mode that it sets; `None`: it removes the scope's own. The installation always has one, since its parameter is the template's.
    fn wanted(self, scope: &ModeScope) -> Option<Mode> {
        match (self, scope) {
            (Self::Freeze, _) => Some(Mode::Frozen),
            (Self::Observe, _) => Some(Mode::Observe),
            (Self::Thaw, ModeScope::Installation) => Some(Mode::Active),
            (Self::Thaw, ModeScope::Stack(_) | ModeScope::Layer(_)) => None,
        }
    }
}

/// Turns a mode, shows what it was and is, and how to do it by hand.
///
/// # Errors
/// [`CliError`]: no such stack or layer, or the place where modes are kept does not answer. Nothing is changed then.
pub fn run(verb: Verb, args: &ModeArgs, output: Output) -> Result<Exit, CliError> {
    let reason = reason(verb, args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
    runtime.block_on(async {
        let environment = Environment::read();
        let api = Api::connect_if_named(&args.api, &environment).await?;
        let target = target::find(api.as_ref(), args).await?;
        let wanted = verb.wanted(&target.scope);
        let installation = args.installation_name(&environment);
        let region = args.api.region.as_deref().or_else(|| api.as_ref()?.endpoint().region());
        let command = plain::command(&target.scope, wanted, installation, &reason, region);
        let place = Place::find(api.as_ref(), args, installation, &command).await?;
        let before = place.read(&target.scope).await?;
        if before.as_deref() != wanted.map(Mode::as_str) {
            place.turn(&target.scope, wanted, &reason).await?;
        }
        let turned =
            Turned { before, after: place.read(&target.scope).await?, counts: counting(&place, &target).await?, command };
        let is_json = args.json || output == Output::Json;
        write_stdout(if is_json { turned.json(&target) } else { turned.text(&target) }.as_bytes())?;
        Ok(Exit::Done)
    })
}

fn reason(verb: Verb, args: &ModeArgs) -> Result<String, CliError> {
    let reason = args.reason.clone().unwrap_or_else(|| format!("turned by strata {}", verb.as_str()));
    let is_fine = !reason.trim().is_empty() && reason.chars().count() <= LONGEST_REASON && !reason.contains(char::is_control);
    let bad = || CliError::BadInput(format!("--reason: expected 1 to {LONGEST_REASON} characters on one line"));
    if is_fine { Ok(reason) } else { Err(bad()) }
}

/// The strictest of the target's own mode and those of what it is in; `None` if one of them is no mode, which counts as unreadable.
async fn counting(place: &Place, target: &Target) -> Result<Option<Mode>, CliError> {
    let mut modes = Vec::new();
    for scope in target.parents.iter().chain([&target.scope]) {
        match place.read(scope).await?.map(|text| Mode::parse(&text)) {
            Some(None) => return Ok(None),
            Some(Some(mode)) => modes.push(mode),
            None => {}
        }
    }
    Ok(Some(Mode::strictest(modes)))
}

/// What has become of it.
struct Turned {
    before: Option<String>,
    after: Option<String>,
    counts: Option<Mode>,
    command: String,
}

impl Turned {
    fn text(&self, target: &Target) -> String {
        let told = |mode: &Option<String>| mode.clone().unwrap_or_else(|| "not set".to_owned());
        let change = match self.before == self.after {
            true => format!("{}: {} already, nothing is changed", target.name, told(&self.after)),
            false => format!("{}: {} -> {}", target.name, told(&self.before), told(&self.after)),
        };
        let own = self.after.as_deref().map_or(Some(Mode::Active), Mode::parse);
        let counts = match self.counts {
            counts if counts == own => String::new(),
            Some(mode) => format!("What counts for it is {}: that is the mode of what it is in.\n", mode.as_str()),
            None => {
                "A mode that counts for it is none that Strata knows: nothing is stopped, terminated or patched.\n".to_owned()
            }
        };
        format!("{change}\n{counts}The same on AWS by hand:\n  {}\n", self.command)
    }

    fn json(&self, target: &Target) -> String {
        let scope = match &target.scope {
            ModeScope::Installation => json!({ "scope": "installation" }),
            ModeScope::Stack(id) => json!({ "scope": "stack", "id": id }),
            ModeScope::Layer(id) => json!({ "scope": "layer", "id": id }),
        };
        let told = json!({
            "of": scope, "name": target.name, "before": self.before, "after": self.after,
            "counts": self.counts.map(Mode::as_str), "command": self.command,
        });
        format!("{told}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target { scope: ModeScope::Stack("s".into()), name: "stack shop".to_owned(), parents: vec![ModeScope::Installation] }
    }

    #[track_caller]
    fn check(before: Option<&str>, after: Option<&str>, counts: Option<Mode>, expected: &str) {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let turned = Turned { before: owned(before), after: owned(after), counts, command: "aws ssm ...".to_owned() };
        assert_eq!(turned.text(&target()), format!("{expected}The same on AWS by hand:\n  aws ssm ...\n"));
    }

    #[test]
    fn it_shows_what_was_what_is_and_what_counts() {
        check(None, Some("frozen"), Some(Mode::Frozen), "stack shop: not set -> frozen\n");
        check(Some("frozen"), Some("frozen"), Some(Mode::Frozen), "stack shop: frozen already, nothing is changed\n");
        check(Some("frozen"), None, Some(Mode::Active), "stack shop: frozen -> not set\n");
        check(
            Some("frozen"),
            None,
            Some(Mode::Observe),
            "stack shop: frozen -> not set\nWhat counts for it is observe: that is the mode of what it is in.\n",
        );
        check(
            Some("frozen"),
            None,
            None,
            "stack shop: frozen -> not set\n\
             A mode that counts for it is none that Strata knows: nothing is stopped, terminated or patched.\n",
        );
    }

    #[test]
    fn thawing_removes_a_stacks_mode_and_sets_the_installations() {
        assert_eq!(Verb::Thaw.wanted(&ModeScope::Installation), Some(Mode::Active));
        assert_eq!(Verb::Thaw.wanted(&ModeScope::Stack("s".into())), None);
        assert_eq!(Verb::Freeze.wanted(&ModeScope::Layer("l".into())), Some(Mode::Frozen));
    }
}
