import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** An app for tests. A line of stdin is an update of a feed: what phones.py writes. A line of stdout is what happened. */
public final class Phone {
    private Phone() {}

    public static void main(String[] arguments) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        for (String line; (line = in.readLine()) != null; ) {
            String[] asked = line.split("\t", -1);
            ModelFeed feed = new ModelFeed(asked[0], asked[1], asked[2], app(asked), new File(asked[8]));
            boolean hadFile = feed.current() != null;
            String happened;
            try {
                happened = "done\t" + feed.update();
            } catch (IOException failure) {
                happened = "failed\t" + failure.getMessage();
            } catch (ModelFeed.Refused refused) {
                happened = "refused\t" + refused.getMessage();
            }
            File current = feed.current();
            String labels = current == null ? "" : String.join(",", ModelFeed.labels(current));
            out.println(happened.replace('\n', ' ') + "\t" + (current == null ? "" : current) + "\t" + labels + "\t" + hadFile);
        }
    }

    private static ModelFeed.App app(String[] asked) {
        return new ModelFeed.App() {
            @Override
            public List<String> keys() {
                return Arrays.asList(asked[3].split(","));
            }

            @Override
            public String installation() {
                return asked[4];
            }

            @Override
            public long version() {
                return Long.parseLong(asked[5]);
            }

            @Override
            public String runtimeVersion() {
                return asked[6];
            }

            @Override
            public Instant now() {
                return Instant.parse(asked[7]);
            }

            /** The tests' files are numbers in text, by which the input is multiplied. */
            @Override
            public List<Map<String, float[]>> answers(File model, List<Map<String, float[]>> inputs) throws IOException {
                float factor = Float.parseFloat(new String(Files.readAllBytes(model.toPath()), StandardCharsets.UTF_8));
                List<Map<String, float[]>> found = new ArrayList<>();
                for (Map<String, float[]> example : inputs) {
                    float[] values = example.get("größe").clone();
                    for (int index = 0; index < values.length; index++) {
                        values[index] = Float.isNaN(values[index]) ? -1 : values[index] * factor;
                    }
                    found.add(new HashMap<>(Map.of("p", values)));
                }
                return found;
            }
        };
    }
}
