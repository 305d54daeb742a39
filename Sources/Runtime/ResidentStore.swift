/// Buffers that outlive a program call, kept per request: text keys and values, modulations.
///
/// Used from the device's thread only.
public final class ResidentStore {
    private struct Key: Hashable {
        let request: UInt64
        let name: String
    }

    private var entries: [Key: AlignedMemory] = [:]
    /// What a call that is running has replaced and may still read.
    private var replaced: [AlignedMemory] = []
    /// Bytes held for all requests.
    public private(set) var byteCount = 0

    /// An empty store.
    public init() {}

    /// Requests that hold something.
    public var requests: Set<UInt64> { Set(entries.keys.map(\.request)) }

    /// Frees what a request left; nothing happens for an unknown one.
    public func release(request: UInt64) {
        for (key, memory) in entries where key.request == request {
            byteCount -= memory.byteCount
            entries[key] = nil
        }
    }

    /// What a request left under a name; nil where it is missing or of another size.
    func find(request: UInt64, name: String, byteCount: Int) -> UnsafeMutableRawPointer? {
        guard let memory = entries[Key(request: request, name: name)], memory.byteCount == byteCount else { return nil }
        return memory.base
    }

    /// Room to leave something under a name, replacing what is there; nil where the system gives no memory.
    ///
    /// - Parameter isRead: what is there is read by the same call: it stays until ``dropReplaced()``.
    func make(request: UInt64, name: String, byteCount: Int, isRead: Bool = false) -> UnsafeMutableRawPointer? {
        let key = Key(request: request, name: name)
        if let memory = entries[key] {
            if memory.byteCount == byteCount, !isRead { return memory.base }
            if isRead { replaced.append(memory) } else { self.byteCount -= memory.byteCount }
            entries[key] = nil
        }
        guard let memory = AlignedMemory(byteCount: byteCount) else { return nil }
        entries[key] = memory
        self.byteCount += byteCount
        return memory.base
    }

    /// Frees what the call that has ended replaced.
    func dropReplaced() {
        byteCount -= replaced.reduce(0) { $0 + $1.byteCount }
        replaced = []
    }
}
