import java.io.File;
import java.io.IOException;
import org.apache.avro.Schema;
import org.apache.avro.SchemaParser;
import org.apache.avro.compiler.specific.SpecificCompiler;

/** Writes the classes of Avro schemas, as Avro's Maven plugin does: FOLDER SCHEMA... */
final class Records {
    private Records() {}

    public static void main(String[] arguments) throws IOException {
        for (int at = 1; at < arguments.length; at++) {
            File file = new File(arguments[at]);
            Schema schema = new SchemaParser().parse(file).mainSchema();
            SpecificCompiler compiler = new SpecificCompiler(schema);
            compiler.setFieldVisibility(SpecificCompiler.FieldVisibility.PRIVATE);
            compiler.compileToDestination(file, new File(arguments[0]));
        }
    }
}
