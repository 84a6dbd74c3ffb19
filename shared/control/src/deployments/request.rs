//! What a command asks its host to run: which document, with which parameters as data.

use std::collections::BTreeSet;

use strata_domain::commands::SYNC_USERS;
use strata_domain::model::Instance;
use strata_ports::{CommandKind, CommandRequest};

use super::users::UsersList;
use crate::reconciler::launch::{logs_of, setup_parameters};
use crate::reconciler::view::StackView;
use crate::records::{Command, Deployment};

/// The request of a command; `None` for an instance without a machine in EC2.
pub(super) fn request(view: &StackView, instance: &Instance, run: Run<'_>) -> Option<CommandRequest> {
    let command = run.0;
    let (kind, parameters) = run_of(view, instance, run);
    Some(CommandRequest {
        nonce: command.nonce(),
        kind,
        host: instance.ec2_instance_id.clone()?,
        parameters,
        timeout_seconds: u32::try_from(command.limit().as_secs()).unwrap_or(u32::MAX),
    })
}

/// A command, its deployment if it has one, and the list of users if its run takes it.
pub(super) type Run<'a> = (&'a Command, Option<&'a Deployment>, Option<&'a UsersList>);
type Parameters = Vec<(String, String)>;

/// Recipes are scripts below the host's hooks, cookbooks a hook of their own, for there is no Chef.
fn run_of(view: &StackView, instance: &Instance, (command, deployment, users): Run<'_>) -> (CommandKind, Parameters) {
    let args = |name: &str| deployment.and_then(|d| d.args.get(name)).cloned().unwrap_or_default();
    let own = |more: Parameters| [vec![("hostname".to_owned(), instance.hostname.clone())], more].concat();
    let script = |more: Option<(&str, String)>| {
        let mut all = vec![("command".to_owned(), command.command_type.clone())];
        all.extend(more.map(|(name, value)| (name.to_owned(), value)));
        (CommandKind::Recipes, own(all))
    };
    match command.command_type.as_str() {
        "setup" => (CommandKind::Setup, setup_parameters(view, instance, users, false)),
        SYNC_USERS => (CommandKind::Users, own(users.map(UsersList::parameters).unwrap_or_default())),
        "shutdown" => (CommandKind::Shutdown, own(Vec::new())),
        "update_dependencies" => {
            let allow = args("allow_reboot").first().cloned().unwrap_or_else(|| "false".to_owned());
            (CommandKind::Update, vec![("allow_reboot".to_owned(), allow)])
        }
        "execute_recipes" => script(Some(("recipes", args("recipes").join(",")))),
        "install_dependencies" => script(Some(("packages", packages_of(view, instance)))),
        "update_custom_cookbooks" => script(None),
        _ => (CommandKind::Configure, own(vec![logs_of(view, instance)])),
    }
}

/// The packages of all its layers, each once [CMD-5].
fn packages_of(view: &StackView, instance: &Instance) -> String {
    let packages: BTreeSet<&str> = view.layers_of(instance).flat_map(|layer| &layer.packages).map(String::as_str).collect();
    packages.into_iter().collect::<Vec<_>>().join(",")
}
