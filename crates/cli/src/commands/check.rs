//! `tidegate check`: whether a script would run.

use tidegate_engine::check_script;

use crate::args::{GlobalArgs, ScriptArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::render::number;
use crate::script::{ScriptText, parameters, session};

pub(crate) fn check(global: &GlobalArgs, args: &ScriptArgs, console: &Console) -> Result<(), Failure> {
    let text = ScriptText::open(&args.script)?;
    let parameters = parameters(&args.session)?;
    let script = text.parse(&parameters)?;
    let mut session = session(global, &args.session, parameters, &text.folder)?;
    let report = check_script(&mut session, &script)?;
    if console.json {
        console.print_tagged("check", &report);
        return Ok(());
    }
    report.warnings.iter().for_each(|warning| console.warn(warning));
    let paint = console.out.paint;
    let statements = number::counted(report.statements as u64, "statement");
    let jobs = number::counted(report.jobs.len() as u64, "job");
    console.print_line(format!("{} {}: {statements}, {jobs}", paint.green("✓"), text.name));
    for job in &report.jobs {
        console.print_line(format!("    {job}"));
    }
    Ok(())
}
