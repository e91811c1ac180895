package tidegate.flink.model;

import java.util.List;
import tidegate.flink.Native;

/** What a registry holds. */
final class NativeRegistry {
  static {
    Native.load();
  }

  private NativeRegistry() {}

  /** The names of the models in a registry that have a version. */
  static List<String> names(String registry) {
    return models(registry).lines().toList();
  }

  /** A line a model. */
  private static native String models(String registry);
}
