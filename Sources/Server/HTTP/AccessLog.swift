import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import Synchronization

/// Writes a line for every answer, once its body is written.
struct AccessLog: Sendable {
    /// What is known of a request when its answer begins.
    struct Entry: Sendable {
        var requestID: String
        var method: String
        var route: String
        /// Name of the key that was shown.
        var key: String?
        /// Health, metrics and how jobs stand are asked for all the time: their lines are for debugging.
        var isQuiet: Bool
        var start: ContinuousClock.Instant
    }

    /// Passes a body on and counts its bytes.
    private struct CountingWriter: ResponseBodyWriter {
        var writer: any ResponseBodyWriter
        let count: Count

        mutating func write(_ buffer: ByteBuffer) async throws {
            let bytes = buffer.readableBytes
            try await writer.write(buffer)
            count.add(bytes)
        }

        consuming func finish(_ trailingHeaders: HTTPFields?) async throws { try await writer.finish(trailingHeaders) }
    }

    private final class Count: Sendable {
        private let bytes = Atomic<Int>(0)
        func add(_ amount: Int) { bytes.add(amount, ordering: .relaxed) }
        var value: Int { bytes.load(ordering: .relaxed) }
    }

    let logger: Logger

    /// The response, which writes its line at its end.
    func following(_ response: Response, _ entry: Entry) -> Response {
        var response = response
        let (body, status) = (response.body, response.status.code)
        response.body = ResponseBody(contentLength: body.contentLength) { writer in
            let count = Count()
            do {
                try await body.write(CountingWriter(writer: writer, count: count))
                log(entry, status: status, bytes: count.value, isWhole: true)
            } catch {
                log(entry, status: status, bytes: count.value, isWhole: false)
                throw error
            }
        }
        return response
    }

    private func log(_ entry: Entry, status: Int, bytes: Int, isWhole: Bool) {
        let seconds = (ContinuousClock.now - entry.start) / .seconds(1)
        var metadata: Logger.Metadata = [
            "request_id": "\(entry.requestID)", "method": "\(entry.method)", "route": "\(entry.route)",
            "status": .stringConvertible(status), "bytes": .stringConvertible(bytes),
            "seconds": .stringConvertible((seconds * 1e6).rounded() / 1e6),
        ]
        if let key = entry.key { metadata["key"] = "\(key)" }
        // The client left, or its connection broke, before it had everything.
        if !isWhole { metadata["aborted"] = .stringConvertible(true) }
        logger.log(level: entry.isQuiet ? .debug : .info, "answered", metadata: metadata)
    }
}
