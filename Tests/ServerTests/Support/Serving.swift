import Coordinator
import Foundation
import HTTPProbe
import Logging
import Server
import Synchronization

/// Runs a server on a port of its own around a test's body.
func serving(
    _ service: FakeService, keysPath: String? = nil, origins: [String] = [], limits: ServerSettings.Limits = .init(),
    keepAlive: Duration = .seconds(600), stallLimit: Duration = .seconds(600),
    store: any JobStore = MemoryJobStore(), results: ServerSettings.Retention = .init(), publicURL: String? = nil,
    retryGrace: Duration = .seconds(600), clock: FakeClock? = nil,
    _ body: @escaping @Sendable (_ port: Int) async throws -> Void
) async throws {
    let settings = ServerSettings(
        address: NetworkAddress(host: "127.0.0.1", port: 0), keysPath: keysPath, origins: origins, limits: limits,
        results: results, publicURL: publicURL)
    let (ports, source) = AsyncStream.makeStream(of: Int.self)
    let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    var now: (@Sendable () -> Double)?
    if let clock { now = { clock.now } }
    let server = try ImageServer(
        settings, service: service, store: store, metrics: service.metrics, logger: quiet, keepAlive: keepAlive,
        stallLimit: stallLimit, retryGrace: retryGrace, now: now
    ) { source.yield($0) }
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            defer { source.finish() }
            try await server.run()
        }
        group.addTask {
            guard let port = await ports.first(where: { _ in true }) else { return }
            do {
                try await body(port)
            } catch {
                service.letGo()
                await server.stop()
                throw error
            }
            service.letGo()
            await server.stop()
        }
        try await group.waitForAll()
    }
}

/// A clock that stands until it is told to go on.
final class FakeClock: Sendable {
    private let seconds = Mutex(1_700_000_000.0)

    /// Seconds since 1970.
    var now: Double { seconds.withLock { $0 } }

    func advance(by more: Double) { seconds.withLock { $0 += more } }
}

/// A folder of a test's own, removed with it.
final class Drawer: Sendable {
    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func path(_ name: String) -> String { folder.appending(path: name).path }
}

/// Posts a job.
func postJob(_ port: Int, _ json: String, headers: [String: String] = [:]) async throws -> HTTPAnswer {
    try await HTTPProbe.exchange(
        port: port, "POST", "/v1/jobs", headers: ["content-type": "application/json"].merging(headers) { $1 },
        body: Array(json.utf8))
}

/// Gets what is at a path.
func get(_ port: Int, _ path: String, headers: [String: String] = [:]) async throws -> HTTPAnswer {
    try await HTTPProbe.exchange(port: port, "GET", path, headers: headers)
}

/// Asks for a job until it is in a state.
func job(
    _ port: Int, _ id: String, in state: String, headers: [String: String] = [:]
) async throws -> [String: Any] {
    while true {
        let answer = try await get(port, "/v1/jobs/\(id)", headers: headers)
        guard answer.status == 200 else { throw HTTPProbeError("job \(id): \(answer.text)") }
        let now = answer.json["state"] as? String
        if now == state { return answer.json }
        if now == "failed" || now == "completed" || now == "cancelled" {
            throw HTTPProbeError("job \(id) is \(now ?? ""): \(answer.text)")
        }
        try await Task.sleep(for: .milliseconds(1))
    }
}

/// Posts an order for pictures.
func generate(_ port: Int, _ json: String, headers: [String: String] = [:]) async throws -> HTTPAnswer {
    try await HTTPProbe.exchange(
        port: port, "POST", "/v1/images/generations",
        headers: ["content-type": "application/json"].merging(headers) { $1 }, body: Array(json.utf8))
}

/// A form of texts and files.
struct Form {
    static let boundary = "----edge-7"
    static let headers = ["content-type": "multipart/form-data; boundary=\(boundary)"]
    var body: [UInt8] = []

    mutating func add(_ name: String, _ value: String) { add(name, file: nil, Array(value.utf8)) }

    mutating func add(_ name: String, file: String?, _ bytes: [UInt8]) {
        let fileName = file.map { "; filename=\"\($0)\"" } ?? ""
        let type = file == nil ? "" : "content-type: image/png\r\n"
        body += Array(
            "--\(Self.boundary)\r\ncontent-disposition: form-data; name=\"\(name)\"\(fileName)\r\n\(type)\r\n".utf8)
        body += bytes + Array("\r\n".utf8)
    }

    /// The body with its last boundary.
    var finished: [UInt8] { body + Array("--\(Self.boundary)--\r\n".utf8) }
}
