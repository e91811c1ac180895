package tidegate.flink;

/** What went wrong, in Tidegate's own words: those of native code, or of a program that does not run. */
public final class TidegateException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public TidegateException(String message) {
    super(message);
  }

  public TidegateException(String message, Throwable cause) {
    super(message, cause);
  }
}
