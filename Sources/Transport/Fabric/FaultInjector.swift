/// What a simulated network does to a frame.
public enum Fault: Sendable, Hashable {
    /// Flips one bit of the header.
    case corrupt(bit: Int)
    /// Holds the frame, and those after it, back for a while.
    case delay(Duration)
    /// Loses the frame.
    case drop
    /// Delivers it twice.
    case duplicate
    /// The sender dies before this frame.
    case senderDies
}

/// Decides about each frame of a ``LocalFabric``, for simulations.
public struct FaultInjector: Sendable {
    /// One frame on its way.
    public struct Frame: Sendable, Hashable {
        /// Sending rank.
        public let sender: Int
        /// Receiving rank.
        public let receiver: Int
        /// Frames sent before from the one to the other.
        public let index: Int
        /// Bytes of payload.
        public let byteCount: Int

        /// Describes a frame.
        public init(sender: Int, receiver: Int, index: Int, byteCount: Int) {
            self.sender = sender
            self.receiver = receiver
            self.index = index
            self.byteCount = byteCount
        }
    }

    /// The fault of a frame; nil where it arrives unharmed.
    public let fault: @Sendable (Frame) -> Fault?

    /// Wraps a decision.
    public init(_ fault: @escaping @Sendable (Frame) -> Fault?) { self.fault = fault }

    /// Gives each of `faults` to a share of the frames (probabilities that add up to at most 1).
    ///
    /// What happens to a frame depends on the seed, the pair and the frame's index alone, not on the threads' timing.
    public static func seeded(_ seed: UInt64, _ faults: [(fault: Fault, probability: Double)]) -> FaultInjector {
        FaultInjector { frame in
            let key = seed ^ UInt64(frame.sender) << 48 ^ UInt64(frame.receiver) << 32 ^ UInt64(frame.index)
            var position = Double(mix(mix(key)) >> 11) * 0x1p-53
            for (fault, probability) in faults {
                if position < probability { return fault }
                position -= probability
            }
            return nil
        }
    }

    /// One round of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
