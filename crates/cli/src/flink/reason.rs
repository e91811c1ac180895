//! Why something failed on the cluster, found in Java's stack traces.

/// The most characters of a message that are shown.
const MESSAGE_CHARS_MAX: usize = 2000;
/// The exception of ours, whose words are for users.
const OURS: &str = "tidegate.flink.TidegateException";

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    /// The class of the exception that says it; empty if none does.
    pub(crate) class: String,
    /// What it says, without a stack.
    pub(crate) message: String,
}

impl Reason {
    /// Of a chain of causes what Tidegate says, else the innermost that says something.
    pub(crate) fn of_trace(trace: &str) -> Self {
        let chain = chain(trace);
        let ours = chain.iter().find(|(class, message)| class == OURS && !message.is_empty());
        let telling = ours.or_else(|| chain.iter().rev().find(|(_, message)| !message.is_empty())).or(chain.last());
        let Some((class, message)) = telling else {
            return Self { class: String::new(), message: "no reason given".to_string() };
        };
        let message = match message.is_empty() {
            true => simple(class).to_string(),
            false if class == OURS || class.is_empty() => message.clone(),
            // Some messages are meaningless without their class: `ArithmeticException: / by zero`.
            false if class.starts_with("java.") => format!("{}: {message}", simple(class)),
            false => message.clone(),
        };
        Self { class: class.clone(), message: shortened(&message) }
    }

    /// Whether the data or the script is to blame rather than the cluster: what Tidegate says, and what a function of SQL throws.
    pub(crate) fn is_of_data(&self) -> bool {
        let of_cluster = ["java.io.", "java.net.", "java.nio.", "java.util.concurrent.", "org.apache.flink.runtime."];
        let of_machine =
            ["java.lang.OutOfMemoryError", "java.lang.NoClassDefFoundError", "java.lang.ClassNotFoundException"];
        let of_machine = of_machine.contains(&self.class.as_str()) || self.class == "java.lang.UnsatisfiedLinkError";
        let of_tidegate = self.message.starts_with("a bug in Tidegate");
        !self.class.is_empty()
            && !of_machine
            && !of_tidegate
            && !of_cluster.iter().any(|package| self.class.starts_with(package))
    }

    /// Whether it says only that the job is not started again.
    pub(crate) fn is_of_restarts(&self) -> bool {
        self.message.contains("Recovery is suppressed by")
    }
}

/// The exceptions of a trace, the outermost first: their classes and messages.
fn chain(trace: &str) -> Vec<(String, String)> {
    let mut chain: Vec<(String, Vec<&str>)> = Vec::new();
    let mut in_frames = false;
    for line in trace.lines() {
        let trimmed = line.trim();
        let is_frame = line.starts_with(['\t', ' ']) && (trimmed.starts_with("at ") || trimmed.starts_with("... "));
        if is_frame {
            in_frames = true;
            continue;
        }
        let caused = line.strip_prefix("Caused by: ");
        if caused.is_some() || chain.is_empty() {
            let (class, message) = class_and_message(caused.unwrap_or(line));
            chain.push((class.to_string(), vec![message]));
            in_frames = false;
        } else if !in_frames && let Some((_, lines)) = chain.last_mut() {
            lines.push(line);
        }
    }
    chain.into_iter().map(|(class, lines)| (class, joined(&lines))).collect()
}

/// `java.io.IOException: no disk` in its parts; the class is empty where there is none.
fn class_and_message(line: &str) -> (&str, &str) {
    let is_class = |text: &str| {
        text.contains('.')
            && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '$'))
            && !text.ends_with('.')
    };
    match line.split_once(": ") {
        // An exception that only passes another on repeats its class.
        Some((class, message)) if is_class(class) => match class_and_message(message) {
            ("", _) => (class, message),
            inner => inner,
        },
        None if is_class(line) => (line, ""),
        _ => ("", line),
    }
}

fn simple(class: &str) -> &str {
    class.rsplit(['.', '$']).next().unwrap_or(class)
}

/// A message on few lines: a list after a colon is one line.
fn joined(lines: &[&str]) -> String {
    let mut text = String::new();
    let mut in_list = false;
    for line in lines.iter().map(|line| line.trim()) {
        if line.is_empty() {
            // Flink has an empty line before a list, and one between a list and what follows.
            in_list &= text.ends_with(':');
            continue;
        }
        match (text.is_empty(), in_list) {
            (true, _) => {}
            (false, true) if text.ends_with(':') => text.push(' '),
            (false, true) => text.push_str(", "),
            (false, false) => text.push('\n'),
        }
        text.push_str(line.strip_suffix(" ...").unwrap_or(line));
        in_list |= line.ends_with(':');
    }
    text
}

fn shortened(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &message[..at]),
        None => message.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(trace: &str) -> String {
        Reason::of_trace(trace).message
    }

    #[test]
    fn our_words_come_first() {
        let trace = "org.apache.flink.runtime.rest.handler.RestHandlerException: Could not execute application.\n\
                     \tat org.apache.flink.A.b(A.java:1)\n\
                     Caused by: tidegate.flink.TidegateException: CREATE TABLE a: no factory 'x'.\n\n\
                     Available factory identifiers are:\n\nblackhole\ndatagen\n\tat tidegate.B.c(B.java:2)\n\t... 4 more\n\
                     Caused by: org.apache.flink.table.api.ValidationException: Cannot discover a connector.\n\tat x.Y.z(Y.java:3)\n";
        let said = "CREATE TABLE a: no factory 'x'.\nAvailable factory identifiers are: blackhole, datagen";
        assert_eq!(message(trace), said);
        assert!(Reason::of_trace(trace).is_of_data());
    }

    #[test]
    fn else_the_innermost_that_says_something() {
        let trace = "org.apache.flink.runtime.JobException: Recovery is suppressed by NoRestartBackoffTimeStrategy\n\tat a.B.c(B.java:1)\n\
                     Caused by: java.lang.RuntimeException: one\n\tat a.B.c(B.java:1)\n\
                     Caused by: java.lang.ArithmeticException: / by zero\n\tat a.B.c(B.java:1)\n\
                     Caused by: java.lang.NullPointerException\n\tat a.B.c(B.java:1)\n";
        assert_eq!(message(trace), "ArithmeticException: / by zero");
        assert!(Reason::of_trace(trace).is_of_data());
        assert!(!Reason::of_trace("java.io.IOException: no disk").is_of_data());
        assert_eq!(message("java.lang.NullPointerException\n\tat a.B.c(B.java:1)"), "NullPointerException");
    }

    #[test]
    fn what_is_no_trace_is_a_message() {
        assert_eq!(message("Unable to load requested file /x."), "Unable to load requested file /x.");
        assert_eq!(message(""), "no reason given");
        assert_eq!(message("a: b\n\tat nowhere"), "a: b");
        let passed_on = "java.util.concurrent.CompletionException: org.apache.flink.util.FlinkException: gone";
        assert_eq!(Reason::of_trace(passed_on).class, "org.apache.flink.util.FlinkException");
        assert_eq!(message(passed_on), "gone");
    }

    #[test]
    fn lists_are_lines() {
        let trace = "x.E: Encountered \"z\" at line 1.\nWas expecting one of:\n    <EOF> \n    \"EXCEPT\" ...\n\tat a.B.c(B.java:1)";
        assert_eq!(message(trace), "Encountered \"z\" at line 1.\nWas expecting one of: <EOF>, \"EXCEPT\"");
        assert!(message(&format!("x.E: {}", "é".repeat(5000))).ends_with('…'));
    }
}
