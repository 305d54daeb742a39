/// Where a batch of pictures stands between two steps: everything that is needed, with the request, to go on anywhere.
public struct DecodingState: Sendable, Hashable, Codable {
    /// Index, in the request, of the batch's first picture.
    public var firstPicture: Int
    /// Pictures in the batch.
    public var pictureCount: Int
    /// Index of the step that comes next; the number of steps when all are done.
    public var nextStep: Int
    /// The request's seed.
    public var seed: UInt64
    /// Part of the tokens that was hidden before the first step, where a mask decides that; else 1.
    public var startRatio: Float
    /// Token ids [pictures, rows, columns].
    public var tokens: [Int32]

    /// Makes a state.
    public init(
        firstPicture: Int, pictureCount: Int, nextStep: Int, seed: UInt64, startRatio: Float, tokens: [Int32]
    ) {
        self.firstPicture = firstPicture
        self.pictureCount = pictureCount
        self.nextStep = nextStep
        self.seed = seed
        self.startRatio = startRatio
        self.tokens = tokens
    }

    /// Hidden tokens of each picture.
    public func hiddenCounts(maskToken: Int32) -> [Int] {
        let count = tokens.count / max(1, pictureCount)
        return (0..<pictureCount).map { picture in
            tokens[(picture * count)..<((picture + 1) * count)].count { $0 == maskToken }
        }
    }
}
