//! Stacks and layers by what people call them.

use crate::{Fleet, FleetError, LayerView, StackView, sort, stack_view};

impl Fleet {
    /// The layer that a person means: `stack` is a name or id, `layer` a name, short name or id.
    ///
    /// # Errors
    /// `Gone` when there is none; `Refused` when two stacks have that name: the id is needed then.
    pub async fn find_layer(&self, stack: &str, layer: &str) -> Result<(StackView, LayerView), FleetError> {
        const ACTION: &str = "DescribeStacks";
        let reply = self.client().describe_stacks().send().await.map_err(|e| sort(ACTION, e))?;
        let mut named: Vec<StackView> = reply.stacks().iter().map(stack_view).collect();
        // An id is never anybody else's name by chance, but a name may be anything.
        match named.iter().position(|s| s.id.as_str() == stack) {
            Some(at) => named = vec![named.swap_remove(at)],
            None => named.retain(|s| s.name == stack),
        }
        let found = match named.len() {
            0 => return Err(FleetError::Gone { action: ACTION, why: format!("there is no stack {stack}") }),
            1 => named.swap_remove(0),
            more => {
                return Err(FleetError::Refused { action: ACTION, why: format!("{more} stacks are named {stack}: give the id") });
            }
        };
        let layers = self.layers_of_stack(&found.id).await?;
        let by = |is: &dyn Fn(&LayerView) -> bool| layers.iter().find(|l| is(l)).cloned();
        by(&|l| l.id.as_str() == layer)
            .or_else(|| by(&|l| l.shortname == layer))
            .or_else(|| by(&|l| l.name == layer))
            .map(|l| (found, l))
            .ok_or_else(|| FleetError::Gone {
                action: "DescribeLayers",
                why: format!("there is no layer {layer} in stack {stack}"),
            })
    }
}
