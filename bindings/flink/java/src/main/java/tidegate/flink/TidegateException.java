package tidegate.flink;

/** What went wrong in native code, in its own words. */
public final class TidegateException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public TidegateException(String message) {
    super(message);
  }
}
