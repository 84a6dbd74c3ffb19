//! `strata register`: an EC2 instance that exists already becomes an instance of a stack [REG-13]. `aws opsworks register` asks the metadata
//! service without a token, which fails where IMDSv2 is enforced, and reaches other machines by SSH only.

mod metadata;

use std::time::Duration;

use aws_sdk_opsworks::types::{Instance, InstanceIdentity};

use crate::args::{Output, RegisterArgs};
use crate::client::Api;
use crate::environment::Environment;
use crate::{CliError, Exit, layer, write_stdout};
use metadata::Identity;

/// So often it is asked whether the machine is registered.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Registers a machine, and assigns it if layers are named. A machine that is an instance of the stack already goes on from there.
///
/// # Errors
/// [`CliError`], one sentence; it says when the machine is registered all the same.
pub fn run(args: &RegisterArgs, output: Output) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
    runtime.block_on(async {
        let environment = Environment::read();
        let identity = match (&args.document, &args.signature) {
            (Some(document), Some(signature)) => metadata::of_files(document, signature)?,
            _ => metadata::of_machine(args.metadata.as_deref(), &environment).await?,
        };
        let api = Api::connect(&args.api, &environment).await?;
        register(&api, args, output, &identity).await
    })
}

async fn register(api: &Api, args: &RegisterArgs, output: Output, identity: &Identity) -> Result<Exit, CliError> {
    let stack = layer::stack(api, args.stack.as_deref()).await?;
    let stack_id = stack.stack_id().unwrap_or_default();
    // What is asked for wrongly is told before anything is registered.
    let layers = layers(api, stack_id, &args.layers).await?;
    let id = match known(api, stack_id, &identity.host).await? {
        Some(instance) => instance.instance_id().unwrap_or_default().to_owned(),
        None => call(api, args, stack_id, identity).await?,
    };
    if !layers.is_empty() {
        let done = assign(api, args, &id, &layers).await;
        done.map_err(|error| {
            CliError::Failed(anyhow::anyhow!(
                "{error}; the machine is registered as {id}, so the same command goes on from there"
            ))
        })?;
    }
    let told = match output {
        Output::Json => serde_json::json!({ "instance_id": id, "ec2_instance_id": identity.host }).to_string(),
        Output::Table => format!("{} is the instance {id} of the stack {}", identity.host, stack.name().unwrap_or_default()),
    };
    write_stdout(format!("{told}\n").as_bytes())?;
    Ok(Exit::Done)
}

/// The ids of the layers that were named.
async fn layers(api: &Api, stack_id: &str, named: &[String]) -> Result<Vec<String>, CliError> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let all = api.client().describe_layers().stack_id(stack_id).send().await.map_err(|e| api.explain(e))?;
    let id = |name: &String| {
        let is_meant = |text: Option<&str>| text == Some(name);
        let mut found = all.layers().iter().filter(|l| is_meant(l.layer_id()) || is_meant(l.name()) || is_meant(l.shortname()));
        match (found.next().and_then(|l| l.layer_id()), found.next()) {
            (Some(id), None) => Ok(id.to_owned()),
            (None, _) => {
                Err(CliError::BadInput(format!("--layer {name}: the stack has no layer of this id, name or short name")))
            }
            (Some(_), Some(_)) => Err(CliError::BadInput(format!("--layer {name}: several layers have this name; give the id"))),
        }
    };
    named.iter().map(id).collect()
}

/// The stack's instance that this machine is already.
async fn known(api: &Api, stack_id: &str, host: &str) -> Result<Option<Instance>, CliError> {
    let all = api.client().describe_instances().stack_id(stack_id).send().await.map_err(|e| api.explain(e))?;
    Ok(all.instances().iter().find(|instance| instance.ec2_instance_id() == Some(host)).cloned())
}

async fn call(api: &Api, args: &RegisterArgs, stack_id: &str, identity: &Identity) -> Result<String, CliError> {
    let signed = InstanceIdentity::builder().document(&identity.document).signature(&identity.signature).build();
    let request = api.client().register_instance().stack_id(stack_id).instance_identity(signed);
    let answer = request.set_hostname(args.hostname.clone()).send().await.map_err(|e| api.explain(e))?;
    Ok(answer.instance_id().unwrap_or_default().to_owned())
}

/// Waits until the instance is registered, and assigns it; one that is assigned to these layers already is left as it is.
async fn assign(api: &Api, args: &RegisterArgs, id: &str, layers: &[String]) -> Result<(), CliError> {
    let mut left = args.wait * 60 / LOOK_EVERY.as_secs();
    loop {
        let answer = api.client().describe_instances().instance_ids(id).send().await.map_err(|e| api.explain(e))?;
        let instance = answer.instances().first();
        let status = instance.and_then(|instance| instance.status()).unwrap_or_default();
        if instance.is_some_and(|instance| instance.layer_ids() == layers) {
            return Ok(());
        }
        match status {
            "registered" => break,
            "registering" if left > 0 => tokio::time::sleep(LOOK_EVERY).await,
            "registering" => {
                return Err(CliError::Failed(anyhow::anyhow!("it is still registering after {} minutes", args.wait)));
            }
            other => return Err(CliError::Failed(anyhow::anyhow!("it is {other}, and only what is registered can be assigned"))),
        }
        left -= 1;
    }
    let request = api.client().assign_instance().instance_id(id).set_layer_ids(Some(layers.to_vec()));
    request.send().await.map_err(|e| api.explain(e))?;
    Ok(())
}
