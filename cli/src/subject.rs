//! What somebody at a terminal means by a name: a stack, a layer or an instance, by its path, its own name or an id.

use crate::CliError;
use crate::client::Api;

/// What is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// `StackId`, `LayerId` or `InstanceId`: the member that names it in a request.
    pub(crate) member: &'static str,
    /// Its id.
    pub(crate) id: String,
    /// For people: `shop`, `shop/web`, `shop/web/web3`.
    pub(crate) path: String,
}

/// Something that may be meant, and by which names.
#[derive(Debug)]
struct Known {
    subject: Subject,
    names: Vec<String>,
}

/// Asks the API for everything that the caller may see, and finds what is meant. Nothing is guessed: two of one name are told apart by path or id.
///
/// # Errors
/// [`CliError::BadInput`] when nothing or more than one thing is meant; what the API says.
pub(crate) async fn find(api: &Api, text: &str) -> Result<Subject, CliError> {
    among(known(api).await?, text)
}

async fn known(api: &Api) -> Result<Vec<Known>, CliError> {
    let client = api.client();
    let stacks = client.describe_stacks().send().await.map_err(|e| api.explain(e))?;
    let mut known = Vec::new();
    for stack in stacks.stacks() {
        let (stack_id, stack) = (text(stack.stack_id()), text(stack.name()));
        let layers = client.describe_layers().stack_id(&stack_id).send().await.map_err(|e| api.explain(e))?;
        let mut short_names = Vec::new();
        for layer in layers.layers() {
            let (id, short, name) = (text(layer.layer_id()), text(layer.shortname()), text(layer.name()));
            let path = format!("{stack}/{short}");
            let names = vec![id.clone(), path.clone(), format!("{stack}/{name}"), short.clone(), name];
            known.push(Known { subject: Subject { member: "LayerId", id: id.clone(), path }, names });
            short_names.push((id, short));
        }
        let instances = client.describe_instances().stack_id(&stack_id).send().await.map_err(|e| api.explain(e))?;
        for instance in instances.instances() {
            let (id, host) = (text(instance.instance_id()), text(instance.hostname()));
            let of = |layer: &String| {
                short_names.iter().find(|(id, _)| id == layer).map(|(_, short)| format!("{stack}/{short}/{host}"))
            };
            let paths: Vec<String> = instance.layer_ids().iter().filter_map(of).collect();
            let path = paths.first().cloned().unwrap_or_else(|| format!("{stack}/-/{host}"));
            let mut names =
                vec![id.clone(), host.clone(), path.clone(), format!("{stack}/{host}"), text(instance.ec2_instance_id())];
            names.extend(paths);
            known.push(Known { subject: Subject { member: "InstanceId", id, path }, names });
        }
        let names = vec![stack_id.clone(), stack.clone()];
        known.push(Known { subject: Subject { member: "StackId", id: stack_id, path: stack }, names });
    }
    Ok(known)
}

fn text(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

fn among(known: Vec<Known>, text: &str) -> Result<Subject, CliError> {
    let of = |subject: &Subject| format!("{} ({})", subject.path, subject.id);
    let (mut meant, others): (Vec<Known>, Vec<Known>) =
        known.into_iter().partition(|k| !text.is_empty() && k.names.iter().any(|n| n == text));
    match (meant.len(), others.len()) {
        (1, _) => Ok(meant.remove(0).subject),
        (0, 0) => Err(CliError::BadInput(format!("{text}: there is nothing that you may see"))),
        (0, _) => {
            let some: Vec<&str> = others.iter().take(NAMED).map(|k| k.subject.path.as_str()).collect();
            let more = others.len().saturating_sub(NAMED);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            Err(CliError::BadInput(format!("{text}: expected a stack, layer or instance: {}{more}", some.join(", "))))
        }
        (_, _) => {
            let all: Vec<String> = meant.iter().map(|k| of(&k.subject)).collect();
            Err(CliError::BadInput(format!("{text}: several are called so, expected the path or id of one: {}", all.join(", "))))
        }
    }
}

/// So many things are named to somebody who named none.
const NAMED: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Known> {
        let one = |member, id: &str, path: &str, names: &[&str]| Known {
            subject: Subject { member, id: id.to_owned(), path: path.to_owned() },
            names: names.iter().map(|name| (*name).to_owned()).chain([id.to_owned(), path.to_owned()]).collect(),
        };
        vec![
            one("StackId", "s-1", "shop", &[]),
            one("LayerId", "l-1", "shop/web", &["web", "Web"]),
            one("InstanceId", "i-1", "shop/web/web1", &["web1", "shop/web1"]),
            one("LayerId", "l-2", "lab/web", &["web"]),
            one("InstanceId", "i-2", "lab/web/web2", &["web2", "lab/web2"]),
        ]
    }

    #[test]
    fn a_subject_is_found_by_path_name_or_id_and_nothing_is_guessed() {
        for (text, expected) in [
            ("shop", Ok("StackId s-1")),
            ("shop/web", Ok("LayerId l-1")),
            ("Web", Ok("LayerId l-1")),
            ("l-2", Ok("LayerId l-2")),
            ("web1", Ok("InstanceId i-1")),
            ("lab/web2", Ok("InstanceId i-2")),
            ("web", Err("web: several are called so, expected the path or id of one: shop/web (l-1), lab/web (l-2)")),
            ("web3", Err("web3: expected a stack, layer or instance: shop, shop/web, shop/web/web1, lab/web, lab/web/web2")),
            ("", Err(": expected a stack, layer or instance: shop, shop/web, shop/web/web1, lab/web, lab/web/web2")),
        ] {
            let found = among(known(), text).map(|s| format!("{} {}", s.member, s.id)).map_err(|e| e.to_string());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
        assert_eq!(among(Vec::new(), "x").unwrap_err().to_string(), "x: there is nothing that you may see");
    }
}
