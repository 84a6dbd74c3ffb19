//! Turning modes, against a server that speaks SSM's protocol.

mod support;

use strata_aws::mode_switch::{ACTIONS, ModeSwitch};
use strata_domain::mode::Mode;
use strata_ports::ModeScope;

#[tokio::test]
#[ignore = "wants a server: cargo xtask wire"]
async fn each_scope_is_turned_by_itself_and_removing_twice_is_a_success() {
    let base = support::base(&[("STRATA_INSTALLATION", "switch")]);
    let switch = ModeSwitch::new(&base);
    let (all, stack, layer) = (ModeScope::Installation, ModeScope::Stack("s".into()), ModeScope::Layer("l".into()));
    for scope in [&all, &stack, &layer] {
        assert_eq!(switch.read(scope).await.unwrap(), None, "{scope:?}");
        for mode in [Mode::Frozen, Mode::Observe] {
            switch.set(scope, mode, Some("INC-7: a test")).await.unwrap();
            assert_eq!(switch.read(scope).await.unwrap().as_deref(), Some(mode.as_str()), "{scope:?}");
        }
    }
    for _ in 0..2 {
        switch.remove(&stack).await.unwrap();
        assert_eq!(switch.read(&stack).await.unwrap(), None);
    }
    assert_eq!(switch.read(&layer).await.unwrap().as_deref(), Some("observe"), "the others stay as they are");
    let mut seen: Vec<String> = base.log().take().iter().map(|call| call.action()).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, ACTIONS);
}
