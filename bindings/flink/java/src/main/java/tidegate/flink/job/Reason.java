package tidegate.flink.job;

import tidegate.flink.TidegateException;

/** Why something failed, in a sentence: of a chain of causes the one that says most. */
final class Reason {
  private Reason() {}

  /**
   * What Tidegate says; else what Flink's planner says with the place in the statement; else the innermost cause with a message.
   */
  static String of(Throwable error) {
    String innermost = null;
    String placed = null;
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      String message = cause.getMessage();
      if (message == null || message.isBlank()) {
        if (cause.getCause() == null && innermost == null) {
          innermost = cause.getClass().getSimpleName();
        }
        continue;
      }
      if (cause instanceof TidegateException) {
        return message;
      }
      if (placed == null && (message.startsWith("From line ") || message.startsWith("At line "))) {
        placed = message;
      }
      // An exception that only passes its cause on repeats it.
      Throwable inner = cause.getCause();
      if (inner == null || !message.equals(inner.toString())) {
        innermost = message;
      }
    }
    return (placed != null ? placed : innermost).strip();
  }
}
