import Program
import Transport

/// The fabrics that one suite runs over.
enum FabricKind: CaseIterable, Sendable {
    /// ZeroMQ with a key.
    case encrypted
    case local
    case sharedMemory
    case zeroMQ

    /// Those that a ``FaultInjector`` can be exact about: closing a socket loses what has not left.
    static let simulated: [FabricKind] = [.local, .sharedMemory]
}

/// Things that ranks show each other outside the fabric under test.
final class Board<Value: Sendable>: Sendable {
    private let posts = ConditionLock<[Int: Value]>([:])

    func post(_ value: Value, by rank: Int) { posts.update { $0[rank] = value } }

    /// Waits until so many ranks have posted.
    func all(_ count: Int) -> [Int: Value] { posts.wait { $0.count == count ? $0 : nil } }
}

/// Runs `body` once a rank, each on a thread with a connected fabric; returns what failed, by rank.
///
/// No fabric closes before all bodies have ended.
func withRanks(
    _ kind: FabricKind, _ size: Int, queuedByteCountMax: Int? = nil, faults: FaultInjector? = nil,
    _ body: @escaping @Sendable (any AbortableFabric) throws -> Void
) async -> [Int: any Error] {
    let locals =
        kind == .local
        ? LocalFabric.make(size: size, queuedByteCountMax: queuedByteCountMax, faults: faults) : []
    let key = kind == .encrypted ? try? ClusterKey.random() : nil
    let endpoints = Board<String>()
    let isDone = Board<Bool>()
    return await onThreads(size) { rank in
        defer {
            isDone.post(true, by: rank)
            _ = isDone.all(size)
        }
        switch kind {
        case .local:
            try body(locals[rank])
        case .encrypted, .sharedMemory, .zeroMQ:
            let fabric = try ZeroMQFabric(
                rank: rank, carrier: kind == .sharedMemory ? .sharedMemory : .zeroMQ, key: key,
                encryption: .everywhere, faults: faults)
            defer {
                isDone.post(true, by: rank)
                _ = isDone.all(size)
            }
            endpoints.post(fabric.endpoint, by: rank)
            try fabric.connect(peers: endpoints.all(size), epoch: 1)
            try body(fabric)
        }
    }
}

/// Runs `body` on so many threads, without blocking the test runner's; returns what failed, by index.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) async -> [Int: any Error] {
    struct State {
        var running: Int
        var failures: [Int: any Error] = [:]
    }
    let state = ConditionLock(State(running: count))
    await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
        for index in 0..<count {
            let finish: @Sendable ((any Error)?) -> Void = { error in
                let isLast = state.update { state in
                    state.failures[index] = error
                    state.running -= 1
                    return state.running == 0
                }
                if isLast { continuation.resume() }
            }
            do {
                _ = try NamedThread(name: "rank-\(index)") {
                    do {
                        try body(index)
                        finish(nil)
                    } catch {
                        finish(error)
                    }
                }
            } catch {
                finish(error)
            }
        }
    }
    return state.update { $0.failures }
}

extension Fabric {
    func send(_ bytes: [UInt8], to peer: Int, _ tag: FrameTag) throws {
        try bytes.withUnsafeBytes { try send(to: peer, tag: tag, bytes: $0) }
    }

    func receive(_ count: Int, from peer: Int, _ tag: FrameTag, deadline: Duration = .seconds(60)) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        try bytes.withUnsafeMutableBytes { try receive(from: peer, tag: tag, into: $0, deadline: deadline) }
        return bytes
    }
}

/// A tag of epoch 1 unless told otherwise.
func tag(_ instruction: Int, epoch: UInt32 = 1) -> FrameTag {
    FrameTag(epoch: epoch, request: 0xABCD_EF01_2345, step: 7, instruction: UInt32(instruction))
}

/// Bytes that tell sender and position.
///
/// The period divides no chunk length, so that misplaced chunks differ.
func pattern(_ count: Int, _ seed: Int) -> [UInt8] {
    let period = (0..<min(count, 65_537)).map { UInt8(truncatingIfNeeded: ($0 &* 31) ^ ($0 >> 8) ^ seed &* 17) }
    guard count > period.count else { return period }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count { bytes.append(contentsOf: period.prefix(count - bytes.count)) }
    return bytes
}

extension [Int: any Error] {
    /// The transport errors, by rank.
    var transportErrors: [Int: TransportError] { compactMapValues { $0 as? TransportError } }
}
