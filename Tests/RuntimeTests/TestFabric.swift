import Foundation
import Program
import Tensor

/// Queues between the threads of a test.
///
/// Sendable because the queues are read and written under the condition's lock only.
final class TestNetwork: @unchecked Sendable {
    struct Message {
        let tag: FrameTag
        let bytes: [UInt8]
    }

    private let condition = NSCondition()
    private var queues: [[Int]: [Message]] = [:]

    func put(_ message: Message, from: Int, to: Int) {
        condition.lock()
        queues[[from, to], default: []].append(message)
        condition.broadcast()
        condition.unlock()
    }

    func take(from: Int, to: Int) -> Message? {
        condition.lock()
        defer { condition.unlock() }
        let end = Date(timeIntervalSinceNow: 60)
        while queues[[from, to], default: []].isEmpty {
            guard condition.wait(until: end) else { return nil }
        }
        return queues[[from, to]]?.removeFirst()
    }
}

/// One device's end of a ``TestNetwork``.
final class TestFabric: Fabric {
    enum Failure: Error { case timedOut, wrongMessage }

    let rank: Int
    let size: Int
    private let network: TestNetwork
    private(set) var sentByteCount = 0
    private(set) var sentMessageCount = 0

    init(rank: Int, size: Int, network: TestNetwork) {
        self.rank = rank
        self.size = size
        self.network = network
    }

    func send(to peer: Int, tag: FrameTag, bytes: UnsafeRawBufferPointer) throws {
        sentByteCount += bytes.count
        sentMessageCount += 1
        network.put(.init(tag: tag, bytes: Array(bytes)), from: rank, to: peer)
    }

    func receive(
        from peer: Int, tag: FrameTag, into bytes: UnsafeMutableRawBufferPointer, deadline: Duration
    ) throws {
        guard let message = network.take(from: peer, to: rank) else { throw Failure.timedOut }
        guard message.tag == tag, message.bytes.count == bytes.count else { throw Failure.wrongMessage }
        bytes.copyBytes(from: message.bytes)
    }
}
