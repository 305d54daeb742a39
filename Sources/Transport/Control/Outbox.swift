import Synchronization

/// Messages on their way to a link's thread.
final class Outbox: Sendable {
    /// What the thread takes over.
    struct Delivery {
        var messages: [(peer: PeerID, bytes: [UInt8])] = []
        /// Peers whose queue was full.
        var refused: Set<PeerID> = []
        var isClosing = false
    }

    private struct State {
        var delivery = Delivery()
        var byteCounts: [PeerID: Int] = [:]
    }

    private let state = Mutex(State())
    private let wakeup: Wakeup

    init(wakeup: Wakeup) { self.wakeup = wakeup }

    /// Queues a message; false where the link is closing, the message too long or the peer's queue full.
    func add(_ bytes: [UInt8], to peer: PeerID) -> Bool {
        let isTaken = state.withLock { state in
            if state.delivery.isClosing { return false }
            let waiting = state.byteCounts[peer] ?? 0
            guard
                bytes.count <= ControlLimits.messageByteCountMax,
                waiting + bytes.count <= ControlLimits.queuedByteCountMax
            else {
                state.delivery.refused.insert(peer)
                return false
            }
            state.byteCounts[peer] = waiting + bytes.count
            state.delivery.messages.append((peer, bytes))
            return true
        }
        wakeup.signal()
        return isTaken
    }

    /// Takes no more, and lets the thread end.
    func close() {
        state.withLock { $0.delivery.isClosing = true }
        wakeup.signal()
    }

    /// Gives the thread everything new.
    func take() -> Delivery {
        state.withLock { state in
            let delivery = state.delivery
            state.delivery = Delivery(isClosing: delivery.isClosing)
            return delivery
        }
    }

    /// Gives room back when a message has left or was dropped.
    func release(_ byteCount: Int, of peer: PeerID) {
        state.withLock { state in
            let rest = (state.byteCounts[peer] ?? 0) - byteCount
            state.byteCounts[peer] = rest > 0 ? rest : nil
        }
    }
}
