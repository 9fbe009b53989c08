// An outline: nobody has compiled or run it. It follows ModelFeed.java, which tests run, check by check. iOS 15 or newer.

import CryptoKit
import Foundation

/// All that an app brings.
protocol ModelFeedApp {
    /// Public keys, the current one first, then the next one: `P256.Signing.PublicKey(pemRepresentation:)`.
    var keys: [P256.Signing.PublicKey] { get }
    /// A random name of this installation, made once and kept.
    var installation: String { get }
    /// A number that you raise when the app understands another contract: a release's least_app_version.
    var version: Int { get }
    /// TensorFlow Lite's version, or "litert", which is newer than any.
    var runtimeVersion: String { get }
    /// Load a file and return its outputs for each example's inputs, by the names of its signature.
    func answers(_ model: URL, _ inputs: [[String: [Float]]]) throws -> [[String: [Float]]]
}

enum ModelFeedError: Error {
    /// No connection, or an answer that is no feed's: try again later.
    case unreachable(String)
    /// The server's files are not what the publisher signed, or do not run here: report it. The last good file stays.
    case refused(String)
}

struct SignedFile: Decodable {
    let url: String, sha256: String
    let size: Int
}

struct Offer: Decodable {
    let version: Int, url: String, sha256: String, size: Int
    let golden: SignedFile?
    let labels: SignedFile
    let least_app_version: Int, least_runtime_version: String, share_permille: UInt64
}

struct Latest: Decodable {
    let schema_version: Int, model: String, channel: String, sequence: Int, expires: Date
    let offers: [Offer]
}

struct Golden: Decodable {
    struct Example: Decodable {
        let inputs: [String: [Float?]], outputs: [String: [Float?]]  // null is NaN
    }
    let tolerance: Float
    let examples: [Example]
}

/// All that is remembered. Written whole, with Data.write(options: .atomic).
struct State: Codable {
    var key: Int = -1  // index in the app's keys; keep the key's own bytes if the app's keys change
    var sequence = 0
    var etag: String?
    var latest: Data?
    var sha256: String?
}

actor ModelFeed {
    let base: URL, model: String, channel: String, app: ModelFeedApp, folder: URL
    var now: () -> Date = Date.init
    private let session = URLSession(configuration: .ephemeral)  // with a delegate that answers each redirect with nil

    init(base: URL, model: String, channel: String, app: ModelFeedApp, folder: URL) {
        (self.base, self.model, self.channel, self.app, self.folder) = (base, model, channel, app, folder)
    }

    /// Return the last good file, or nil.
    func current() throws -> URL? {
        guard let sha256 = try state().sha256 else { return nil }
        let file = folder.appendingPathComponent(sha256 + ".tflite")
        guard let content = try? Data(contentsOf: file), hex(SHA256.hash(data: content)) == sha256 else { return nil }
        return file
    }

    /// Get the newest file that this app may have, unless it has it.
    func update() async throws {
        guard let offer = offer(in: try await latest()) else { return }
        if try current() != nil, try state().sha256 == offer.sha256 { return }
        let labels = try await download(offer.labels.url, offer.labels.size, offer.labels.sha256)
        let content = try await download(offer.url, offer.size, offer.sha256)
        let file = folder.appendingPathComponent(offer.sha256 + ".tflite")
        try content.write(to: file, options: .atomic)
        try labels.write(to: folder.appendingPathComponent(offer.sha256 + ".labels.txt"), options: .atomic)
        if let golden = offer.golden {
            try tryGolden(file, try await download(golden.url, golden.size, golden.sha256), offer.version)
        }
        var state = try state()
        state.sha256 = offer.sha256
        try save(state)  // from here on, it is the current one. Then remove the other files.
    }

    // MARK: latest.json: is it signed, this feed's, as new as before, and not too old?

    private func latest() async throws -> Latest {
        var state = try state()
        for tried in 1...3 {  // two releases may come out between the two requests
            guard let (content, etag) = try await get("\(channel)/latest.json", 65_536, tried == 1 ? state.etag : nil) else {
                return try fresh(decoded(state.latest!))
            }
            let lines = try await get("\(channel)/latest.json.sig", 65_536, nil)!.0
            guard let key = signer(of: content, lines) else { continue }
            let latest = try decoded(content)
            guard latest.schema_version == 1 else { throw ModelFeedError.refused("the app needs an update") }
            guard latest.model == model, latest.channel == channel else { throw ModelFeedError.refused("another feed's") }
            guard key >= state.key else { throw ModelFeedError.refused("signed by the key before the rotation") }
            guard key > state.key || latest.sequence >= state.sequence else { throw ModelFeedError.refused("replayed") }
            _ = try fresh(latest)
            (state.key, state.sequence, state.etag, state.latest) = (key, latest.sequence, etag, content)
            try save(state)
            return latest
        }
        throw ModelFeedError.refused("not signed by a key of this app")
    }

    private func fresh(_ latest: Latest) throws -> Latest {
        guard now() < latest.expires else { throw ModelFeedError.refused("expired at \(latest.expires)") }
        return latest
    }

    private func signer(of content: Data, _ lines: Data) -> Int? {
        for line in String(decoding: lines, as: UTF8.self).split(separator: "\n") {
            guard let encoded = line.split(separator: " ").last, let der = Data(base64Encoded: String(encoded)),
                let signature = try? P256.Signing.ECDSASignature(derRepresentation: der)
            else { continue }
            if let key = app.keys.firstIndex(where: { $0.isValidSignature(signature, for: content) }) { return key }
        }
        return nil
    }

    // MARK: The offers: which is for this app?

    private func offer(in latest: Latest) -> Offer? {
        latest.offers.first { offer in
            app.version >= offer.least_app_version
                && (app.runtimeVersion == "litert" || offer.least_runtime_version.isEmpty
                    || app.runtimeVersion.compare(offer.least_runtime_version, options: .numeric) != .orderedAscending)
                && bucket(offer.version) < offer.share_permille
        }
    }

    private func bucket(_ version: Int) -> UInt64 {
        let sum = SHA256.hash(data: Data("\(app.installation):\(version)".utf8))
        return sum.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) } % 1000
    }

    // MARK: The file: whole, the signed one, and right on this device?

    private func download(_ url: String, _ size: Int, _ sha256: String) async throws -> Data {
        let (content, _) = try await get(url, size, nil)!
        guard content.count == size else { throw ModelFeedError.unreachable("\(url): \(content.count) of \(size) bytes") }
        guard hex(SHA256.hash(data: content)) == sha256 else { throw ModelFeedError.refused("\(url): another file") }
        return content
    }

    private func tryGolden(_ file: URL, _ content: Data, _ version: Int) throws {
        let golden = try JSONDecoder().decode(Golden.self, from: content)
        let floats = { (values: [Float?]) in values.map { $0 ?? .nan } }
        let found = try app.answers(file, golden.examples.map { $0.inputs.mapValues(floats) })
        for (example, answer) in zip(golden.examples, found) {
            for (name, wanted) in example.outputs {
                guard let values = answer[name], values.count == wanted.count,
                    zip(values, floats(wanted)).allSatisfy({ abs($0 - $1) <= golden.tolerance })  // false for NaN
                else { throw ModelFeedError.refused("release \(version) disagrees with its golden examples here") }
            }
        }
    }

    // MARK: Transport and storage

    /// Return content and ETag, or nil for 304. Stop after `limit` bytes: never `data(for:)`, which reads all there is.
    private func get(_ path: String, _ limit: Int, _ etag: String?) async throws -> (Data, String?)? {
        var request = URLRequest(url: base.appendingPathComponent(path), cachePolicy: .reloadIgnoringLocalCacheData, timeoutInterval: 15)
        request.setValue(etag, forHTTPHeaderField: "If-None-Match")
        let (bytes, response) = try await session.bytes(for: request)
        let answer = response as! HTTPURLResponse
        if answer.statusCode == 304 && etag != nil { return nil }
        guard answer.statusCode == 200 else { throw ModelFeedError.unreachable("\(path): status \(answer.statusCode)") }
        var content = Data()
        for try await byte in bytes {
            content.append(byte)
            guard content.count <= limit else { throw ModelFeedError.unreachable("\(path): more than \(limit) bytes") }
        }
        return (content, answer.value(forHTTPHeaderField: "ETag"))
    }

    private var stateFile: URL { folder.appendingPathComponent("feed.json") }

    private func state() throws -> State {
        guard let content = try? Data(contentsOf: stateFile) else { return State() }
        return try JSONDecoder().decode(State.self, from: content)
    }

    private func save(_ state: State) throws {
        try JSONEncoder().encode(state).write(to: stateFile, options: .atomic)
    }

    private func decoded(_ content: Data) throws -> Latest {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .iso8601
        return try decoder.decode(Latest.self, from: content)
    }

    private func hex(_ sum: SHA256.Digest) -> String {
        sum.map { String(format: "%02x", $0) }.joined()
    }
}
