/// Versions that both ends of a control link compare.
public enum ProtocolVersion {
    /// Version of the messages.
    ///
    /// Raised by every change that an older end would misread.
    public static let current: UInt32 = 4
    /// Version of this build; a cluster runs one build.
    public static let build = "0.1.0"
}

/// What a decoder accepts.
///
/// Everything outside is an error before anything is allocated for it.
public enum ProtocolLimits {
    /// Bytes of a message from a peer that has not introduced itself.
    public static let strangerBytes = 64 << 10
    /// Bytes of a message from a client: a prompt, a picture and a mask.
    public static let clientBytes = 48 << 20
    /// Bytes of a message between coordinator and worker: given noise and logits of a whole batch are the largest.
    public static let memberBytes = 64 << 20
    /// Devices in a cluster.
    public static let devices = 4096
    /// Dimensions of a tensor.
    public static let rank = 16
    /// Elements of a tensor, and the size of a dimension.
    public static let elements = 1 << 40
    /// A sum over the life of a process: bytes, or nanoseconds (73 years).
    public static let lifetimeCount = 1 << 61
    /// Bytes of an arena or a file offset.
    public static let memoryBytes = 1 << 46
    /// Buffers, parameters, instructions, exchanges of a local program, each.
    public static let programEntries = 1 << 20
    /// Transfers, copies or contributors of an exchange; operands of an instruction.
    public static let exchangeEntries = 1 << 14
    /// Nodes of a reduction tree held at once.
    public static let nodes = 1 << 12
    /// Leaves of a reduction tree.
    public static let leaves = 1 << 24
    /// Attributes of an operation, and integers in one of them.
    public static let attributes = 64
    /// Slots of a call's batch.
    public static let slots = 256
    /// Inputs or outputs of a call.
    public static let ports = 1024
    /// Bytes of a name.
    public static let nameBytes = 1024
    /// Bytes of a path or an error message.
    public static let textBytes = 16 << 10
    /// Bytes of a prompt.
    public static let promptBytes = 64 << 10
    /// Pictures of one request.
    public static let pictures = 256
    /// Width or height of a picture in pixels.
    public static let pictureSide = 1 << 14
    /// Events that a worker keeps between two orders to give them.
    public static let traceEvents = 1 << 20
    /// Threads of a worker.
    public static let threads = 4096
}
