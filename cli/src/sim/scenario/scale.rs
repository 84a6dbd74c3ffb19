//! `--instances N`: the main layer, larger or smaller.

use super::Scenario;

impl Scenario {
    /// Scales the first layer to `instances` in all, keeping the proportions of its kinds and windows as well as whole numbers
    /// allow, and its demand, its services and its batches with it. At least one 24/7 instance stays if there was one.
    pub fn scale(&mut self, instances: u32) {
        let Some(layer) = self.layers.first_mut() else { return };
        let before = layer.instances();
        if before == 0 || before == instances {
            return;
        }
        let factor = f64::from(instances) / f64::from(before);
        let mut counts = vec![layer.always_on];
        counts.extend(layer.time_based.windows.iter().map(|w| w.instances));
        counts.push(layer.load_based);
        let scaled = apportion(&counts, instances);
        layer.always_on = scaled[0];
        for (window, count) in layer.time_based.windows.iter_mut().zip(&scaled[1..]) {
            window.instances = *count;
        }
        layer.load_based = scaled[scaled.len() - 1];

        layer.demand.base *= factor;
        layer.demand.amplitude *= factor;
        for spike in &mut layer.demand.spikes {
            spike.servers *= factor;
        }
        for service in &mut layer.services {
            service.desired = grow(service.desired, factor);
            service.protected_tasks = grow(service.protected_tasks, factor).min(service.desired);
        }
        layer.standalone_tasks = grow(layer.standalone_tasks, factor);
        if let Some(scaling) = &mut layer.load_scaling {
            for thresholds in [&mut scaling.up, &mut scaling.down] {
                thresholds.instances = Some(grow(thresholds.instances.unwrap_or(1), factor));
            }
        }
    }
}

/// `count` times `factor`, rounded; what was there does not vanish.
fn grow(count: u32, factor: f64) -> u32 {
    let grown = (f64::from(count) * factor + 0.5) as u32;
    if count == 0 { 0 } else { grown.max(1) }
}

/// Divides `total` in the proportions of `counts`: largest remainders first, the earlier of equal ones. The first gets at least one.
fn apportion(counts: &[u32], total: u32) -> Vec<u32> {
    let sum: u64 = counts.iter().map(|c| u64::from(*c)).sum();
    let share = |count: u32| u64::from(count) * u64::from(total);
    let mut parts: Vec<u32> = counts.iter().map(|c| u32::try_from(share(*c) / sum).unwrap_or(u32::MAX)).collect();
    let mut by_remainder: Vec<usize> = (0..counts.len()).collect();
    by_remainder.sort_by_key(|i| std::cmp::Reverse(share(counts[*i]) % sum));
    let missing = total - parts.iter().sum::<u32>();
    for index in by_remainder.into_iter().take(missing as usize) {
        parts[index] += 1;
    }
    if parts[0] == 0 && counts[0] > 0 && total > 0 {
        let largest = (0..parts.len()).max_by_key(|i| parts[*i]).unwrap_or(0);
        parts[largest] -= 1;
        parts[0] = 1;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_size_is_met_exactly_and_keeps_a_24_7_instance() {
        for instances in [1, 2, 5, 18, 19, 20, 100, 1000, 10_000] {
            let mut scenario = Scenario::built_in();
            scenario.scale(instances);
            let layer = &scenario.layers[0];
            assert_eq!(layer.instances(), instances);
            assert!(layer.always_on >= 1, "{instances}");
            assert!(layer.services.iter().all(|s| s.daemon || s.desired >= 1));
        }
    }

    #[test]
    fn demand_and_batches_grow_with_the_layer_and_the_second_layer_stays() {
        let mut scenario = Scenario::built_in();
        let second = scenario.layers[1].clone();
        scenario.scale(190);
        let layer = &scenario.layers[0];
        assert_eq!((layer.always_on, layer.time_based.instances(), layer.load_based), (30, 120, 40));
        assert!((layer.demand.base - 105.0).abs() < 1e-9 && (layer.demand.amplitude - 55.0).abs() < 1e-9);
        assert_eq!(layer.load_scaling.as_ref().unwrap().up.instances, Some(20));
        assert_eq!(scenario.layers[1], second);
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let mut scenario = Scenario::built_in();
        let before = scenario.layers.clone();
        scenario.scale(19);
        assert_eq!(scenario.layers, before);
    }
}
