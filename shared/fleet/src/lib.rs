//! Fleets through the OpsWorks API: what a controller may read and change of stacks, layers and instances.
//!
//! A thin reading of `aws-sdk-opsworks`: the SDK's optional strings become the domain's types, its errors become [`FleetError`], which
//! tells the caller what to do. Nothing is cached and nothing is decided here.

mod find;

use aws_sdk_opsworks::Client;
use aws_sdk_opsworks::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_opsworks::types;
use jiff::Timestamp;
use strata_domain::instance_actions::Origin;
use strata_domain::mode::Mode;
use strata_domain::settings::Settings;
use strata_domain::{ClusterArn, ContainerInstanceArn, Ec2InstanceId, InstanceId, InstanceStatus, LayerId, ScalingType, StackId};
use strata_ports::HandlerError;

/// Why a call to the OpsWorks API did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FleetError {
    /// The API said no: the state changed meanwhile, or the request is wrong. Decide anew.
    #[error("opsworks {action}: {why}")]
    Refused {
        /// Action.
        action: &'static str,
        /// The API's text.
        why: String,
    },
    /// There is no such thing (any more).
    #[error("opsworks {action}: {why}")]
    Gone {
        /// Action.
        action: &'static str,
        /// The API's text.
        why: String,
    },
    /// No answer, a throttle, or an answer that is not the API's own, for example its front door's: the next tick tries again.
    #[error("opsworks {action}: no answer: {why}")]
    NoAnswer {
        /// Action.
        action: &'static str,
        /// What happened.
        why: String,
    },
}

impl From<FleetError> for HandlerError {
    fn from(error: FleetError) -> Self {
        match error {
            FleetError::Refused { action, why } | FleetError::Gone { action, why } | FleetError::NoAnswer { action, why } => {
                Self::Api { action, why }
            }
        }
    }
}

/// A stack, as far as controllers need it.
#[derive(Clone, Debug, PartialEq)]
pub struct StackView {
    /// The uuid.
    pub id: StackId,
    /// Shown name.
    pub name: String,
    /// AWS region.
    pub region: String,
    /// The stack's service role.
    pub service_role_arn: String,
    /// Its `"strata"` settings.
    pub settings: Settings,
}

impl StackView {
    /// For which stack calls to EC2, ECS and CloudWatch are made.
    pub fn scope(&self) -> strata_ports::StackScope {
        strata_ports::StackScope {
            stack_id: self.id.clone(),
            region: self.region.clone(),
            service_role_arn: self.service_role_arn.clone(),
        }
    }
}

/// A layer, as far as controllers need it.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerView {
    /// The uuid.
    pub id: LayerId,
    /// Its stack.
    pub stack_id: StackId,
    /// Shown name.
    pub name: String,
    /// Short name.
    pub shortname: String,
    /// The cluster that it stands for, while that is registered.
    pub cluster: Option<ClusterArn>,
    /// Its `"strata"` settings.
    pub settings: Settings,
}

/// An instance, as far as controllers need it.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceView {
    /// The uuid.
    pub id: InstanceId,
    /// Host name.
    pub hostname: String,
    /// Status.
    pub status: InstanceStatus,
    /// 24/7, time-based or load-based.
    pub scaling: ScalingType,
    /// Its layers.
    pub layer_ids: Vec<LayerId>,
    /// Zone.
    pub availability_zone: String,
    /// When the record was created.
    pub created_at: Timestamp,
    /// The EC2 instance, if one exists.
    pub ec2_instance_id: Option<Ec2InstanceId>,
    /// The container instance, while registered.
    pub container_instance_arn: Option<ContainerInstanceArn>,
    /// Created, or registered.
    pub origin: Origin,
}

/// The API, through the SDK's client.
#[derive(Clone, Debug)]
pub struct Fleet {
    client: Client,
}

impl Fleet {
    /// Over a client that signs as the controllers' role.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The client itself, for actions that only one controller needs.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// One stack.
    ///
    /// # Errors
    /// `Gone` when there is none of that id.
    pub async fn stack(&self, id: &StackId) -> Result<StackView, FleetError> {
        const ACTION: &str = "DescribeStacks";
        let reply = self.client.describe_stacks().stack_ids(id.as_str()).send().await.map_err(|e| sort(ACTION, e))?;
        reply.stacks().first().map(stack_view).ok_or_else(|| gone(ACTION, id.as_str()))
    }

    /// All stacks.
    ///
    /// # Errors
    /// `NoAnswer`: the next tick tries again.
    pub async fn stacks(&self) -> Result<Vec<StackView>, FleetError> {
        let reply = self.client.describe_stacks().send().await.map_err(|e| sort("DescribeStacks", e))?;
        Ok(reply.stacks().iter().map(stack_view).collect())
    }

    /// One layer.
    ///
    /// # Errors
    /// `Gone` when there is none of that id.
    pub async fn layer(&self, id: &LayerId) -> Result<LayerView, FleetError> {
        const ACTION: &str = "DescribeLayers";
        let reply = self.client.describe_layers().layer_ids(id.as_str()).send().await.map_err(|e| sort(ACTION, e))?;
        reply.layers().first().map(layer_view).ok_or_else(|| gone(ACTION, id.as_str()))
    }

    /// All layers of a stack.
    ///
    /// # Errors
    /// `Gone` when there is no such stack.
    pub async fn layers_of_stack(&self, id: &StackId) -> Result<Vec<LayerView>, FleetError> {
        let reply = self.client.describe_layers().stack_id(id.as_str()).send().await.map_err(|e| sort("DescribeLayers", e))?;
        Ok(reply.layers().iter().map(layer_view).collect())
    }

    /// All instances of a layer, oldest first.
    ///
    /// # Errors
    /// `Gone` when there is no such layer.
    pub async fn instances_of_layer(&self, id: &LayerId) -> Result<Vec<InstanceView>, FleetError> {
        let reply =
            self.client.describe_instances().layer_id(id.as_str()).send().await.map_err(|e| sort("DescribeInstances", e))?;
        Ok(reply.instances().iter().filter_map(instance_view).collect())
    }

    /// All instances of a stack, oldest first.
    ///
    /// # Errors
    /// `Gone` when there is no such stack.
    pub async fn instances_of_stack(&self, id: &StackId) -> Result<Vec<InstanceView>, FleetError> {
        let reply =
            self.client.describe_instances().stack_id(id.as_str()).send().await.map_err(|e| sort("DescribeInstances", e))?;
        Ok(reply.instances().iter().filter_map(instance_view).collect())
    }

    /// StartInstance.
    ///
    /// # Errors
    /// `Refused` in a status that cannot be started.
    pub async fn start(&self, id: &InstanceId) -> Result<(), FleetError> {
        self.client.start_instance().instance_id(id.as_str()).send().await.map(drop).map_err(|e| sort("StartInstance", e))
    }

    /// StopInstance.
    ///
    /// # Errors
    /// `Refused` in a status that cannot be stopped.
    pub async fn stop(&self, id: &InstanceId) -> Result<(), FleetError> {
        self.client.stop_instance().instance_id(id.as_str()).send().await.map(drop).map_err(|e| sort("StopInstance", e))
    }
}

/// The mode that counts for a layer: the strictest of the installation's, the stack's and the layer's, parameters and settings alike;
/// `None` when a parameter cannot be read.
pub async fn effective_mode(modes: &dyn strata_ports::Modes, stack: &StackView, layer: Option<&LayerView>) -> Option<Mode> {
    let read = strata_ports::mode::effective(modes, Some(&stack.id), layer.map(|l| &l.id)).await?;
    Some(Mode::strictest([Some(read), stack.settings.mode, layer.and_then(|l| l.settings.mode)].into_iter().flatten()))
}

/// Sorts an SDK error by what the caller should do. Only what the API itself says of the request counts as a refusal: a caller may
/// drop its intent then, and must not because a front door was shut for a moment.
pub fn sort<E: ProvideErrorMetadata + std::error::Error, R: std::fmt::Debug>(
    action: &'static str,
    error: SdkError<E, R>,
) -> FleetError {
    if let SdkError::ServiceError(service) = &error {
        let why = service.err().message().unwrap_or("no message").to_owned();
        return match service.err().code() {
            Some("ResourceNotFoundException") => FleetError::Gone { action, why },
            Some("ValidationException" | "SerializationException" | "UnknownOperationException") => {
                FleetError::Refused { action, why }
            }
            code => FleetError::NoAnswer { action, why: format!("{}: {why}", code.unwrap_or("an answer without a type")) },
        };
    }
    FleetError::NoAnswer { action, why: error.to_string() }
}

fn gone(action: &'static str, id: &str) -> FleetError {
    FleetError::Gone { action, why: format!("the answer does not hold {id}") }
}

/// The API has validated the settings when they were written, so a mistake here can only be a foreign record: defaults then.
fn settings(custom_json: Option<&str>) -> Settings {
    Settings::from_custom_json(custom_json).unwrap_or_default()
}

fn stack_view(stack: &types::Stack) -> StackView {
    StackView {
        id: StackId::from(stack.stack_id().unwrap_or_default()),
        name: stack.name().unwrap_or_default().to_owned(),
        region: stack.region().unwrap_or_default().to_owned(),
        service_role_arn: stack.service_role_arn().unwrap_or_default().to_owned(),
        settings: settings(stack.custom_json()),
    }
}

fn layer_view(layer: &types::Layer) -> LayerView {
    let cluster = layer.attributes().and_then(|a| a.get(&types::LayerAttributesKeys::EcsClusterArn));
    LayerView {
        id: LayerId::from(layer.layer_id().unwrap_or_default()),
        stack_id: StackId::from(layer.stack_id().unwrap_or_default()),
        name: layer.name().unwrap_or_default().to_owned(),
        shortname: layer.shortname().unwrap_or_default().to_owned(),
        cluster: cluster.map(|arn| ClusterArn::from(arn.as_str())),
        settings: settings(layer.custom_json()),
    }
}

/// `None` for an instance whose status or scaling type this version does not know: it is left alone.
fn instance_view(instance: &types::Instance) -> Option<InstanceView> {
    Some(InstanceView {
        id: InstanceId::from(instance.instance_id()?),
        hostname: instance.hostname().unwrap_or_default().to_owned(),
        status: InstanceStatus::parse(instance.status()?)?,
        scaling: ScalingType::from_wire(instance.auto_scaling_type().map(types::AutoScalingType::as_str))?,
        layer_ids: instance.layer_ids().iter().map(|l| LayerId::from(l.as_str())).collect(),
        availability_zone: instance.availability_zone().unwrap_or_default().to_owned(),
        created_at: instance.created_at()?.parse().ok()?,
        ec2_instance_id: instance.ec2_instance_id().map(Ec2InstanceId::from),
        container_instance_arn: instance.ecs_container_instance_arn().map(ContainerInstanceArn::from),
        origin: match (instance.infrastructure_class(), instance.registered_by()) {
            (Some("on-premises"), _) => Origin::OnPremises,
            (_, Some(_)) => Origin::RegisteredEc2,
            (_, None) => Origin::Created,
        },
    })
}

#[cfg(test)]
mod tests {
    use aws_sdk_opsworks::error::ErrorMetadata;

    use super::*;

    #[test]
    fn only_the_apis_own_word_is_a_refusal() {
        let sorted = |code: Option<&str>| {
            let mut error = ErrorMetadata::builder().message("text");
            if let Some(code) = code {
                error = error.code(code);
            }
            sort("StopInstance", SdkError::service_error(error.build(), ()))
        };
        let (action, why) = ("StopInstance", "text".to_owned());
        for code in ["ValidationException", "SerializationException", "UnknownOperationException"] {
            assert_eq!(sorted(Some(code)), FleetError::Refused { action, why: why.clone() });
        }
        assert_eq!(sorted(Some("ResourceNotFoundException")), FleetError::Gone { action, why });
        for code in ["ThrottlingException", "ServiceUnavailable", "InternalFailure", "AccessDeniedException", "Forbidden"] {
            assert_eq!(sorted(Some(code)), FleetError::NoAnswer { action, why: format!("{code}: text") });
        }
        // A function URL's own 502, for one, has no type.
        assert!(matches!(sorted(None), FleetError::NoAnswer { .. }));
        let late: SdkError<ErrorMetadata, ()> = SdkError::timeout_error("late");
        assert!(matches!(sort("StopInstance", late), FleetError::NoAnswer { .. }));
    }
}
