/// A program that cannot be prepared or a call that failed, and where.
public struct ExecutionError: Error, CustomStringConvertible {
    /// What kind of failure it is.
    public enum Code: Sendable, Hashable {
        /// A message to or from another device failed; ``ExecutionError/underlying`` says how.
        case exchangeFailed
        /// An input is missing, or of another shape or element type than the program's.
        case invalidInput
        /// Buffers, sizes or indices of the program contradict each other.
        case invalidProgram
        /// A buffer that an earlier program of the request should have left is not there.
        case missingResident
        /// The system gives no memory.
        case outOfMemory
    }

    /// What kind.
    public let code: Code
    /// Name of the program.
    public let program: String
    /// Index of the instruction; nil where no single one is at fault.
    public let instruction: Int?
    /// Its opcode or collective; empty where ``instruction`` is nil.
    public let operation: String
    /// Where in the model it stands; may be empty.
    public let scope: String
    /// What is wrong and what to do, without the place.
    public let reason: String
    /// The fabric's error.
    public let underlying: (any Error)?

    /// Makes an error.
    public init(
        _ code: Code, program: String, instruction: Int? = nil, operation: String = "", scope: String = "",
        reason: String, underlying: (any Error)? = nil
    ) {
        self.code = code
        self.program = program
        self.instruction = instruction
        self.operation = operation
        self.scope = scope
        self.reason = reason
        self.underlying = underlying
    }

    /// One sentence.
    public var description: String {
        var place = "program \(program)"
        if let instruction { place += ", instruction \(instruction) (\(operation))" }
        if !scope.isEmpty { place += " at \(scope)" }
        return underlying.map { "\(place): \(reason): \($0)" } ?? "\(place): \(reason)"
    }
}
