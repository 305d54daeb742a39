import Tensor

/// What one device sends another at one start instruction: the transfers of one exchange, or of several that are fused.
///
/// Both ends derive the same messages: exchanges in the order in which they are fused, of each the transfers in its order.
public struct ExchangeMessage: Sendable, Hashable {
    /// A transfer's place in a message.
    public struct Part: Sendable, Hashable {
        /// Index of the exchange in the local program.
        public var exchange: Int
        /// The box.
        public var transfer: Exchange.Transfer
        /// Byte offset in the message; a multiple of the element's size.
        public var offset: Int
        /// Bytes, without gaps up to the next part.
        public var byteCount: Int
    }

    /// Device id of the other end.
    public var peer: Int
    /// At least one.
    public var parts: [Part]
    /// Bytes of all parts.
    public var byteCount: Int
}

extension LocalProgram {
    /// The exchanges that start and finish with one that an instruction names: itself, then those that it carries.
    public func exchangeIndices(startedBy index: Int) -> [Int] { [index] + exchanges[index].fused }

    /// The messages that a start instruction sends, in the order of sending.
    public func messages(sentBy index: Int) -> [ExchangeMessage] { messages(of: index, \.sends) }

    /// The messages that a finish instruction waits for, in the order of waiting.
    public func messages(receivedBy index: Int) -> [ExchangeMessage] { messages(of: index, \.receives) }

    /// Bytes of the staging area of an exchange that an instruction names, with all that it carries.
    public func stagingByteCount(of index: Int) -> Int {
        exchangeIndices(startedBy: index).reduce(0) { sum, number in
            let exchange = exchanges[number]
            return sum + exchange.stagingByteCount(dtype: buffers[exchange.source].dtype)
        }
    }

    private func messages(of index: Int, _ transfers: KeyPath<Exchange, [Exchange.Transfer]>) -> [ExchangeMessage] {
        var messages: [ExchangeMessage] = []
        var places: [Int: Int] = [:]
        for number in exchangeIndices(startedBy: index) {
            let exchange = exchanges[number]
            let dtype = buffers[exchange.source].dtype
            for transfer in exchange[keyPath: transfers] {
                let place = places[transfer.peer] ?? messages.count
                if place == messages.count {
                    places[transfer.peer] = place
                    messages.append(ExchangeMessage(peer: transfer.peer, parts: [], byteCount: 0))
                }
                let byteCount = exchange.byteCount(of: transfer, dtype: dtype)
                messages[place].parts.append(
                    .init(
                        exchange: number, transfer: transfer, offset: messages[place].byteCount, byteCount: byteCount))
                messages[place].byteCount += byteCount
            }
        }
        return messages
    }
}
