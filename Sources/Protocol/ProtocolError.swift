/// A message, or the order of messages, that breaks the protocol.
public struct ProtocolError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Stable name of the broken rule, for logs, metrics and tests.
    public struct Code: RawRepresentable, Sendable, Hashable {
        /// The name.
        public let rawValue: String
        /// Wraps a name.
        public init(rawValue: String) { self.rawValue = rawValue }

        /// A number is outside what the protocol allows.
        public static let bounds = Code(rawValue: "bounds")
        /// Both ends run different builds.
        public static let buildVersion = Code(rawValue: "build_version")
        /// The peer belongs to another cluster.
        public static let clusterID = Code(rawValue: "cluster_id")
        /// A name occurs twice where it may occur once.
        public static let duplicate = Code(rawValue: "duplicate")
        /// The bytes are no message.
        public static let malformed = Code(rawValue: "malformed")
        /// A required field is absent.
        public static let missing = Code(rawValue: "missing")
        /// The peer holds another model.
        public static let modelHash = Code(rawValue: "model_hash")
        /// The message does not belong to this point of the conversation.
        public static let order = Code(rawValue: "order")
        /// The coordinator turned the worker away.
        public static let rejected = Code(rawValue: "rejected")
        /// The message is longer than its sender may send.
        public static let size = Code(rawValue: "size")
        /// A word outside its closed set: an element type, an operation, a collective.
        public static let unknownWord = Code(rawValue: "unknown_word")
        /// Both ends speak different versions of the protocol.
        public static let version = Code(rawValue: "version")
    }

    /// Which rule.
    public let code: Code
    /// One sentence: what, where, what to do.
    public let description: String

    /// Makes an error.
    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
