package tidegate.flink.job;

import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.flink.api.dag.Transformation;

/**
 * Names for the operators of a job by which their state is found again.
 *
 * <p>The planner gives none by itself: then Flink takes a hash of the job's graph, in which the parallelism plays a part. Those that the
 * planner can be told to give have a number in them that counts up as long as the job manager lives, so that a job that is submitted
 * again would not find its state. Here a name is what the operator is and which one of its kind, going from the INSERT statements up to
 * the sources: the same for the same script, on however many tasks.
 */
final class Uids {
  /** The number that the planner gives to a node of its plan. */
  private static final Pattern NUMBER = Pattern.compile("\\[\\d+]");

  private final Set<Transformation<?>> seen = Collections.newSetFromMap(new IdentityHashMap<>());
  private final Map<String, Integer> counts = new HashMap<>();

  private Uids() {}

  /** Names all that is above these and has no name yet. */
  static void assign(List<Transformation<?>> ends) {
    Uids uids = new Uids();
    ends.forEach(uids::assign);
  }

  private void assign(Transformation<?> step) {
    if (!seen.add(step)) {
      return;
    }
    if (step.getUid() == null) {
      String kind = NUMBER.matcher(step.getName()).replaceAll("");
      step.setUid(kind + " " + counts.merge(kind, 1, Integer::sum));
    }
    step.getInputs().forEach(this::assign);
  }
}
