public import Program
public import Tensor

/// A program for one device, and where its weights come from.
public struct Install: Sendable, Hashable {
    /// Name under which it is run.
    public var programKey: String
    /// The program.
    public var program: LocalProgram
    /// Sources of its weights, by `ParameterSpec.name`.
    public var sources: [String: ParameterSource]

    /// Makes an order.
    public init(programKey: String, program: LocalProgram, sources: [String: ParameterSource]) {
        self.programKey = programKey
        self.program = program
        self.sources = sources
    }
}

/// How far an installation is.
public struct LoadProgress: Sendable, Hashable {
    /// Which.
    public var programKey: String
    /// What it is doing ("weights").
    public var phase: String
    /// Bytes done.
    public var bytesDone: Int
    /// Bytes in all.
    public var bytesTotal: Int

    /// Makes a report.
    public init(programKey: String, phase: String, bytesDone: Int, bytesTotal: Int) {
        self.programKey = programKey
        self.phase = phase
        self.bytesDone = bytesDone
        self.bytesTotal = bytesTotal
    }
}

/// A program can be run.
public struct Installed: Sendable, Hashable {
    /// Which.
    public var programKey: String
    /// Bytes of its arena.
    public var arenaByteCount: Int
    /// Bytes of its weights on this device.
    public var parameterByteCount: Int

    /// Makes a report.
    public init(programKey: String, arenaByteCount: Int, parameterByteCount: Int) {
        self.programKey = programKey
        self.arenaByteCount = arenaByteCount
        self.parameterByteCount = parameterByteCount
    }
}

/// An order to run a program.
public struct Run: Sendable, Hashable {
    /// Number of the call, unique in the cluster.
    public var call: UInt64
    /// The request that it belongs to: residents are kept per request.
    public var request: UInt64
    /// The request whose residents each slot of the batch reads; empty for programs without slots.
    public var slots: [UInt64]
    /// Count of program calls in the request.
    public var step: UInt32
    /// Which program.
    public var programKey: String
    /// Whole tensors, by input name.
    public var inputs: [String: HostTensor]

    /// Makes an order.
    public init(
        call: UInt64, request: UInt64, slots: [UInt64] = [], step: UInt32, programKey: String,
        inputs: [String: HostTensor]
    ) {
        self.call = call
        self.request = request
        self.slots = slots
        self.step = step
        self.programKey = programKey
        self.inputs = inputs
    }
}

/// What a device gives back from a call.
public struct RunResult: Sendable, Hashable {
    /// Which call.
    public var call: UInt64
    /// The primary parts of the outputs.
    public var outputs: [OutputPart]
    /// Time on the device.
    public var duration: Duration
    /// Payload bytes sent to peers in this call.
    public var sentByteCount: Int

    /// Makes a result.
    public init(call: UInt64, outputs: [OutputPart], duration: Duration, sentByteCount: Int) {
        self.call = call
        self.outputs = outputs
        self.duration = duration
        self.sentByteCount = sentByteCount
    }
}

/// A box of an output.
public struct OutputPart: Sendable, Hashable {
    /// Output name.
    public var name: String
    /// Which part of the whole.
    public var box: Box
    /// Sizes of the whole.
    public var dims: [Int]
    /// Its elements; its sizes are the box's.
    public var tensor: HostTensor

    /// Makes a part.
    public init(name: String, box: Box, dims: [Int], tensor: HostTensor) {
        self.name = name
        self.box = box
        self.dims = dims
        self.tensor = tensor
    }
}

/// Something that a worker could not do.
public struct Failure: Sendable, Hashable {
    /// What failed.
    public enum Subject: Sendable, Hashable {
        /// A call.
        case call(UInt64)
        /// An installation.
        case program(String)
        /// The worker itself.
        case worker
    }

    /// What failed.
    public var subject: Subject
    /// Stable name of the error.
    public var code: String
    /// One sentence.
    public var message: String
    /// Where in the model; empty where that has no meaning.
    public var scope: String
    /// Index of the instruction.
    public var instruction: Int?

    /// Makes a failure.
    public init(subject: Subject, code: String, message: String, scope: String = "", instruction: Int? = nil) {
        self.subject = subject
        self.code = code
        self.message = message
        self.scope = scope
        self.instruction = instruction
    }

    /// The call was given up because another device failed, not by a fault of this one.
    public static let abortedCode = "aborted"
}
