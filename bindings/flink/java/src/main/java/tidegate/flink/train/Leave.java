package tidegate.flink.train;

import java.io.IOException;
import java.util.List;
import org.apache.flink.api.common.typeutils.base.array.BytePrimitiveArraySerializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.runtime.operators.coordination.CoordinationRequest;
import org.apache.flink.runtime.operators.coordination.CoordinationResponse;
import org.apache.flink.streaming.api.operators.collect.CollectCoordinationResponse;

/**
 * A replica is at the end of its input. It is told the number of the last merge, and a part of what came of that.
 *
 * <p>The answer is of a class of Flink's: what answers a request is read without the classes of the job.
 */
record Leave(int subtask, int attempt, int part) implements CoordinationRequest {
  static CoordinationResponse answer(long round, byte[] merged, int part) throws IOException {
    DataOutputSerializer bytes = new DataOutputSerializer(64);
    BytePrimitiveArraySerializer.INSTANCE.serialize(Message.part(merged, part), bytes);
    return new CollectCoordinationResponse(String.valueOf(Message.parts(merged)), round, List.of(bytes.getCopyOfBuffer()));
  }

  static long round(CollectCoordinationResponse answer) {
    return answer.getLastCheckpointedOffset();
  }

  static int parts(CollectCoordinationResponse answer) {
    return Integer.parseInt(answer.getVersion());
  }

  static byte[] part(CollectCoordinationResponse answer) throws IOException {
    return answer.getResults(BytePrimitiveArraySerializer.INSTANCE).get(0);
  }
}
