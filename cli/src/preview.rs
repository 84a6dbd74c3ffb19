//! `strata preview`: what each scaler would do now, and why, without doing it.

use serde_json::json;
use strata_control::api::extension::{LayerPreview, Preview};
use strata_domain::mode::Mode;

use crate::args::{Output, PreviewArgs};
use crate::client::Api;
use crate::environment::Environment;
use crate::status::render::put;
use crate::{CliError, Exit, subject, write_stdout};

/// Asks and shows.
///
/// # Errors
/// [`CliError`]: nothing is called so, or the API says no.
pub fn run(args: &PreviewArgs, output: Output) -> Result<Exit, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| CliError::Failed(e.into()))?;
    runtime.block_on(async {
        let api = Api::connect(&args.api, &Environment::read()).await?;
        let members = match &args.subject {
            None => json!({}),
            Some(named) => {
                let found = subject::find(&api, named).await?;
                if found.member == "InstanceId" {
                    let why = format!("{}: expected a stack or a layer; scalers decide about a layer as a whole", found.path);
                    return Err(CliError::BadInput(why));
                }
                json!({ found.member: found.id })
            }
        };
        let told: Preview = api.ask_own("PreviewScaling", &members).await?;
        let text = match if args.json { Output::Json } else { output } {
            Output::Json => serde_json::to_string(&told).map_err(|e| CliError::Failed(e.into()))? + "\n",
            Output::Table => screen(&told),
        };
        write_stdout(text.as_bytes())?;
        Ok(Exit::Done)
    })
}

fn screen(told: &Preview) -> String {
    let mut text = format!("at {}\n", told.at.strftime("%Y-%m-%d %H:%M:%S UTC"));
    if told.layers.is_empty() {
        text.push_str("no layer has load- or time-based scaling\n");
    }
    for layer in &told.layers {
        one_layer(&mut text, layer);
    }
    text
}

fn one_layer(text: &mut String, layer: &LayerPreview) {
    let mode = match layer.mode {
        Some(Mode::Active) => String::new(),
        Some(mode) => format!("  (mode {}: nothing of this is done)", mode.as_str()),
        None => "  (the mode cannot be read: nothing is taken away)".to_owned(),
    };
    put(text, format_args!("\n{}{mode}\n", layer.subject));
    if let Some(load) = &layer.load {
        let hosts = load.hosts.join(", ");
        put(
            text,
            format_args!("  load-scaling  {:<8}{hosts}{}{}\n", load.act, if hosts.is_empty() { "" } else { ": " }, load.why),
        );
    }
    for warning in &layer.warnings {
        put(text, format_args!("  note          {warning}\n"));
    }
    for timer in &layer.timers {
        let next = timer.next_on.map(|on| format!(", on next at {}", on.strftime("%a %H:%M UTC"))).unwrap_or_default();
        put(text, format_args!("  time-scaling  {:<8}{}: {}{next}\n", timer.act, timer.host, timer.why));
    }
}

#[cfg(test)]
mod tests {
    use strata_control::api::extension::{Move, TimerPreview};

    use super::*;

    #[test]
    fn a_preview_has_a_line_for_each_scaler_and_says_when_the_mode_forbids_it() {
        let load =
            Move { act: "start".to_owned(), hosts: vec!["web3".to_owned(), "web4".to_owned()], why: "cpu above 75%".to_owned() };
        let timer = TimerPreview {
            host: "web5".to_owned(),
            act: "nothing".to_owned(),
            why: "down, as scheduled".to_owned(),
            next_on: Some("2026-03-02T07:00:00Z".parse().unwrap()),
        };
        let layer = |mode| LayerPreview {
            subject: "shop/web".to_owned(),
            mode,
            load: Some(load.clone()),
            warnings: vec!["Upscaling has no threshold.".to_owned()],
            timers: vec![timer.clone()],
        };
        let told = Preview { at: "2026-03-02T06:00:12Z".parse().unwrap(), layers: vec![layer(Some(Mode::Observe))] };
        assert_eq!(
            screen(&told),
            "\
at 2026-03-02 06:00:12 UTC

shop/web  (mode observe: nothing of this is done)
  load-scaling  start   web3, web4: cpu above 75%
  note          Upscaling has no threshold.
  time-scaling  nothing web5: down, as scheduled, on next at Mon 07:00 UTC
"
        );
        assert!(!screen(&Preview { layers: vec![layer(Some(Mode::Active))], ..told }).contains("mode"));
    }
}
