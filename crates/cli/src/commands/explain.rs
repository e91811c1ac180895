//! `tidegate explain`: how a script would run.

use serde_json::json;
use tidegate_engine::explain_script;
use tidegate_engine::flink::explain_for_flink;

use crate::args::{ExplainArgs, GlobalArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::script::{ScriptText, config, parameters, session};

pub(crate) fn explain(global: &GlobalArgs, args: &ExplainArgs, console: &Console) -> Result<(), Failure> {
    let text = ScriptText::open(&args.script)?;
    let parameters = parameters(&args.session)?;
    let script = text.parse_whole(&parameters, console)?;
    if args.flink {
        let programs = explain_for_flink(config(global, &args.session, parameters, &text.folder), &script)?;
        if console.json {
            programs.iter().for_each(|program| console.print_tagged("program", json!(program)));
        } else {
            let texts: Vec<String> = programs.iter().map(ToString::to_string).collect();
            console.print_line(texts.join("\n\n").trim_end());
        }
        return Ok(());
    }
    let mut session = session(global, &args.session, parameters, &text.folder)?;
    let plan = explain_script(&mut session, &script)?;
    match console.json {
        true => console.print_tagged("plan", json!({ "plan": plan })),
        false => console.print_line(plan.trim_end()),
    }
    Ok(())
}
