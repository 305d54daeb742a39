public import Tensor

/// The names of collectives, as plans, metrics and errors use them.
public enum CollectiveKind: String, Sendable, Hashable, CaseIterable {
    /// Every device gets the whole of what is split.
    case allGather
    /// Every device gets the reduction of all partial values.
    case allReduce
    /// What is split along one dimension becomes split along another.
    case allToAll
    /// One device's value to all.
    case broadcast
    /// Rows of neighbours that a convolution reads.
    case haloExchange
    /// Shards move between devices.
    case permute
    /// Every device gets its shard of the reduction of all partial values.
    case reduceScatter
    /// A local copy: each device keeps a part of what it has. No communication.
    case slice
}

/// One device's side of a collective: which boxes it sends to whom, receives from whom and keeps.
///
/// All collectives are this one mechanism with different transfer lists; sizes may differ between peers. Between two
/// devices goes at most one message each way, which holds all their transfers (see ``ExchangeMessage``): the elements of
/// each box densely, row-major; for a reduction, all of the sender's tree nodes one after the other.
public struct Exchange: Sendable, Hashable {
    /// A box that goes to a peer, or comes from one.
    public struct Transfer: Sendable, Hashable {
        /// Device id.
        public var peer: Int
        /// For a send: the box in coordinates of the source buffer's own box (it starts at 0).
        ///
        /// For a receive: likewise of the destination buffer; for a reduction it is the whole destination.
        public var box: Box
        /// Partial results of the box: the sender's node count for a reduction, else 1.
        public var partials: Int
        /// Makes a transfer.
        public init(peer: Int, box: Box, partials: Int = 1) {
            self.peer = peer
            self.box = box
            self.partials = partials
        }
    }

    /// How what arrives is combined.
    public enum Reduction: Sendable, Hashable {
        /// Sums, added in f32 in the order of the ``ReductionTree``; `contributors` says, in leaf order, which device
        /// gives which tree nodes (this device included).
        case sum(contributors: [Contributor], leafCount: Int)
        /// Element-wise maximum of complete values, f32 or bf16.
        case max
        /// Arg-max triples (score, index, payload) along a last dimension of 3: the greater score, on ties the lower
        /// index.
        case argMax

        /// True for a sum.
        public var isSum: Bool {
            if case .sum = self { true } else { false }
        }
    }

    /// A device's share of a sum.
    public struct Contributor: Sendable, Hashable {
        /// Device id.
        public var device: Int
        /// Its tree nodes, in leaf order.
        public var nodes: [ReductionTree.Node]
        /// Makes a contributor.
        public init(device: Int, nodes: [ReductionTree.Node]) {
            self.device = device
            self.nodes = nodes
        }
    }

    /// Name for people.
    public var kind: CollectiveKind
    /// Mesh axes it runs over.
    public var axes: [String]
    /// Buffer read; transfers' boxes are relative to its box.
    public var source: Int
    /// Buffer written.
    ///
    /// For a sum its element type may be narrower than f32: the result is rounded once.
    public var destination: Int
    /// What goes to other devices, by peer; empty boxes are left out.
    public var sends: [Transfer]
    /// What comes from other devices, by peer; empty boxes are left out.
    public var receives: [Transfer]
    /// What this device keeps: (box in the source, box in the destination), same sizes.
    ///
    /// For a reduction: its own contribution, whose second box is the whole destination.
    public var copies: [LocalCopy]
    /// Nil for pure data movement.
    public var reduction: Reduction?
    /// Arena offset of the staging area, a multiple of 64: first the outgoing messages, then the incoming ones, each
    /// padded to 64 bytes; then what arrived as int8 as the source's elements, likewise padded.
    ///
    /// A reduction reads this device's own contribution straight from the source buffer. What travels in another
    /// exchange's messages has no area of its own.
    public var stagingOffset: Int
    /// Where in the model it stands.
    public var scope: String
    /// Further exchanges that travel in this one's messages: they start and finish with it, no instruction names them, and
    /// they have none of their own.
    ///
    /// The same on all devices. From this one through the last of these, source elements never grow in size, so that
    /// everything in a message is aligned for its element type without padding.
    public var fused: [Int]
    /// How elements travel; ``WireFormat/int8`` only f32 and bf16, in whole blocks of the source's rows, moved or summed.
    public var wire: WireFormat

    /// A local move.
    public struct LocalCopy: Sendable, Hashable {
        /// Box relative to the source buffer.
        public var from: Box
        /// Box relative to the destination buffer.
        public var to: Box
        /// Makes a copy.
        public init(from: Box, to: Box) {
            self.from = from
            self.to = to
        }
    }

    /// Makes an exchange.
    public init(
        kind: CollectiveKind, axes: [String], source: Int, destination: Int, sends: [Transfer], receives: [Transfer],
        copies: [LocalCopy], reduction: Reduction? = nil, stagingOffset: Int = 0, scope: String = "", fused: [Int] = [],
        wire: WireFormat = .exact
    ) {
        self.kind = kind
        self.axes = axes
        self.source = source
        self.destination = destination
        self.sends = sends
        self.receives = receives
        self.copies = copies
        self.reduction = reduction
        self.stagingOffset = stagingOffset
        self.scope = scope
        self.fused = fused
        self.wire = wire
    }

    /// Bytes of a transfer, given the element type of the source buffer (messages carry source elements).
    public func byteCount(of transfer: Transfer, dtype: DType) -> Int {
        wire.byteCount(
            elements: transfer.box.elementCount * transfer.partials, columns: transfer.box.dims.last ?? 1, dtype: dtype)
    }

    /// Bytes of a transfer's elements once they have arrived.
    public func plainByteCount(of transfer: Transfer, dtype: DType) -> Int {
        transfer.box.elementCount * transfer.partials * dtype.byteCount
    }

    /// Payload bytes that this device sends.
    public func sentByteCount(dtype: DType) -> Int { sends.reduce(0) { $0 + byteCount(of: $1, dtype: dtype) } }

    /// Payload bytes that this device sends to each peer.
    public func sentByteCounts(dtype: DType) -> [Int: Int] {
        Dictionary(sends.map { ($0.peer, byteCount(of: $0, dtype: dtype)) }, uniquingKeysWith: +)
    }

    /// Bytes that are read and written to write, or to read, a transfer as int8; 0 where it travels as it is.
    public func codingByteCount(of transfer: Transfer, dtype: DType) -> Int {
        wire == .exact ? 0 : byteCount(of: transfer, dtype: dtype) + plainByteCount(of: transfer, dtype: dtype)
    }

    /// Most bytes that the transfers take in a staging area, given the element type of the source buffer.
    public func stagingByteCount(dtype: DType) -> Int {
        let messages = (sends + receives).reduce(0) { $0 + (byteCount(of: $1, dtype: dtype) + 63) / 64 * 64 }
        guard wire != .exact else { return messages }
        return receives.reduce(messages) { $0 + (plainByteCount(of: $1, dtype: dtype) + 63) / 64 * 64 }
    }
}
