public import Tensor

/// What one device executes: a flat instruction list over numbered buffers, with the collectives written in.
///
/// Data only.
public struct LocalProgram: Sendable, Hashable {
    /// Name of the global program ("text", "step", "decode" …).
    public var name: String
    /// Device id in the mesh.
    public var device: Int
    /// All buffers; instructions refer to them by index.
    public var buffers: [LocalBuffer]
    /// The slices of weights that the device needs, in the order of first use.
    public var parameters: [ParameterSlice]
    /// Tensors that the caller gives; every device gets the whole tensor and takes its box.
    public var inputs: [Port]
    /// Buffers left on the device for later programs of the same request, and those taken from earlier ones.
    public var residents: [Resident]
    /// What goes back to the caller.
    public var outputs: [OutputPort]
    /// In execution order.
    public var instructions: [Instruction]
    /// Communication; instructions refer to it by index.
    public var exchanges: [Exchange]
    /// Bytes of the arena that buffers and staging areas lie in.
    public var arenaByteCount: Int

    /// Makes a local program.
    public init(
        name: String, device: Int, buffers: [LocalBuffer] = [], parameters: [ParameterSlice] = [], inputs: [Port] = [],
        residents: [Resident] = [], outputs: [OutputPort] = [], instructions: [Instruction] = [],
        exchanges: [Exchange] = [], arenaByteCount: Int = 0
    ) {
        self.name = name
        self.device = device
        self.buffers = buffers
        self.parameters = parameters
        self.inputs = inputs
        self.residents = residents
        self.outputs = outputs
        self.instructions = instructions
        self.exchanges = exchanges
        self.arenaByteCount = arenaByteCount
    }

    /// Connects a caller's tensor with a buffer.
    public struct Port: Sendable, Hashable {
        /// Name in the program's signature.
        public var name: String
        /// Buffer index.
        public var buffer: Int
        /// Makes a port.
        public init(name: String, buffer: Int) {
            self.name = name
            self.buffer = buffer
        }
    }

    /// Connects a buffer with the caller.
    public struct OutputPort: Sendable, Hashable {
        /// Name in the program's signature.
        public var name: String
        /// Buffer index.
        public var buffer: Int
        /// True on exactly one of the devices that hold the same box: only that one sends it.
        public var isPrimary: Bool
        /// Makes a port.
        public init(name: String, buffer: Int, isPrimary: Bool) {
            self.name = name
            self.buffer = buffer
            self.isPrimary = isPrimary
        }
    }

    /// A buffer that outlives the call, kept per request under a name.
    public struct Resident: Sendable, Hashable {
        /// Name, shared by the program that writes it and those that read it.
        public var name: String
        /// Buffer index.
        public var buffer: Int
        /// True where this program writes it.
        public var isOutput: Bool
        /// Makes an entry.
        public init(name: String, buffer: Int, isOutput: Bool) {
            self.name = name
            self.buffer = buffer
            self.isOutput = isOutput
        }
    }
}

/// Where a value, or a device's part of it, lies.
public struct LocalBuffer: Sendable, Hashable {
    /// What its storage is.
    public enum Storage: Sendable, Hashable {
        /// Byte offset in the program's arena, a multiple of 64.
        case arena(offset: Int)
        /// Index into the program's parameters.
        case parameter(Int)
        /// Index into the program's residents.
        case resident(Int)
    }

    /// Element type of the storage; f32 for partial sums, or the result's where they travel in that.
    public var dtype: DType
    /// The whole value's dimensions.
    public var dims: [Dim]
    /// The part that this device holds (element ranges in the whole value); dense and row-major.
    public var box: Box
    /// For an unreduced sum: the nodes of the reduction tree held, as a leading dimension of partial results
    /// (`[nodes.count] + box.dims`).
    ///
    /// Nil for a complete value and for a pending max or arg-max.
    public var nodes: [ReductionTree.Node]?
    /// Leaves of that tree: granules of the reduced dimension.
    ///
    /// 0 where ``nodes`` is nil.
    public var leafCount: Int
    /// True: the one partial result is the f32 sum over everything that this device has, in a tree over its own granules.
    ///
    /// False: ``nodes`` are nodes of the whole value's tree. Whether an operation reduces over what is here alone.
    public var isLocalSum: Bool
    /// Where.
    public var storage: Storage

    /// Makes a buffer.
    public init(
        dtype: DType, dims: [Dim], box: Box, nodes: [ReductionTree.Node]? = nil, leafCount: Int = 0,
        isLocalSum: Bool = false, storage: Storage
    ) {
        self.dtype = dtype
        self.dims = dims
        self.box = box
        self.nodes = nodes
        self.leafCount = leafCount
        self.isLocalSum = isLocalSum
        self.storage = storage
    }

    /// Bytes that the buffer takes.
    public var byteCount: Int { box.elementCount * (nodes?.count ?? 1) * dtype.byteCount }
}

/// One step of a local program.
public enum Instruction: Sendable, Hashable {
    /// Runs a kernel.
    case compute(ComputeInstruction)
    /// Sends this device's part of an exchange; never waits for a peer.
    case exchangeStart(Int)
    /// Waits for the peers' parts, and combines them where the exchange reduces.
    case exchangeFinish(Int)
}

/// One kernel call.
///
/// The kernel sees whole dims, boxes and tree nodes of its buffers and derives offsets from them.
public struct ComputeInstruction: Sendable, Hashable {
    /// Which operation.
    public var opcode: Opcode
    /// Buffer indices of the operands.
    public var operands: [Int]
    /// Buffer index of the result.
    public var result: Int
    /// The operation's attributes, unchanged from the global program.
    public var attributes: Attributes
    /// Where in the model it stands, for errors, traces and the plan ("layers.3.attn1").
    public var scope: String

    /// Makes a call.
    public init(opcode: Opcode, operands: [Int], result: Int, attributes: Attributes, scope: String) {
        self.opcode = opcode
        self.operands = operands
        self.result = result
        self.attributes = attributes
        self.scope = scope
    }
}
