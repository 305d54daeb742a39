/// Something in the cluster file's rules or overrides that does not fit the model's programs.
public struct AnnotationProblem: Error, Sendable, Hashable {
    /// Which entry of the file is to blame.
    public enum Subject: Sendable, Hashable {
        /// The rule of a logical axis.
        case rule(String)
        /// An override, by its place in the list.
        case override(Int)
    }

    /// Which entry is to blame.
    public let subject: Subject
    /// What is wrong, with the tensor, both annotations and their places, in one sentence without a full stop.
    public let message: String
    /// Names that may have been meant, nearest first.
    public let nearest: [String]
}
