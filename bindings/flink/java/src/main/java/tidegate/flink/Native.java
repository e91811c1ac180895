package tidegate.flink;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * The native library. A class with native functions loads it first: {@code static { Native.load(); }}.
 *
 * <p>The library is in the jar. A virtual machine loads a file into one class loader only, and a job has a class loader of its own; so
 * each copies it to a file of its own.
 *
 * <p>What native code is given and gives are handles and batches. A handle is closed once by whoever opened it, and used from one thread
 * at a time.
 */
public final class Native {
  /** A path to the library that is loaded instead of the one in the jar. */
  private static final String PROPERTY = "tidegate.flink.library";

  static {
    find();
  }

  private Native() {}

  /** Loads the library, the first time that it is called. */
  public static void load() {
    // Loading this class has done it.
  }

  /** How many handles are open, in this class loader. When the last one is closed, what native code held is gone. */
  public static native int owned();

  private static void find() {
    String given = System.getProperty(PROPERTY);
    if (given != null) {
      copyAndLoad(given);
      return;
    }
    String platform = platform();
    String resource = "native/" + platform + "/" + System.mapLibraryName("tidegate_flink");
    try (InputStream library = Native.class.getResourceAsStream(resource)) {
      if (library == null) {
        throw new UnsatisfiedLinkError("this jar has no native library for " + platform + ": package it on such a machine");
      }
      load(library);
    } catch (IOException error) {
      throw unsatisfied(error);
    }
  }

  private static void copyAndLoad(String path) {
    try (InputStream library = Files.newInputStream(Path.of(path))) {
      load(library);
    } catch (IOException error) {
      throw unsatisfied(error);
    }
  }

  private static void load(InputStream library) throws IOException {
    Path file = Files.createTempFile("tidegate-flink-", ".library");
    try {
      Files.copy(library, file, StandardCopyOption.REPLACE_EXISTING);
      System.load(file.toString());
    } finally {
      // What is loaded stays loaded.
      Files.deleteIfExists(file);
    }
  }

  private static UnsatisfiedLinkError unsatisfied(IOException error) {
    return (UnsatisfiedLinkError) new UnsatisfiedLinkError("the native library cannot be copied: " + error.getMessage()).initCause(error);
  }

  /** {@code linux-x86_64} and the like, as Rust calls them. */
  private static String platform() {
    String system = System.getProperty("os.name").toLowerCase(java.util.Locale.ROOT);
    String name = system.startsWith("mac") ? "macos" : system.startsWith("windows") ? "windows" : system;
    String processor = System.getProperty("os.arch");
    return name + "-" + (processor.equals("amd64") ? "x86_64" : processor);
  }
}
