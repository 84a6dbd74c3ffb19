//! Whose mode is meant: names and ids of stacks and layers, asked of the API where there is one.
//!
//! Freezing must work when the API does not: the installation needs no question, and ids are taken as they are.

use strata_ports::ModeScope;
use uuid::Uuid;

use crate::CliError;
use crate::args::ModeArgs;
use crate::client::Api;

/// Whose mode it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    pub(super) scope: ModeScope,
    /// For people: `the installation`, `stack shop`, `layer shop/ecs-cluster`.
    pub(super) name: String,
    /// What it is in: their modes count for it too.
    pub(super) parents: Vec<ModeScope>,
}

pub(super) async fn find(api: Option<&Api>, args: &ModeArgs) -> Result<Target, CliError> {
    if args.stack.is_none() && args.layer.is_none() {
        let name = "the installation".to_owned();
        return Ok(Target { scope: ModeScope::Installation, name, parents: Vec::new() });
    }
    let unasked = by_id(args);
    let Some(api) = api else {
        let why = "without the API only ids are understood: name it with --endpoint, or give the id";
        return unasked.ok_or_else(|| CliError::BadInput(why.to_owned()));
    };
    match (known(api).await, unasked) {
        (Ok(stacks), _) => among(&stacks, args),
        (Err(error), Some(target)) => {
            eprintln!("strata: {error}; the id is taken as it is");
            Ok(target)
        }
        (Err(error), None) => Err(error),
    }
}

/// The target, if all that is named are ids.
fn by_id(args: &ModeArgs) -> Option<Target> {
    let is_id = |text: &&String| Uuid::try_parse(text).is_ok();
    let stack = args.stack.as_ref();
    let layer = args.layer.as_ref();
    if !stack.iter().chain(&layer).all(is_id) {
        return None;
    }
    let of_stack = stack.map(|id| ModeScope::Stack(id.as_str().into()));
    Some(match (layer, of_stack) {
        (Some(id), of_stack) => Target {
            scope: ModeScope::Layer(id.as_str().into()),
            name: format!("layer {id}"),
            parents: std::iter::once(ModeScope::Installation).chain(of_stack).collect(),
        },
        (None, Some(scope)) => {
            Target { scope, name: format!("stack {}", stack.map_or("", String::as_str)), parents: vec![ModeScope::Installation] }
        }
        (None, None) => return None,
    })
}

/// A stack with its layers, as far as names go.
struct Known {
    id: String,
    name: String,
    layers: Vec<KnownLayer>,
}

struct KnownLayer {
    id: String,
    names: [String; 2],
}

async fn known(api: &Api) -> Result<Vec<Known>, CliError> {
    let stacks = api.client().describe_stacks().send().await.map_err(|e| api.explain(e))?;
    let mut known = Vec::new();
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    for stack in stacks.stacks() {
        let id = text(stack.stack_id());
        let layers = api.client().describe_layers().stack_id(&id).send().await.map_err(|e| api.explain(e))?;
        let layers = layers.layers().iter();
        let layers =
            layers.map(|l| KnownLayer { id: text(l.layer_id()), names: [text(l.shortname()), text(l.name())] }).collect();
        known.push(Known { id, name: text(stack.name()), layers });
    }
    Ok(known)
}

fn among(stacks: &[Known], args: &ModeArgs) -> Result<Target, CliError> {
    let named: Vec<&Known> = match &args.stack {
        Some(text) => {
            vec![one("--stack", text, stacks.iter(), |s| s.id == *text || s.name == *text, |s| (s.name.clone(), &s.id))?]
        }
        None => stacks.iter().collect(),
    };
    let Some(text) = &args.layer else {
        let stack = named.first().ok_or_else(|| CliError::BadInput("there is no stack that you may see".to_owned()))?;
        let scope = ModeScope::Stack(stack.id.as_str().into());
        return Ok(Target { scope, name: format!("stack {}", stack.name), parents: vec![ModeScope::Installation] });
    };
    let layers = named.iter().flat_map(|stack| stack.layers.iter().map(|layer| (*stack, layer)));
    let is_meant = |(_, layer): &(&Known, &KnownLayer)| layer.id == *text || layer.names.contains(text);
    let path = |(stack, layer): &(&Known, &KnownLayer)| format!("{}/{}", stack.name, layer.names[0]);
    let (stack, layer) = one("--layer", text, layers, is_meant, |found| (path(found), &found.1.id))?;
    Ok(Target {
        scope: ModeScope::Layer(layer.id.as_str().into()),
        name: format!("layer {}", path(&(stack, layer))),
        parents: vec![ModeScope::Installation, ModeScope::Stack(stack.id.as_str().into())],
    })
}

/// The one that is meant; else a sentence with those that there are, or that are meant. `told`: name and id.
fn one<'a, T>(
    flag: &str,
    text: &str,
    all: impl Iterator<Item = T>,
    is_meant: impl Fn(&T) -> bool,
    told: impl Fn(&T) -> (String, &'a String),
) -> Result<T, CliError> {
    let (mut meant, others): (Vec<T>, Vec<T>) = all.partition(is_meant);
    let list = |of: &[T]| {
        let words = of.iter().map(|one| {
            let (name, id) = told(one);
            format!("{name} ({id})")
        });
        words.collect::<Vec<_>>().join(", ")
    };
    match (meant.len(), others.len()) {
        (1, _) => Ok(meant.remove(0)),
        (0, 0) => Err(CliError::BadInput(format!("{flag} {text}: there is none that you may see"))),
        (0, _) => Err(CliError::BadInput(format!("{flag} {text}: expected one of {}", list(&others)))),
        (_, _) => {
            Err(CliError::BadInput(format!("{flag} {text}: several are called so, expected the id of one: {}", list(&meant))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "2f18b4cb-4de5-4429-a149-ff7da9f0d8ee";

    fn stacks() -> Vec<Known> {
        let layer = |id: &str, name: &str| KnownLayer { id: id.to_owned(), names: ["ecs-cluster".to_owned(), name.to_owned()] };
        vec![
            Known { id: "s-1".to_owned(), name: "shop".to_owned(), layers: vec![layer("l-1", "Web")] },
            Known { id: "s-2".to_owned(), name: "jobs".to_owned(), layers: vec![layer("l-2", "Batch")] },
            Known { id: "s-3".to_owned(), name: "jobs".to_owned(), layers: vec![] },
        ]
    }

    fn args(stack: Option<&str>, layer: Option<&str>) -> ModeArgs {
        ModeArgs {
            api: crate::client::ApiOptions::default(),
            stack: stack.map(str::to_owned),
            layer: layer.map(str::to_owned),
            reason: None,
            installation: None,
            json: false,
        }
    }

    #[test]
    fn stacks_and_layers_are_found_by_id_and_by_name_and_nothing_is_guessed() {
        for (stack, layer, expected) in [
            (Some("shop"), None, Ok("stack shop")),
            (Some("s-2"), None, Ok("stack jobs")),
            (Some("shop"), Some("ecs-cluster"), Ok("layer shop/ecs-cluster")),
            (None, Some("Web"), Ok("layer shop/ecs-cluster")),
            (None, Some("l-2"), Ok("layer jobs/ecs-cluster")),
            (Some("shp"), None, Err("--stack shp: expected one of shop (s-1), jobs (s-2), jobs (s-3)")),
            (Some("jobs"), None, Err("--stack jobs: several are called so, expected the id of one: jobs (s-2), jobs (s-3)")),
            (Some("shop"), Some("Batch"), Err("--layer Batch: expected one of shop/ecs-cluster (l-1)")),
            (Some("s-3"), Some("Web"), Err("--layer Web: there is none that you may see")),
            (
                None,
                Some("ecs-cluster"),
                Err("--layer ecs-cluster: several are called so, expected the id of one: \
                     shop/ecs-cluster (l-1), jobs/ecs-cluster (l-2)"),
            ),
        ] {
            let found = among(&stacks(), &args(stack, layer)).map(|target| target.name).map_err(|e| e.to_string());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{stack:?} {layer:?}");
        }
    }

    #[test]
    fn without_the_api_ids_do() {
        let target = by_id(&args(None, Some(ID))).unwrap();
        assert_eq!(target.scope, ModeScope::Layer(ID.into()));
        assert_eq!(by_id(&args(Some(ID), None)).unwrap().scope, ModeScope::Stack(ID.into()));
        for (stack, layer) in [(Some("shop"), None), (Some(ID), Some("web")), (Some("shop"), Some(ID))] {
            assert_eq!(by_id(&args(stack, layer)), None);
        }
    }
}
