public import Program

/// A mesh that was chosen automatically, what it is predicted to do, and why the others lost.
public struct MeshChoice: Sendable, Hashable, Codable {
    /// An axis of a mesh.
    public struct Axis: Sendable, Hashable, Codable {
        /// Name.
        public var name: String
        /// Devices along it.
        public var size: Int
    }

    /// A program of a request.
    public struct Stage: Sendable, Hashable, Codable {
        /// Its name.
        public var name: String
        /// Calls of one request.
        public var calls: Int
        /// Predicted seconds of one call.
        public var seconds: Double
    }

    /// What is predicted of a mesh.
    public struct Outcome: Sendable, Hashable, Codable {
        /// Axes with more than one device, outermost first.
        public var axes: [Axis]
        /// Names of the workers, by rank.
        public var workers: [String]
        /// Their numbers in the cluster file, by rank.
        public var numbers: [Int]
        /// Shards are proportional to these, by rank.
        public var speeds: [Double]
        /// Pictures of a request.
        public var pictures: Int
        /// By program.
        public var stages: [Stage]
        /// Predicted seconds of a request.
        public var seconds: Double
        /// Of these, those in which the device that computes longest computes.
        public var computeSeconds: Double
        /// Bytes that each worker holds, by rank.
        public var peakBytes: [Int]
        /// Payload bytes that the busiest worker sends in a request.
        public var sentBytes: Int
        /// True where shards were moved from workers with little memory to others.
        public var isBalancedByMemory: Bool

        /// The mesh with its speeds.
        public var mesh: Mesh { Mesh(axes.map { Mesh.Axis($0.name, $0.size) }, speeds: speeds) }
        /// "guidance 2 x model 2", "1 device".
        public var title: String { MeshChoice.title(axes.map { ($0.name, $0.size) }) }
        /// Predicted seconds a picture.
        public var secondsPerPicture: Double { seconds / Double(pictures) }
        /// Predicted pictures an hour.
        public var picturesPerHour: Double { 3600 / secondsPerPicture }
    }

    /// A mesh that lost.
    public struct Rival: Sendable, Hashable, Codable {
        /// "guidance 2 x model 2".
        public var title: String
        /// Number of workers.
        public var workerCount: Int
        /// Predicted or, where it was not compiled, estimated seconds a picture; nil where it does not fit.
        public var secondsPerPicture: Double?
        /// Why it lost.
        public var reason: String
    }

    /// What was looked for: `latency` or `throughput`.
    public var objective: String
    /// The choice.
    public var best: Outcome
    /// The others, best first; those that do not fit come last.
    public var rivals: [Rival]
    /// What the user should know: workers left idle, figures that nobody measured.
    public var notes: [String]
    /// Meshes considered.
    public var consideredCount: Int
    /// Meshes compiled.
    public var compiledCount: Int

    static func title(_ axes: [(name: String, size: Int)]) -> String {
        axes.isEmpty ? "1 device" : axes.map { "\($0.name) \($0.size)" }.joined(separator: " x ")
    }
}

extension MeshChoice {
    /// A table for people: the choice, its programs, the runners-up and why they lost, notes.
    ///
    /// - Parameter rivalsMax: runners-up listed.
    public func text(rivalsMax: Int = 12) -> String {
        let goal = objective == "latency" ? "least time for a request" : "most pictures an hour"
        var lines = [
            "chosen mesh: \(best.title) on \(best.workers.joined(separator: ", ")) (\(goal))",
            "  \(Self.text(best.secondsPerPicture)) a picture, \(Self.rounded(best.picturesPerHour)) pictures an hour; "
                + "requests of \(best.pictures == 1 ? "1 picture" : "\(best.pictures) pictures")",
        ]
        lines += best.stages.map { stage in
            "  \(stage.name): \(stage.calls) x \(Self.text(stage.seconds))"
        }
        if Set(best.speeds).count > 1 {
            let shares = zip(best.workers, best.speeds).map { "\($0) \(Self.rounded($1, digits: 2))" }
            let why = best.isBalancedByMemory ? "speed and memory" : "speed"
            lines.append("  shards follow \(why): \(shares.joined(separator: ", "))")
        }
        lines.append(
            "considered \(consideredCount) meshes, compiled \(compiledCount)"
                + (rivals.isEmpty ? "" : "; runners-up:"))
        let shown = rivals.prefix(rivalsMax)
        let width = shown.map(\.title.count).max() ?? 0
        for rival in shown {
            let time = rival.secondsPerPicture.map(Self.text) ?? "-"
            lines.append("  \(Self.padded(rival.title, width))  \(Self.padded(time, 9))  \(rival.reason)")
        }
        if rivals.count > shown.count { lines.append("  and \(rivals.count - shown.count) more") }
        return (lines + notes.map { "note: \($0)" }).joined(separator: "\n")
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// "3.25 s", "12.1 ms", "85 µs".
    static func text(_ seconds: Double) -> String {
        if seconds >= 100 { return "\(rounded(seconds)) s" }
        if seconds >= 0.9995 { return "\(rounded(seconds, digits: 2)) s" }
        if seconds >= 0.0009995 { return "\(rounded(seconds * 1000, digits: 1)) ms" }
        return "\(rounded(seconds * 1e6)) µs"
    }

    /// Decimal text with so many digits after the point.
    static func rounded(_ value: Double, digits: Int = 0) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
        let scale = (0..<digits).reduce(1.0) { product, _ in product * 10 }
        let scaled = Int((abs(value) * scale).rounded())
        let sign = value < 0 && scaled != 0 ? "-" : ""
        guard digits > 0 else { return "\(sign)\(scaled)" }
        let fraction = String(scaled % Int(scale))
        return "\(sign)\(scaled / Int(scale)).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
    }
}
