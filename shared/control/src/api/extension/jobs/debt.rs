//! DescribeDebt: what hosts still have to install, by their own account, and when they may.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strata_domain::InstanceId;
use strata_domain::model::{Layer, Stack};
use strata_domain::updates::PatchState;
use strata_domain::updates::debt::{Debt, DebtHost, debt};
use strata_domain::updates::windows::next_window;
use strata_ports::{Item, keys};

use super::super::super::actions::visible_stacks;
use super::super::super::call::Call;
use super::super::super::error::ApiError;
use super::super::super::input::Input;
use super::super::super::transaction::Answer;
use super::super::describe_status::items;
use super::campaign::{place, settings_of};
use super::path;

/// The answer of DescribeDebt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debts {
    /// When it was looked at.
    pub at: Timestamp,
    /// The layer that was asked for, or all.
    pub layers: Vec<LayerDebt>,
}

/// What a layer's hosts still have to install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerDebt {
    /// `shop/web`.
    pub subject: String,
    /// The layer.
    pub layer_id: String,
    /// Host by host.
    #[serde(flatten)]
    pub debt: Debt,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Members {
    layer_id: Option<String>,
}

pub(in super::super) async fn describe(call: &Call<'_>, input: &Input) -> Result<Answer, ApiError> {
    let m: Members = input.read()?;
    let mut layers = Vec::new();
    if m.layer_id.is_some() {
        let (stack, layer) = place(call, m.layer_id).await?;
        layers.push(of_layer(call, &stack, &layer).await?);
    } else {
        for stack in visible_stacks(call).await? {
            for layer in call.layers_of(&stack.id).await? {
                layers.push(of_layer(call, &stack, &layer.record).await?);
            }
        }
    }
    Ok(Answer::of(&Debts { at: call.now, layers }))
}

async fn of_layer(call: &Call<'_>, stack: &Stack, layer: &Layer) -> Result<LayerDebt, ApiError> {
    let of = |item: Item| {
        let id = InstanceId::from(item.key.sk.strip_prefix(keys::PATCH_STATE).unwrap_or_default());
        Some((id, item.decode::<PatchState>().ok()?))
    };
    // One that this version cannot read is as good as none: the host tells it anew within a day.
    let mut states: BTreeMap<InstanceId, PatchState> =
        items(call, stack, keys::PATCH_STATE).await?.into_iter().filter_map(of).collect();
    let hosts = call.members_of(layer).await?.into_iter().map(|stored| stored.record);
    let hosts = hosts.map(|i| DebtHost { state: states.remove(&i.id), id: i.id, hostname: i.hostname, status: i.status });
    let next = next_window(&settings_of(layer)?.updates, call.now).map(|window| window.start);
    Ok(LayerDebt { subject: path(stack, layer), layer_id: layer.id.to_string(), debt: debt(hosts.collect(), next, call.now) })
}
