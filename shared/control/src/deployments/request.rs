//! What a command asks its host to run: which document, with which parameters as data.

use std::collections::BTreeSet;

use strata_domain::commands::SYNC_USERS;
use strata_domain::model::Instance;
use strata_ports::{CommandKind, CommandRequest};

use super::users::UsersList;
use crate::reconciler::launch::{SetupNews, for_scripts, hosts_file_of, logs_of, setup_parameters};
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

/// What is read for one run, as far as the run takes it.
#[derive(Default)]
pub(super) struct News {
    pub(super) users: Option<UsersList>,
    pub(super) volumes: Option<String>,
    pub(super) snapshot: Option<String>,
}

/// A command, its deployment if it has one, and what is read for its run.
pub(super) type Run<'a> = (&'a Command, Option<&'a Deployment>, &'a News);
type Parameters = Vec<(String, String)>;

/// Recipes are scripts below the host's hooks, cookbooks a hook of their own, for there is no Chef.
fn run_of(view: &StackView, instance: &Instance, (command, deployment, news): Run<'_>) -> (CommandKind, Parameters) {
    let args = |name: &str| deployment.and_then(|d| d.args.get(name)).cloned().unwrap_or_default();
    let own = |more: Parameters| [for_scripts(instance, news.snapshot.clone()), more].concat();
    let script = |more: Option<(&str, String)>| {
        let mut all = vec![("command".to_owned(), command.command_type.clone())];
        all.extend(more.map(|(name, value)| (name.to_owned(), value)));
        (CommandKind::Recipes, own(all))
    };
    match command.command_type.as_str() {
        "setup" => {
            let (users, volumes) = (news.users.as_ref(), news.volumes.clone().unwrap_or_default());
            let told = SetupNews { users, volumes, snapshot: news.snapshot.clone() };
            (CommandKind::Setup, setup_parameters(view, instance, &told, false))
        }
        SYNC_USERS => {
            let list = news.users.as_ref().map(UsersList::parameters).unwrap_or_default();
            (CommandKind::Users, [vec![("hostname".to_owned(), instance.hostname.clone())], list].concat())
        }
        "shutdown" => (CommandKind::Shutdown, own(Vec::new())),
        "update_dependencies" => {
            let allow = args("allow_reboot").first().cloned().unwrap_or_else(|| "false".to_owned());
            let upgrade = args("upgrade_os_to").into_iter().next().map(|os| ("upgrade_os_to".to_owned(), os));
            (CommandKind::Update, [("allow_reboot".to_owned(), allow)].into_iter().chain(upgrade).collect())
        }
        "execute_recipes" => script(Some(("recipes", args("recipes").join(",")))),
        "install_dependencies" => script(Some(("packages", packages_of(view, instance)))),
        "update_custom_cookbooks" => script(None),
        _ => (CommandKind::Configure, own(vec![logs_of(view, instance), hosts_file_of(view, instance)])),
    }
}

/// The packages of all its layers, each once [CMD-5].
fn packages_of(view: &StackView, instance: &Instance) -> String {
    let packages: BTreeSet<&str> = view.layers_of(instance).flat_map(|layer| &layer.packages).map(String::as_str).collect();
    packages.into_iter().collect::<Vec<_>>().join(",")
}
