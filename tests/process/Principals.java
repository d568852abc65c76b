// Holds principals.txt to Kafka's own mapper, and prints each line on which the two disagree.
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.kafka.common.security.ssl.SslPrincipalMapper;

public class Principals {
    static String name(SslPrincipalMapper mapper, String distinguishedName) {
        try {
            return mapper.getName(distinguishedName);
        } catch (IOException noRule) {
            return null;
        }
    }

    static boolean agrees(String rules, String line) {
        SslPrincipalMapper mapper;
        try {
            mapper = SslPrincipalMapper.fromRules(rules);
        } catch (IllegalArgumentException wrong) {
            return line.equals("invalid");
        }
        if (line.endsWith(" refused")) {
            return name(mapper, line.substring(0, line.length() - " refused".length())) == null;
        }
        int arrow = line.indexOf(" -> ");
        return arrow >= 0 && line.substring(arrow + 4).equals(name(mapper, line.substring(0, arrow)));
    }

    public static void main(String[] arguments) throws IOException {
        String rules = "";
        int held = 0;
        int wrong = 0;
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            if (!line.startsWith("  ")) {
                rules = line;
                continue;
            }
            held++;
            if (!agrees(rules, line.substring(2))) {
                wrong++;
                System.out.println(rules + " |" + line);
            }
        }
        System.out.println(held + " lines, " + wrong + " wrong");
        System.exit(held > 60 && wrong == 0 ? 0 : 1);
    }
}
