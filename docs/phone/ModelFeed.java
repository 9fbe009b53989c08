// One file, no dependency: Android 8.0 (API 26) or newer, and any JVM from 11 on. Put your package's line here.

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.StreamTokenizer;
import java.io.StringReader;
import java.net.HttpURLConnection;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;

/**
 * The newest model file that this app may have. A file is used only after its feed's signature, its sha256 and its
 * golden examples were checked. Until then, and after any failure, the last good file stays, if there is one.
 *
 * <pre>
 * ModelFeed feed = new ModelFeed("https://models.example.com/flowers/", "flowers", "stable", app, folder);
 * feed.update();                 // once a day, off the main thread: docs/phone.md
 * File model = feed.current();   // null before the first update: use the file that the app was built with
 * </pre>
 */
public final class ModelFeed {

    /** All that an app brings. */
    public interface App {
        /** Public keys as X.509 in base64: the current one, then the next one. `nightlite feed keys` makes them. */
        List<String> keys();

        /** A random name of this installation, made once and kept. It decides when a staged release comes here. */
        String installation();

        /** A number that you raise when the app understands another contract: a release's least_app_version. */
        long version();

        /** TensorFlow Lite's version, such as "2.14.0", or "litert" for LiteRT, which is newer than any of them. */
        String runtimeVersion();

        /** Load a file and return its outputs for each example's inputs, all by the names of its signature. */
        List<Map<String, float[]>> answers(File model, List<Map<String, float[]>> inputs) throws Exception;

        /** The time, for tests. */
        default Instant now() {
            return Instant.now();
        }
    }

    /** The server's files are not what the publisher signed, or do not run here. Report it; retrying does not help. */
    public static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        Refused(String message) {
            super(message);
        }
    }

    private static final int LATEST_BYTES = 65_536; // and of its signatures
    private static final int TRIES = 3;
    private static final int TIMEOUT_MS = 15_000;

    private final String base;
    private final String model;
    private final String channel;
    private final App app;
    private final File folder;

    /**
     * @param base the address of the model's feed, the parent of its channels
     * @param folder for this feed alone, in the app's private storage
     */
    public ModelFeed(String base, String model, String channel, App app, File folder) {
        this.base = base.endsWith("/") ? base : base + "/";
        this.model = model;
        this.channel = channel;
        this.app = app;
        this.folder = folder;
    }

    /** Return the last good file, or null if there is none or the storage has damaged it. */
    public synchronized File current() throws IOException {
        String sha256 = state().getProperty("sha256");
        File file = new File(folder, sha256 + ".tflite");
        return file.exists() && sha256(Files.readAllBytes(file.toPath())).equals(sha256) ? file : null;
    }

    /** Return the labels of a file that `current()` returned, in the order of its outputs. */
    public static List<String> labels(File model) throws IOException {
        return Files.readAllLines(new File(model.getPath().replace(".tflite", ".labels.txt")).toPath());
    }

    /**
     * Get the newest file that this app may have, unless it has it. Return a line for a log.
     *
     * @throws IOException no connection, or an answer that is no feed's: try again later
     * @throws Refused see there
     */
    public synchronized String update() throws IOException, Refused {
        Files.createDirectories(folder.toPath());
        try {
            return updated();
        } catch (Refused refused) {
            String then = current() == null ? "There is no file from this feed yet" : "The last good file stays";
            throw new Refused(refused.getMessage() + ". " + then);
        }
    }

    private String updated() throws IOException, Refused {
        Map<String, Object> offer = offer(latest());
        if (offer == null) {
            return "no release for version " + app.version() + " of this app: nothing changes";
        }
        String release = "release " + number(offer, "version");
        if (current() != null && offer.get("sha256").equals(state().getProperty("sha256"))) {
            return "nothing new since " + release;
        }
        int examples = install(offer, release);
        return release + ", " + number(offer, "size") + " bytes, golden " + examples + " of " + examples;
    }

    // ---- latest.json: is it signed, this feed's, as new as before, and not too old?

    /** Return the checked latest.json. If the server has no other one, it is the one that was checked last time. */
    private Map<String, Object> latest() throws IOException, Refused {
        Properties state = state();
        String url = base + channel + "/latest.json";
        for (int tried = 1; ; tried++) {
            ByteArrayOutputStream content = new ByteArrayOutputStream();
            String etag = get(url, LATEST_BYTES, content, tried == 1 ? state.getProperty("etag", "") : null);
            if (etag == null) {
                return fresh(json(state.getProperty("latest")));
            }
            ByteArrayOutputStream signatures = new ByteArrayOutputStream();
            get(url + ".sig", LATEST_BYTES, signatures, tried == 1 ? "" : null);
            int key = signer(content.toByteArray(), signatures.toString("UTF-8"));
            if (key < 0 && tried < TRIES) {
                continue; // two releases may have come out between the two requests
            }
            String text = content.toString("UTF-8");
            Map<String, Object> latest = accepted(text, key, state);
            state.setProperty("sequence", Long.toString(number(latest, "sequence")));
            state.setProperty("key", app.keys().get(key));
            state.setProperty("latest", text);
            state.setProperty("etag", etag);
            save(state);
            return latest;
        }
    }

    private Map<String, Object> accepted(String text, int key, Properties state) throws IOException, Refused {
        String beginning = text.substring(0, Math.min(60, text.length())).replaceAll("\\s+", " ");
        require(key >= 0, "latest.json signed by a key of this app", beginning,
            "check the server's files; after two rotations of the keys, the app needs an update");
        Map<String, Object> latest = json(text);
        String keyId = sha256(Base64.getDecoder().decode(app.keys().get(key))).substring(0, 16);
        require(keyId.equals(latest.get("key_id")), "key_id " + keyId, latest.get("key_id"), "check the feed's publisher");
        require(number(latest, "schema_version") == 1, "schema_version 1", number(latest, "schema_version"),
            "the app needs an update");
        require(model.equals(latest.get("model")) && channel.equals(latest.get("channel")), model + ", " + channel,
            latest.get("model") + ", " + latest.get("channel"), "check the server's files");
        int before = app.keys().indexOf(state.getProperty("key"));
        require(key >= before, "a signature by the key that was rotated to",
            "one by the key before, which others may have by now", "check the server's files");
        if (key == before) { // a new key's documents are newer than all of the old one's
            String known = state.getProperty("sequence");
            require(number(latest, "sequence") >= Long.parseLong(known), "sequence " + known + " or later",
                number(latest, "sequence"), "check the server's files and the caches between, which are older");
        }
        return fresh(latest);
    }

    private Map<String, Object> fresh(Map<String, Object> latest) throws Refused {
        require(app.now().isBefore(Instant.parse((String) latest.get("expires"))), "a feed that is renewed every night",
            "one that expired at " + latest.get("expires"), "check its publisher, the caches and this device's clock");
        return latest;
    }

    /** Return the index of the app's key that signed a content, or -1. A line is a key's id and its signature. */
    private int signer(byte[] content, String lines) {
        for (String line : lines.split("\n")) {
            for (int key = 0; key < app.keys().size(); key++) {
                try {
                    byte[] encoded = Base64.getDecoder().decode(app.keys().get(key));
                    PublicKey known = KeyFactory.getInstance("EC").generatePublic(new X509EncodedKeySpec(encoded));
                    Signature signature = Signature.getInstance("SHA256withECDSA");
                    signature.initVerify(known);
                    signature.update(content);
                    if (signature.verify(Base64.getDecoder().decode(line.substring(line.indexOf(' ') + 1)))) {
                        return key;
                    }
                } catch (GeneralSecurityException | IllegalArgumentException thisIsNone) {
                    continue;
                }
            }
        }
        return -1;
    }

    // ---- The offers: which is for this app?

    /** Return the first offer, which is the newest, that this installation may have, or null. */
    private Map<String, Object> offer(Map<String, Object> latest) {
        for (Object item : list(latest.get("offers"))) {
            Map<String, Object> offer = object(item);
            if (app.version() >= number(offer, "least_app_version")
                    && isNewEnough(app.runtimeVersion(), (String) offer.get("least_runtime_version"))
                    && bucket(number(offer, "version")) < number(offer, "share_permille")) {
                return offer;
            }
        }
        return null;
    }

    /** Return this installation's place in a release's staged roll-out, 0 to 999. It stays in as the share grows. */
    private long bucket(long version) {
        String name = app.installation() + ":" + version;
        String first = sha256(name.getBytes(StandardCharsets.UTF_8)).substring(0, 16);
        return Long.remainderUnsigned(Long.parseUnsignedLong(first, 16), 1000);
    }

    private static boolean isNewEnough(String version, String least) {
        if (version.equals("litert") || least.isEmpty()) {
            return true;
        }
        String[] has = version.split("\\.");
        String[] wants = least.split("\\.");
        for (int part = 0; part < Math.min(has.length, wants.length); part++) {
            int difference = Integer.parseInt(has[part]) - Integer.parseInt(wants[part]);
            if (difference != 0) {
                return difference > 0;
            }
        }
        return has.length >= wants.length;
    }

    // ---- The file: whole, the signed one, and right on this device?

    /** Make the offered file the current one. Return the number of its golden examples. */
    private int install(Map<String, Object> offer, String release) throws IOException, Refused {
        String sha256 = (String) offer.get("sha256");
        download(object(offer.get("labels")), sha256 + ".labels.txt");
        File file = download(offer, sha256 + ".tflite");
        int examples = 0;
        if (offer.get("golden") != null) { // a release may be older than golden examples
            File golden = download(object(offer.get("golden")), sha256 + ".golden.json");
            examples = tryGolden(file, json(new String(Files.readAllBytes(golden.toPath()), "UTF-8")), release);
        }
        Properties state = state();
        String before = state.getProperty("sha256", sha256); // the app may be about to open it
        state.setProperty("sha256", sha256);
        save(state); // from here on, it is the current one
        for (File other : folder.listFiles()) {
            String name = other.getName();
            if (!name.startsWith(sha256) && !name.startsWith(before) && !other.equals(stateFile())) {
                Files.delete(other.toPath());
            }
        }
        return examples;
    }

    /** Write a signed file under a name, which appears when the whole file was checked. */
    private File download(Map<String, Object> signed, String name) throws IOException, Refused {
        File partial = new File(folder, "partial");
        String url = base + signed.get("url");
        long size = number(signed, "size");
        try (FileOutputStream out = new FileOutputStream(partial)) {
            get(url, size, out, "");
            out.getFD().sync();
        }
        if (partial.length() < size) {
            throw new IOException(url + ": expected " + size + " bytes. Received: " + partial.length()
                + "; try again later");
        }
        String found = sha256(Files.readAllBytes(partial.toPath()));
        require(found.equals(signed.get("sha256")), url + " with sha256 " + signed.get("sha256"), found,
            "check the server's files");
        return replace(partial, new File(folder, name));
    }

    private int tryGolden(File file, Map<String, Object> golden, String release) throws Refused {
        List<Map<String, float[]>> inputs = new ArrayList<>();
        List<Map<String, float[]>> expected = new ArrayList<>();
        for (Object example : list(golden.get("examples"))) {
            inputs.add(floats(object(example).get("inputs")));
            expected.add(floats(object(example).get("outputs")));
        }
        int agreeing = 0;
        try {
            List<Map<String, float[]>> found = app.answers(file, inputs);
            for (int example = 0; example < expected.size(); example++) {
                agreeing += agree(expected.get(example), found.get(example), (Double) golden.get("tolerance")) ? 1 : 0;
            }
        } catch (Exception failure) {
            throw new Refused("this app cannot run the golden examples of " + release + ": " + failure);
        }
        require(agreeing == expected.size(), "all golden examples of " + release + " to agree on this device",
            agreeing + " of " + expected.size(), "try the release on such a device, and halt it if it is wrong");
        return agreeing;
    }

    private static boolean agree(Map<String, float[]> expected, Map<String, float[]> found, double tolerance) {
        for (Map.Entry<String, float[]> output : expected.entrySet()) {
            float[] values = found.get(output.getKey());
            for (int index = 0; index < output.getValue().length; index++) {
                if (!(Math.abs(values[index] - output.getValue()[index]) <= tolerance)) { // NaN agrees with nothing
                    return false;
                }
            }
        }
        return true;
    }

    private static void require(boolean holds, String expected, Object received, String advice) throws Refused {
        if (!holds) {
            throw new Refused("expected " + expected + ". Received: " + received + "; " + advice);
        }
    }

    // ---- Transport: never more bytes than wanted, no redirect, no waiting forever

    /**
     * Write an answer's content to `out`. Return its ETag, or null if there is nothing new since `known`.
     *
     * @param known an ETag, or "" for none, or null to ask the server itself past the caches between
     */
    private static String get(String url, long limit, OutputStream out, String known) throws IOException {
        HttpURLConnection connection = (HttpURLConnection) new URL(url).openConnection();
        connection.setConnectTimeout(TIMEOUT_MS);
        connection.setReadTimeout(TIMEOUT_MS);
        connection.setInstanceFollowRedirects(false);
        connection.setUseCaches(false);
        connection.setRequestProperty("Accept-Encoding", "identity");
        if (known == null) {
            connection.setRequestProperty("Cache-Control", "no-cache");
        } else if (!known.isEmpty()) {
            connection.setRequestProperty("If-None-Match", known);
        }
        try {
            int status = connection.getResponseCode();
            if (status == HttpURLConnection.HTTP_NOT_MODIFIED && known != null && !known.isEmpty()) {
                return null;
            }
            if (status != HttpURLConnection.HTTP_OK) {
                String to = connection.getHeaderField("Location");
                throw new IOException(url + ": expected status 200. Received: " + status + (to == null ? "" : " to " + to
                    + ", which may be a network's log-in page") + "; try again later");
            }
            try (InputStream in = connection.getInputStream()) {
                byte[] buffer = new byte[16_384];
                long received = 0;
                for (int count; (count = in.read(buffer)) >= 0; out.write(buffer, 0, count)) {
                    received += count;
                    if (received > limit) {
                        throw new IOException(url + ": expected at most " + limit
                            + " bytes. Received: more; try again later");
                    }
                }
            }
            String etag = connection.getHeaderField("ETag");
            return etag == null ? "" : etag;
        } finally {
            connection.disconnect();
        }
    }

    // ---- Storage: one small file has all that is remembered, and is replaced whole

    private File stateFile() {
        return new File(folder, "feed.properties");
    }

    private Properties state() throws IOException {
        Properties state = new Properties();
        if (stateFile().exists()) {
            try (FileInputStream in = new FileInputStream(stateFile())) {
                state.load(in);
            }
        }
        return state;
    }

    private void save(Properties state) throws IOException {
        File partial = new File(folder, "partial");
        try (FileOutputStream out = new FileOutputStream(partial)) {
            state.store(out, null);
            out.getFD().sync();
        }
        replace(partial, stateFile());
    }

    private static File replace(File partial, File file) throws IOException {
        Files.move(partial.toPath(), file.toPath(), StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
        return file;
    }

    private static String sha256(byte[] content) {
        StringBuilder text = new StringBuilder();
        try {
            for (byte item : MessageDigest.getInstance("SHA-256").digest(content)) {
                text.append(String.format("%02x", item));
            }
        } catch (GeneralSecurityException impossible) {
            throw new AssertionError(impossible); // every Java has it
        }
        return text.toString();
    }

    // ---- JSON: only texts whose signature or sha256 was checked come here

    /** Return maps, lists, strings and doubles. The publisher writes UTF-8, so no name has an escape by number. */
    private static Map<String, Object> json(String text) throws IOException {
        StreamTokenizer tokens = new StreamTokenizer(new StringReader(text));
        tokens.resetSyntax(); // its own numbers have no exponents
        tokens.whitespaceChars(0, ' ');
        tokens.quoteChar('"');
        tokens.wordChars('+', '9');
        tokens.ordinaryChar(',');
        tokens.wordChars('A', 'Z');
        tokens.wordChars('a', 'z');
        return object(value(tokens));
    }

    private static Object value(StreamTokenizer tokens) throws IOException {
        switch (tokens.nextToken()) {
            case '{':
                Map<String, Object> object = new LinkedHashMap<>();
                while (tokens.nextToken() != '}') {
                    if (tokens.ttype == '"') {
                        String name = tokens.sval;
                        tokens.nextToken(); // the colon
                        object.put(name, value(tokens));
                    }
                }
                return object;
            case '[':
                List<Object> list = new ArrayList<>();
                while (tokens.nextToken() != ']') {
                    if (tokens.ttype != ',') {
                        tokens.pushBack();
                        list.add(value(tokens));
                    }
                }
                return list;
            case '"':
                return tokens.sval;
            default:
                return tokens.sval.equals("null") ? null : Double.valueOf(tokens.sval);
        }
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> object(Object value) {
        return (Map<String, Object>) value;
    }

    @SuppressWarnings("unchecked")
    private static List<Object> list(Object value) {
        return (List<Object>) value;
    }

    private static long number(Map<String, Object> object, String name) {
        return ((Double) object.get(name)).longValue();
    }

    /** Return tensors by their names, flat. JSON has no NaN, so that is null. */
    private static Map<String, float[]> floats(Object tensors) {
        Map<String, float[]> found = new LinkedHashMap<>();
        for (Map.Entry<String, Object> tensor : object(tensors).entrySet()) {
            List<Object> values = list(tensor.getValue());
            float[] flat = new float[values.size()];
            for (int index = 0; index < flat.length; index++) {
                flat[index] = values.get(index) == null ? Float.NaN : ((Double) values.get(index)).floatValue();
            }
            found.put(tensor.getKey(), flat);
        }
        return found;
    }
}
