//! `tidegate explain`: how a script would run.

use serde_json::json;
use tidegate_engine::explain_script;

use crate::args::{GlobalArgs, ScriptArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::script::{ScriptText, parameters, session};

pub(crate) fn explain(global: &GlobalArgs, args: &ScriptArgs, console: &Console) -> Result<(), Failure> {
    let text = ScriptText::open(&args.script)?;
    let parameters = parameters(&args.session)?;
    let script = text.parse_whole(&parameters, console)?;
    let mut session = session(global, &args.session, parameters, &text.folder)?;
    let plan = explain_script(&mut session, &script)?;
    match console.json {
        true => console.print_tagged("plan", json!({ "plan": plan })),
        false => console.print_line(plan.trim_end()),
    }
    Ok(())
}
