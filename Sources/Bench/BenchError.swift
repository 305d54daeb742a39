/// Why a benchmark has no figure.
public enum BenchError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A layout that cannot be read.
    case layout(String, reason: String)
    /// The workers recorded nothing of what was to be measured.
    case nothingRecorded(subject: String)
    /// Two runs that should have made the same calls did not.
    case otherCalls(subject: String)

    /// What, where, what to do.
    public var description: String {
        switch self {
        case .layout(let text, let reason):
            "the layout '\(text)' \(reason): write WORKERSxTHREADS and the mesh, such as 1x2 or 2x1@model=2"
        case .otherCalls(let subject):
            "the two runs did not make the same calls of \(subject): this is a defect of the program"
        case .nothingRecorded(let subject):
            "the workers recorded nothing of \(subject): look for a failed call above, or run fewer at a time"
        }
    }
}
