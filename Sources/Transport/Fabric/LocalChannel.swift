/// Frames on their way from one rank to another of the same process.
final class LocalChannel: Sendable {
    /// What lies in the queue.
    struct Frame: Sendable {
        var header: [UInt8]
        let payload: [UInt8]
        /// Not to be seen before.
        let arrival: ContinuousClock.Instant?
    }

    enum SendOutcome {
        case done
        case full
        case gone
        case senderDied
    }

    enum ReceiveOutcome: Sendable {
        case frame(Frame)
        case gone
        case nothing
    }

    private struct State {
        var frames = FIFO<Frame>()
        var queuedByteCount = 0
        var sequence: UInt32 = 0
        var isClosed = false
    }

    private let sender: Int
    private let receiver: Int
    private let byteCountMax: Int
    private let faults: FaultInjector?
    private let state = ConditionLock(State())

    init(sender: Int, receiver: Int, byteCountMax: Int, faults: FaultInjector?) {
        self.sender = sender
        self.receiver = receiver
        self.byteCountMax = byteCountMax
        self.faults = faults
    }

    /// Ends the link; what was sent can still be received.
    func close() { state.update { $0.isClosed = true } }

    /// Adds a frame, or waits for room.
    ///
    /// A frame that is larger than the whole bound goes into an empty queue.
    func send(_ header: FrameHeader, payload: UnsafeRawBufferPointer, milliseconds: Int) -> SendOutcome {
        state.wait(milliseconds: milliseconds) { state -> SendOutcome? in
            if state.isClosed { return .gone }
            guard state.frames.isEmpty || state.queuedByteCount + payload.count <= byteCountMax else { return nil }
            return append(header, payload, to: &state)
        } ?? .full
    }

    private func append(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer, to state: inout State
    ) -> SendOutcome {
        var header = header
        header.sequence = state.sequence
        let fault = faults?.fault(
            FaultInjector.Frame(
                sender: sender, receiver: receiver, index: Int(state.sequence), byteCount: payload.count))
        if fault == .senderDies { return .senderDied }
        state.sequence &+= 1
        var arrival: ContinuousClock.Instant?
        if case .delay(let duration) = fault { arrival = .now.advanced(by: duration) }
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes(header.encode(into:))
        if case .corrupt(let bit) = fault { bytes[bit / 8 % bytes.count] ^= 1 << (bit % 8) }
        let copies = fault == .drop ? 0 : fault == .duplicate ? 2 : 1
        for _ in 0..<copies {
            state.frames.append(Frame(header: bytes, payload: Array(payload), arrival: arrival))
            state.queuedByteCount += payload.count
        }
        return .done
    }

    /// Takes the next frame, or waits for one.
    func receive(milliseconds: Int) -> ReceiveOutcome {
        state.wait(milliseconds: milliseconds) { state -> ReceiveOutcome? in
            guard let next = state.frames.first else { return state.isClosed ? .gone : nil }
            if let arrival = next.arrival, arrival > .now { return nil }
            guard let frame = state.frames.popFirst() else { return nil }
            state.queuedByteCount -= frame.payload.count
            return .frame(frame)
        } ?? .nothing
    }
}
