import Tensor

/// A model, or a part of it, as a graph for one imaginary device: single-assignment values in execution order.
public struct Program: Sendable, Hashable {
    /// Index into ``Program/operations``; the value that the operation makes.
    public typealias ValueID = Int

    /// One operation and the value it makes.
    public struct Operation: Sendable, Hashable {
        /// What it does.
        public var opcode: Opcode
        /// Values it reads, all made earlier.
        public var operands: [ValueID]
        /// Compile-time arguments.
        public var attributes: Attributes
        /// Type of the result.
        public var type: TensorType
        /// Logical axis names of the result's dimensions: the user's annotation.
        ///
        /// A nil dimension is open to propagation, a named one is decided by the cluster's rules. Empty: no annotation
        /// at all.
        public var axes: [String?]
        /// Where in the model it stands ("layers.3.attn1").
        public var scope: String

        /// Makes an operation.
        public init(
            opcode: Opcode, operands: [ValueID], attributes: Attributes, type: TensorType, axes: [String?] = [],
            scope: String = ""
        ) {
            self.opcode = opcode
            self.operands = operands
            self.attributes = attributes
            self.type = type
            self.axes = axes
            self.scope = scope
        }
    }

    /// A named result.
    public struct Output: Sendable, Hashable {
        /// Name in the signature.
        public var name: String
        /// Which value.
        public var value: ValueID
        /// True: stays on the devices for later programs of the request.
        ///
        /// False: goes back to the caller.
        public var isResident: Bool
        /// Makes an output.
        public init(name: String, value: ValueID, isResident: Bool) {
            self.name = name
            self.value = value
            self.isResident = isResident
        }
    }

    /// Its name ("text", "step", "decode" …).
    public var name: String
    /// In execution order; an operation's index is its value's id.
    public var operations: [Operation]
    /// Weights, by the `name` attribute of ``Opcode/parameter`` operations.
    public var parameters: [String: ParameterSpec]
    /// Names of inputs that are not given by the caller but were left by an earlier program of the request.
    public var residentInputs: Set<String>
    /// Results.
    public var outputs: [Output]

    /// Makes a program.
    public init(
        name: String, operations: [Operation] = [], parameters: [String: ParameterSpec] = [:],
        residentInputs: Set<String> = [], outputs: [Output] = []
    ) {
        self.name = name
        self.operations = operations
        self.parameters = parameters
        self.residentInputs = residentInputs
        self.outputs = outputs
    }

    /// Type of a value.
    public func type(of value: ValueID) -> TensorType { operations[value].type }
}
