import java.util.AbstractList;

/** A list of numbers that are kept unboxed. */
final class Floats extends AbstractList<Float> {
    private final float[] values;

    Floats(float[] values) {
        this.values = values;
    }

    @Override
    public Float get(int at) {
        return values[at];
    }

    @Override
    public int size() {
        return values.length;
    }
}
