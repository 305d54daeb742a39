/// Where and for whom the HTTP server works, and how much anybody may ask of it.
public struct ServerSettings: Sendable, Hashable {
    /// How large a request may be.
    public struct Limits: Sendable, Hashable {
        /// Bytes of a request's body.
        public var bodyByteCount: Int
        /// Bytes of a prompt in UTF-8.
        public var promptByteCount: Int
        /// Pictures of one request.
        public var pictures: Int
        /// Pixels of a picture that is sent, once it is decompressed.
        public var pixels: Int

        /// Makes limits.
        public init(
            bodyByteCount: Int = 32 << 20, promptByteCount: Int = 4096, pictures: Int = 10, pixels: Int = 16 << 20
        ) {
            self.bodyByteCount = bodyByteCount
            self.promptByteCount = promptByteCount
            self.pictures = pictures
            self.pixels = pixels
        }
    }

    /// Where accepted jobs and finished pictures are kept.
    public enum JobStorage: Sendable, Hashable {
        /// A database file: what was accepted survives the process.
        case file(String)
        /// Nowhere: they end with the process.
        case memory
    }

    /// How long, and how many, finished pictures are kept.
    public struct Retention: Sendable, Hashable {
        /// Seconds after a picture was finished.
        public var seconds: Int
        /// Bytes of all pictures together; the oldest go first.
        public var byteCount: Int

        /// Makes a bound.
        public init(seconds: Int = 86_400, byteCount: Int = 1 << 30) {
            self.seconds = seconds
            self.byteCount = byteCount
        }
    }

    /// False: there is no HTTP server.
    public var isEnabled: Bool
    /// Where it listens.
    public var address: NetworkAddress
    /// Orders that wait, of all clients together, besides those in progress; one more is turned away.
    public var queueLimit: Int
    /// Most pictures in one step.
    public var batchLimit: Int
    /// Most pictures in progress; nil: twice the batch limit.
    public var slots: Int?
    /// File with the hashes of the keys that clients show; nil: everybody who reaches the server may use it.
    public var keysPath: String?
    /// Web origins besides the server's own whose pages may use it ("https://studio.example"); none: no other page may.
    public var origins: [String]
    /// How large a request may be.
    public var limits: Limits
    /// Where accepted jobs and finished pictures are kept.
    public var jobs: JobStorage
    /// How long finished pictures are kept.
    public var results: Retention
    /// What clients reach the server by, without a slash at the end; nil: what they call it.
    public var publicURL: String?

    /// Pictures that may be in progress.
    public var slotCount: Int { slots ?? 2 * batchLimit }

    /// Makes settings.
    public init(
        isEnabled: Bool = true, address: NetworkAddress = ClusterConfiguration.defaultServer, queueLimit: Int = 32,
        batchLimit: Int = DecodingLoop.defaultBatchLimit, slots: Int? = nil, keysPath: String? = nil,
        origins: [String] = [], limits: Limits = Limits(), jobs: JobStorage = .memory,
        results: Retention = Retention(), publicURL: String? = nil
    ) {
        self.isEnabled = isEnabled
        self.address = address
        self.queueLimit = queueLimit
        self.batchLimit = batchLimit
        self.slots = slots
        self.keysPath = keysPath
        self.origins = origins
        self.limits = limits
        self.jobs = jobs
        self.results = results
        self.publicURL = publicURL
    }
}

extension NetworkAddress {
    /// True where only processes of this machine can connect.
    public var isLoopback: Bool {
        host == "localhost" || host == "::1" || host == "[::1]"
            || host.hasPrefix("127.") && host.allSatisfy { $0.isNumber || $0 == "." }
    }
}
