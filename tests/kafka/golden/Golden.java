// Writes golden bytes: every message that we share with Apache Kafka, encoded by Kafka's own
// classes in every version. Each line: name, version, hex. How to run it: see README.md.
//
// Each message is written twice: with every field filled, and with null where null is allowed and
// empty arrays. Fields are found by reflection, in the order of their declaration; values are
// counted up, so that the output is the same each time.

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.ApiMessageType;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.BaseRecords;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.SimpleRecord;

public class Golden {
    static long count = 0;

    // The fields that a version has, tagged ones among them.
    static Map<String, Type> fieldsOf(Schema schema) {
        Map<String, Type> found = new HashMap<>();
        for (BoundField field : schema.fields()) {
            if (field.def.type instanceof TaggedFields tagged) {
                tagged.fields().values().forEach(f -> found.put(f.name, f.type));
            } else {
                found.put(field.def.name, field.def.type);
            }
        }
        return found;
    }

    static Class<?> elementOf(Field field) {
        if (field.getGenericType() instanceof ParameterizedType list) {
            return (Class<?>) list.getActualTypeArguments()[0];
        }
        var collection = (ParameterizedType) field.getType().getGenericSuperclass();
        return (Class<?>) collection.getActualTypeArguments()[0];
    }

    static Object value(Class<?> type, int version, boolean sparse) throws Exception {
        ++count;
        if (type == boolean.class) return count % 2 == 0;
        if (type == byte.class || type == Byte.class) return (byte) count;
        if (type == short.class || type == Short.class) return (short) (count * 7);
        if (type == int.class || type == Integer.class) return (int) (count * 70001);
        if (type == long.class || type == Long.class) return count * 7000000001L;
        if (type == double.class) return count * 0.5;
        if (type == String.class) return "s" + count;
        if (type == byte[].class) return new byte[] {1, 2, (byte) count};
        if (type == Uuid.class) return new Uuid(count, -count);
        if (type == BaseRecords.class) {
            var record = new SimpleRecord(1000, new byte[] {9});
            return MemoryRecords.withRecords(Compression.NONE, record);
        }
        Message message = (Message) type.getConstructor().newInstance();
        fill(message, version, sparse);
        return message;
    }

    @SuppressWarnings("unchecked")
    static void fill(Message message, int version, boolean sparse) throws Exception {
        Schema[] schemas = (Schema[]) message.getClass().getField("SCHEMAS").get(null);
        Map<String, Type> present = fieldsOf(schemas[version]);
        for (Field field : message.getClass().getDeclaredFields()) {
            String name = snake(field.getName());
            if (Modifier.isStatic(field.getModifiers()) || !present.containsKey(name)) continue;
            field.setAccessible(true);
            boolean records = field.getType() == BaseRecords.class;  // null and empty are one to us
            if (sparse && present.get(name).isNullable() && !records) {
                field.set(message, null);
            } else if (Collection.class.isAssignableFrom(field.getType())) {
                Collection<Object> all = field.getType() == List.class ? new ArrayList<>()
                    : (Collection<Object>) field.getType().getConstructor(int.class).newInstance(0);
                for (int i = 0; i < (sparse ? 1 : 2); ++i) {
                    all.add(value(elementOf(field), version, sparse));
                }
                field.set(message, all);
            } else {
                field.set(message, value(field.getType(), version, sparse));
            }
        }
    }

    static String snake(String name) {
        return name.replaceAll("([a-z0-9])([A-Z])", "$1_$2").toLowerCase();
    }

    static void write(String name, Class<?> type, int from, int to, int shown) throws Exception {
        for (int version = from; version <= to; ++version) {
            for (boolean sparse : new boolean[] {false, true}) {
                count = 0;
                Message message = (Message) type.getConstructor().newInstance();
                fill(message, version, sparse);
                var bytes = MessageUtil.toByteBufferAccessor(message, (short) version).buffer();
                byte[] copy = new byte[bytes.remaining()];
                bytes.get(copy);
                System.out.println(name + " " + (version + shown) + " "
                    + HexFormat.of().formatHex(copy));
            }
        }
    }

    // Arguments: "key name min max" of each API, as one word each with ':' between.
    public static void main(String[] apis) throws Exception {
        for (String api : apis) {
            String[] words = api.split(":");
            var type = ApiMessageType.fromApiKey(Short.parseShort(words[0]));
            int from = Integer.parseInt(words[2]);
            int to = Integer.parseInt(words[3]);
            write(words[1] + "Request", type.newRequest().getClass(), from, to, 0);
            write(words[1] + "Response", type.newResponse().getClass(), from, to, 0);
        }
        // Stored keys carry the kind of record where others have their version: it is added.
        String stored = "org.apache.kafka.coordinator.group.generated.";
        write("OffsetCommitKey", Class.forName(stored + "OffsetCommitKey"), 0, 0, 1);
        write("OffsetCommitValue", Class.forName(stored + "OffsetCommitValue"), 0, 4, 0);
        write("GroupMetadataKey", Class.forName(stored + "GroupMetadataKey"), 0, 0, 2);
        write("GroupMetadataValue", Class.forName(stored + "GroupMetadataValue"), 0, 4, 0);
    }
}
