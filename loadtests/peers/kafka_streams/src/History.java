import java.nio.ByteBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;

/**
 * What a customer did in the last 30 days: times (ms) and amounts (minor units) in order of time,
 * and by window the index of its left edge and the sum right of it. Events come in order.
 */
final class History {
    static final int FEATURES = 17;

    private static final long[] WINDOWS = {
        600_000L, 3_600_000L, 86_400_000L, 604_800_000L, 2_592_000_000L
    };
    private static final int HEAD = 2 * WINDOWS.length;

    private long[] times;
    private long[] amounts;
    private int size;
    private final int[] left = new int[WINDOWS.length];
    private final long[] sums = new long[WINDOWS.length];

    History() {
        this(0);
    }

    private History(int size) {
        this.size = size;
        this.times = new long[size + 1];
        this.amounts = new long[size + 1];
    }

    /** Takes an event in, and writes its 17 features into `out` from `at` on. */
    void add(long time, long amount, float[] out, int at) {
        if (size == times.length) {
            times = Arrays.copyOf(times, 2 * size);
            amounts = Arrays.copyOf(amounts, 2 * size);
        }
        double since = size == 0 ? Double.NaN : (time - times[size - 1]) / 1000.0;
        times[size] = time;
        amounts[size] = amount;
        size++;
        for (int window = 0; window < WINDOWS.length; window++) {
            int index = left[window];
            long total = sums[window] + amount;
            long edge = time - WINDOWS[window];
            while (times[index] <= edge) {
                total -= amounts[index++];
            }
            left[window] = index;
            sums[window] = total;
            int count = size - index;
            out[at + window] = count;
            out[at + 5 + window] = total;
            out[at + 10 + window] = (float) ((double) total / count);
        }
        int count = size - left[4];
        long others = sums[4] - amount;
        boolean known = count > 1 && others > 0;
        out[at + 15] = known ? (float) ((double) amount * (count - 1) / others) : Float.NaN;
        out[at + 16] = (float) since;
    }

    /** Edges and sums, then the events of the longest window: 8 bytes each. */
    static Serde<History> serde() {
        Serializer<History> write = (topic, history) -> history == null ? null : history.bytes();
        Deserializer<History> read = (topic, bytes) -> bytes == null ? null : of(bytes);
        return Serdes.serdeFrom(write, read);
    }

    private byte[] bytes() {
        int gone = left[4];
        int kept = size - gone;
        ByteBuffer out = ByteBuffer.allocate(8 * (HEAD + 2 * kept));
        LongBuffer longs = out.asLongBuffer();
        for (int edge : left) {
            longs.put(edge - gone);
        }
        longs.put(sums).put(times, gone, kept).put(amounts, gone, kept);
        return out.array();
    }

    private static History of(byte[] bytes) {
        LongBuffer longs = ByteBuffer.wrap(bytes).asLongBuffer();
        History out = new History((longs.remaining() - HEAD) / 2);
        for (int window = 0; window < WINDOWS.length; window++) {
            out.left[window] = (int) longs.get();
        }
        longs.get(out.sums).get(out.times, 0, out.size).get(out.amounts, 0, out.size);
        return out;
    }
}
