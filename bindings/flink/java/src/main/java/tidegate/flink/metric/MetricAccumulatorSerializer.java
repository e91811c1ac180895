package tidegate.flink.metric;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSchemaCompatibility;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.types.StringValue;

/** An accumulator as bytes, for checkpoints, savepoints and the way between tasks. The states in it have a version and a check of their own. */
public final class MetricAccumulatorSerializer extends TypeSerializer<MetricAccumulator> {
  private static final long serialVersionUID = 1L;

  static final MetricAccumulatorSerializer INSTANCE = new MetricAccumulatorSerializer();

  @Override
  public boolean isImmutableType() {
    return false;
  }

  @Override
  public TypeSerializer<MetricAccumulator> duplicate() {
    return this;
  }

  @Override
  public MetricAccumulator createInstance() {
    return new MetricAccumulator();
  }

  @Override
  public MetricAccumulator copy(MetricAccumulator from) {
    return from.copy();
  }

  @Override
  public MetricAccumulator copy(MetricAccumulator from, MetricAccumulator reuse) {
    return from.copy();
  }

  @Override
  public int getLength() {
    return -1;
  }

  @Override
  public void serialize(MetricAccumulator from, DataOutputView to) throws IOException {
    to.writeBoolean(from.forms != null);
    if (from.forms == null) {
      return;
    }
    StringValue.writeString(from.forms, to);
    to.writeInt(from.parameters.length);
    for (String parameter : from.parameters) {
      StringValue.writeString(parameter, to);
    }
    to.writeInt(from.states.size());
    for (byte[] state : from.states) {
      to.writeInt(state.length);
      to.write(state);
    }
    to.writeInt(from.rows);
    if (from.rows == 0) {
      return;
    }
    int cells = from.rows * columns(from.forms);
    for (int i = 0; i < cells; i++) {
      to.writeLong(from.cells[i]);
    }
    to.writeInt(from.textBytes);
    to.write(from.texts, 0, from.textBytes);
  }

  @Override
  public MetricAccumulator deserialize(DataInputView from) throws IOException {
    MetricAccumulator to = new MetricAccumulator();
    if (!from.readBoolean()) {
      return to;
    }
    to.forms = StringValue.readString(from);
    to.parameters = new String[from.readInt()];
    for (int i = 0; i < to.parameters.length; i++) {
      to.parameters[i] = StringValue.readString(from);
    }
    for (int states = from.readInt(); states > 0; states--) {
      to.states.add(bytes(from));
    }
    to.rows = from.readInt();
    if (to.rows == 0) {
      return to;
    }
    to.cells = new long[to.rows * columns(to.forms)];
    for (int i = 0; i < to.cells.length; i++) {
      to.cells[i] = from.readLong();
    }
    to.texts = bytes(from);
    to.textBytes = to.texts.length;
    return to;
  }

  @Override
  public MetricAccumulator deserialize(MetricAccumulator reuse, DataInputView from) throws IOException {
    return deserialize(from);
  }

  @Override
  public void copy(DataInputView from, DataOutputView to) throws IOException {
    serialize(deserialize(from), to);
  }

  private static byte[] bytes(DataInputView from) throws IOException {
    byte[] bytes = new byte[from.readInt()];
    from.readFully(bytes);
    return bytes;
  }

  private static int columns(String forms) {
    return 1 + (int) forms.chars().filter(c -> c == ' ').count();
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof MetricAccumulatorSerializer;
  }

  @Override
  public int hashCode() {
    return MetricAccumulatorSerializer.class.hashCode();
  }

  @Override
  public TypeSerializerSnapshot<MetricAccumulator> snapshotConfiguration() {
    return new Snapshot();
  }

  /** Which layout the bytes have. Another layout gets another version, and reads those before it. */
  public static final class Snapshot implements TypeSerializerSnapshot<MetricAccumulator> {
    private static final int VERSION = 1;

    @Override
    public int getCurrentVersion() {
      return VERSION;
    }

    @Override
    public void writeSnapshot(DataOutputView to) {
      // There is nothing to choose in the layout.
    }

    @Override
    public void readSnapshot(int version, DataInputView from, ClassLoader classes) throws IOException {
      if (version != VERSION) {
        throw new IOException("a metric's state has layout " + version + "; this version of Tidegate reads layout " + VERSION);
      }
    }

    @Override
    public TypeSerializer<MetricAccumulator> restoreSerializer() {
      return INSTANCE;
    }

    @Override
    public TypeSerializerSchemaCompatibility<MetricAccumulator> resolveSchemaCompatibility(
        TypeSerializerSnapshot<MetricAccumulator> before) {
      return before instanceof Snapshot
          ? TypeSerializerSchemaCompatibility.compatibleAsIs()
          : TypeSerializerSchemaCompatibility.incompatible();
    }
  }
}
