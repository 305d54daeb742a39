import Coordinator
import Foundation
import HTTPProbe
import Logging
import Server

/// Runs a server on a port of its own around a test's body.
func serving(
    _ service: FakeService, keysPath: String? = nil, origins: [String] = [], limits: ServerSettings.Limits = .init(),
    keepAlive: Duration = .seconds(600), stallLimit: Duration = .seconds(600),
    _ body: @escaping @Sendable (_ port: Int) async throws -> Void
) async throws {
    let settings = ServerSettings(
        address: NetworkAddress(host: "127.0.0.1", port: 0), keysPath: keysPath, origins: origins, limits: limits)
    let (ports, source) = AsyncStream.makeStream(of: Int.self)
    let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    let server = try ImageServer(
        settings, service: service, metrics: service.metrics, logger: quiet, keepAlive: keepAlive,
        stallLimit: stallLimit
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
