/// An order that was accepted to be made whatever happens to its client, and what has become of it.
package struct Job: Sendable, Hashable, Codable {
    /// Where it stands.
    package enum State: String, Sendable, Hashable, Codable, CaseIterable {
        case queued
        case generating
        case completed
        case failed
        case cancelled

        /// True where nothing more will happen.
        package var isOver: Bool { self == .completed || self == .failed || self == .cancelled }
    }

    /// What is made.
    package enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
        case generation
        case edit
        case variation
    }

    /// Why it failed, as its client is told.
    package struct Failure: Sendable, Hashable, Codable {
        /// HTTP status of the answer that says so.
        package var status: Int
        /// OpenAI's class of errors.
        package var type: String
        /// A stable word for programs.
        package var code: String
        /// A sentence for people.
        package var message: String
        /// The field that is wrong.
        package var param: String?
    }

    /// A finished picture, without its bytes.
    package struct Picture: Sendable, Hashable, Codable {
        /// Name that nobody guesses: who knows it may see the picture.
        package var id: String
        /// Bytes of the file.
        package var byteCount: Int
        /// SHA-256 of the file.
        package var hash: String
    }

    /// What a completed job has made.
    package struct Outcome: Sendable, Hashable, Codable {
        /// In order.
        package var pictures: [Picture]
        /// Width in pixels.
        package var width: Int
        /// Height in pixels.
        package var height: Int
        /// Tokens of the prompts.
        package var textTokens: Int
        /// Tokens of the picture that was sent.
        package var imageTokens: Int
        /// Tokens that were painted.
        package var paintedTokens: Int
        /// What the user should know.
        package var warnings: [String]
    }

    /// What a client calls its request by, so that it is served once.
    package struct Idempotency: Sendable, Hashable, Codable {
        /// The client's word.
        package var key: String
        /// What was asked for.
        package var digest: String

        /// Makes a pair.
        package init(key: String, digest: String) {
            self.key = key
            self.digest = digest
        }
    }

    /// Something that happens to a job.
    package enum Change: Sendable, Hashable {
        /// The workers have begun with it.
        case begun(at: Double)
        /// It was interrupted and waits again; what is not its fault does not count as an attempt.
        case returned(countsAttempt: Bool)
        /// It is done.
        case completed(Outcome, at: Double)
        /// It cannot be done.
        case failed(Failure, at: Double)
        /// Its client does not want it any more.
        case cancelled(at: Double)
    }

    /// Name that nobody guesses.
    package let id: String
    /// Name of the API key it belongs to; empty where the server has no keys.
    package let owner: String
    /// What is made.
    package let kind: Kind
    /// The model that it was accepted for.
    package let model: String
    /// When it was accepted, in seconds since 1970.
    package let created: Double
    /// What was ordered, with the seed that was chosen then.
    package let order: StoredOrder
    /// What its client calls it by.
    package let idempotency: Idempotency?
    /// Where it stands.
    package private(set) var state = State.queued
    /// How often the workers have begun with it.
    package private(set) var attempts = 0
    /// When they began the last time.
    package private(set) var started: Double?
    /// When it ended.
    package private(set) var finished: Double?
    /// What it has made.
    package private(set) var outcome: Outcome?
    /// Why it failed.
    package private(set) var failure: Failure?

    /// A job that waits.
    package init(
        id: String, owner: String, kind: Kind, model: String, created: Double, order: StoredOrder,
        idempotency: Idempotency? = nil
    ) {
        self.id = id
        self.owner = owner
        self.kind = kind
        self.model = model
        self.created = created
        self.order = order
        self.idempotency = idempotency
    }

    /// Lets something happen; false, and nothing happens, where the job is over.
    package mutating func apply(_ change: Change) -> Bool {
        guard !state.isOver else { return false }
        switch change {
        case .begun(let time):
            (state, started) = (.generating, time)
            attempts += 1
        case .returned(let countsAttempt):
            if state == .generating, !countsAttempt { attempts -= 1 }
            (state, started) = (.queued, nil)
        case .completed(let outcome, let time): (state, self.outcome, finished) = (.completed, outcome, time)
        case .failed(let failure, let time): (state, self.failure, finished) = (.failed, failure, time)
        case .cancelled(let time): (state, finished) = (.cancelled, time)
        }
        return true
    }

    /// A name of 128 random bits after a prefix.
    package static func freshID(_ prefix: String) -> String {
        var generator = SystemRandomNumberGenerator()
        let digits = (0..<2).map { _ in
            let text = String(generator.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - text.count) + text
        }
        return prefix + digits.joined()
    }

    /// True for what ``freshID(_:)`` may have made: nothing else is looked up.
    package static func isID(_ text: String, prefix: String) -> Bool {
        text.utf8.count == prefix.utf8.count + 32 && text.hasPrefix(prefix)
            && text.dropFirst(prefix.count).utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}
