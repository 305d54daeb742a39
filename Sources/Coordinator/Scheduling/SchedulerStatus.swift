import Program

/// A call of the scheduler that has ended, and how things stand after it.
public struct SchedulerReport: Sendable, Hashable {
    /// What was done.
    public enum Activity: String, Sendable, Hashable, CaseIterable {
        /// Finished pictures were decoded.
        case decode
        /// A picture to be edited was turned into tokens.
        case encode
        /// Previews were decoded.
        case preview
        /// Pictures made a step.
        case step
        /// A prompt was read.
        case text
    }

    /// What was done.
    public var activity: Activity
    /// Pictures in the call.
    public var pictures: Int
    /// Wall-clock seconds of the call.
    public var seconds: Double
    /// False: it failed.
    public var isDone: Bool
    /// Pictures that have no slot yet.
    public var waiting: Int
    /// Pictures that have one.
    public var active: Int
    /// Slots in all.
    public var slots: Int
}

/// How the scheduler is.
public struct SchedulerStatus: Sendable, Hashable {
    /// Pictures that have no slot yet.
    public var waiting: Int
    /// Pictures that have one.
    public var active: Int
    /// Slots in all.
    public var slots: Int
    /// Where pictures stand that have been begun and are not finished, by the number of their request.
    public var states: [UInt64: [DecodingState]]
}
