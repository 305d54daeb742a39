/// Workers of this machine and the mesh that they form: `2x1@model=2` is two workers of one thread that split the model.
public struct BenchLayout: Sendable, Hashable, CustomStringConvertible {
    /// An axis of the mesh.
    public struct Axis: Sendable, Hashable {
        /// Its name: one of those that models' default rules split over.
        public var name: String
        /// Workers along it.
        public var size: Int
    }

    /// Workers.
    public var workers: Int
    /// Threads of each.
    public var threads: Int
    /// The mesh, outermost axis first; empty for one worker.
    public var axes: [Axis]

    /// Most workers, and most threads of one.
    private static let countMax = 1024

    /// Reads a layout.
    ///
    /// Throws ``BenchError/layout(_:reason:)``.
    public init(_ text: String) throws(BenchError) {
        let halves = text.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        let counts = (halves.first ?? "").split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard counts.count == 2, let workers = counts[0], let threads = counts[1],
            (1...Self.countMax).contains(workers), (1...Self.countMax).contains(threads)
        else { throw .layout(text, reason: "does not begin with numbers of workers and threads") }
        let axes = halves.count == 2 ? try Self.axes(halves[1], of: text) : []
        guard axes.reduce(1, { $0 * $1.size }) == workers else {
            throw .layout(text, reason: "has \(workers) workers, which is not the product of its mesh axes")
        }
        (self.workers, self.threads, self.axes) = (workers, threads, axes)
    }

    /// Reads a mesh, `data=4,model=128`, of workers with one thread.
    ///
    /// Throws ``BenchError/layout(_:reason:)``.
    public init(mesh text: String) throws(BenchError) {
        axes = try Self.axes(text[...], of: text)
        let (count, overflow) = axes.reduce((1, false)) { product, axis in
            let (value, overflow) = product.0.multipliedReportingOverflow(by: axis.size)
            return (value, product.1 || overflow)
        }
        guard !overflow, count <= Self.countMax else {
            throw .layout(text, reason: "has more than \(Self.countMax) workers")
        }
        (workers, threads) = (count, 1)
    }

    private static func axes(_ list: Substring, of text: String) throws(BenchError) -> [Axis] {
        var axes: [Axis] = []
        for part in list.split(separator: ",", omittingEmptySubsequences: false) {
            let pair = part.split(separator: "=", omittingEmptySubsequences: false)
            guard pair.count == 2, let size = Int(pair[1]), (1...countMax).contains(size), !pair[0].isEmpty,
                pair[0].allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }),
                !axes.contains(where: { $0.name == pair[0] })
            else { throw .layout(text, reason: "has a mesh axis '\(part)' that is not NAME=SIZE") }
            axes.append(Axis(name: String(pair[0]), size: size))
        }
        return axes
    }

    /// As it is written.
    public var description: String {
        "\(workers)x\(threads)"
            + (axes.isEmpty ? "" : "@" + axes.map { "\($0.name)=\($0.size)" }.joined(separator: ","))
    }

    /// A cluster file of such workers that serves a preset with generated weights.
    public func clusterFile(preset: String, dtype: String) -> String {
        let sizes = axes.isEmpty ? ["data: 1"] : axes.map { "\($0.name): \($0.size)" }
        return """
            name: bench
            model: {preset: \(preset), dtype: \(dtype), weights: generated}
            mesh: {\(sizes.joined(separator: ", "))}
            workers: {launcher: local, count: \(workers), threads: \(threads)}
            control: {host: 127.0.0.1, port: 0}

            """
    }
}
