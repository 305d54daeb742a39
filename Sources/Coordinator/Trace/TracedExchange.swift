public import Program

/// What an exchange that an instruction names moves on one device.
public struct TracedExchange: Sendable, Hashable {
    /// Payload bytes sent to peers.
    public let sentBytes: Int
    /// Payload bytes received from peers.
    public let receivedBytes: Int
    /// Devices that it waits for.
    public let senders: [Int]

    /// Adds up the transfers of the exchange with this index.
    public init(_ index: Int, in local: LocalProgram) {
        let exchange = local.exchanges[index]
        let dtype = local.buffers[exchange.source].dtype
        sentBytes = exchange.sentByteCount(dtype: dtype)
        receivedBytes = exchange.receives.reduce(0) { $0 + exchange.byteCount(of: $1, dtype: dtype) }
        senders = Set(exchange.receives.map(\.peer)).sorted()
    }
}
