/// Where a picture stands between two steps: everything that is needed, with the request, to go on anywhere.
public struct DecodingState: Sendable, Hashable, Codable {
    /// Index of the picture in the request.
    public var picture: Int
    /// Index of the step that comes next; the number of steps when all are done.
    public var nextStep: Int
    /// The request's seed.
    public var seed: UInt64
    /// Part of the tokens that was hidden before the first step, where a mask decides that; else 1.
    public var startRatio: Float
    /// Token ids [rows, columns].
    public var tokens: [Int32]

    /// Makes a state.
    public init(picture: Int, nextStep: Int, seed: UInt64, startRatio: Float, tokens: [Int32]) {
        self.picture = picture
        self.nextStep = nextStep
        self.seed = seed
        self.startRatio = startRatio
        self.tokens = tokens
    }

    /// Hidden tokens.
    public func hiddenCount(maskToken: Int32) -> Int { tokens.count { $0 == maskToken } }
}
