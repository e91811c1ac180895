package tidegate.flink.batch;

import java.io.Serializable;
import java.util.List;
import org.apache.flink.table.types.logical.LogicalType;

/**
 * The columns of rows, those of them that native code reads, and the columns that it gives for each row.
 *
 * @param inputs the types of the rows' columns
 * @param reader takes some of them to native code
 * @param outputs the types of what native code gives
 */
public record Layout(List<LogicalType> inputs, RowReader reader, List<LogicalType> outputs) implements Serializable {}
