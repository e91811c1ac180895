package tidegate.flink;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * The functions of the native library. A handle is closed once by whoever opened it, and used from one thread at a time.
 *
 * <p>The library is in the jar. A virtual machine loads a file into one class loader only, and a job has a class loader of its own; so
 * each copies it to a file of its own.
 */
final class Native {
  /** A path to the library that is loaded instead of the one in the jar. */
  private static final String PROPERTY = "tidegate.flink.library";

  static {
    load();
  }

  private Native() {}

  private static void load() {
    String given = System.getProperty(PROPERTY);
    if (given != null) {
      System.load(given);
      return;
    }
    String platform = platform();
    String resource = "native/" + platform + "/" + System.mapLibraryName("tidegate_flink");
    try (InputStream library = Native.class.getResourceAsStream(resource)) {
      if (library == null) {
        throw new UnsatisfiedLinkError("this jar has no native library for " + platform + ": package it on such a machine");
      }
      Path file = Files.createTempFile("tidegate-flink-", ".library");
      try {
        Files.copy(library, file, StandardCopyOption.REPLACE_EXISTING);
        System.load(file.toString());
      } finally {
        // What is loaded stays loaded.
        Files.deleteIfExists(file);
      }
    } catch (IOException error) {
      throw (UnsatisfiedLinkError) new UnsatisfiedLinkError("the native library cannot be copied: " + error.getMessage()).initCause(error);
    }
  }

  /** {@code linux-x86_64} and the like, as Rust calls them. */
  private static String platform() {
    String system = System.getProperty("os.name").toLowerCase(java.util.Locale.ROOT);
    String name = system.startsWith("mac") ? "macos" : system.startsWith("windows") ? "windows" : system;
    String processor = System.getProperty("os.arch");
    return name + "-" + (processor.equals("amd64") ? "x86_64" : processor);
  }

  /** Opens a model of the registry in a folder; {@code reference} is {@code intent}, {@code intent$3} or {@code intent$candidate}. */
  static native long open(String registry, String reference);

  static native void close(long handle);

  /** A line a column: {@code input} or {@code output}, what it holds, and its name, with tabs between them. */
  static native String describe(long handle);

  /** The version that predicts. */
  static native long version(long handle);

  /** Loads the version that the reference means by now; returns whether it is another one. */
  static native boolean reload(long handle);

  /** Predicts rows laid out as {@link Cells} says; returns the bytes of the predictions' texts. */
  static native byte[] predict(
      long handle, ByteBuffer input, ByteBuffer texts, int textBytes, ByteBuffer output, int capacity, int rows);
}
