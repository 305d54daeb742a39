public import Program

/// What an exchange that an instruction names moves on one device, with those that share its messages.
public struct TracedExchange: Sendable, Hashable {
    /// Payload bytes sent to peers.
    public let sentBytes: Int
    /// Payload bytes received from peers.
    public let receivedBytes: Int
    /// Devices that it waits for.
    public let senders: [Int]

    /// Adds up the transfers of the exchange with this index.
    public init(_ index: Int, in local: LocalProgram) {
        let parts = local.exchangeIndices(startedBy: index).map { number in
            let exchange = local.exchanges[number]
            return (exchange: exchange, dtype: local.buffers[exchange.source].dtype)
        }
        sentBytes = parts.reduce(0) { $0 + $1.exchange.sentByteCount(dtype: $1.dtype) }
        receivedBytes = parts.reduce(0) { sum, part in
            part.exchange.receives.reduce(sum) { $0 + part.exchange.byteCount(of: $1, dtype: part.dtype) }
        }
        senders = Set(parts.flatMap { $0.exchange.receives.map(\.peer) }).sorted()
    }
}
