public import Program

/// What a request makes devices do: programs in order, each a number of times.
public struct Workload: Sendable {
    /// A program and how often it is called.
    public struct Stage: Sendable {
        /// The program; those that read what others leave on the devices come after them.
        public var program: Program
        /// Calls of one request.
        public var calls: Int

        /// Makes a stage.
        public init(_ program: Program, calls: Int = 1) {
            self.program = program
            self.calls = calls
        }
    }

    /// Pictures that the request makes.
    public var pictures: Int
    /// In order of execution.
    public var stages: [Stage]

    /// Makes a workload.
    public init(pictures: Int, stages: [Stage]) {
        self.pictures = pictures
        self.stages = stages
    }

    /// Most parts that dimensions annotated with one of these logical axes can be cut into; 1 where there are none.
    func partsMax(_ logicalAxes: [String]) -> Int {
        stages.reduce(1) { largest, stage in
            stage.program.operations.reduce(largest) { largest, operation in
                zip(operation.axes, operation.type.dims).reduce(largest) { largest, entry in
                    entry.0.map { logicalAxes.contains($0) } == true ? max(largest, entry.1.granuleCount) : largest
                }
            }
        }
    }
}

/// A mesh axis that the search may use, and the logical axes that make it worth having.
public struct SearchAxis: Sendable, Hashable {
    /// Its name in the mesh.
    public var name: String
    /// It never has more devices than the finest of these can be cut into.
    public var logicalAxes: [String]

    /// Makes an axis.
    public init(_ name: String, splits logicalAxes: [String]) {
        self.name = name
        self.logicalAxes = logicalAxes
    }

    /// Those of image models; the one that talks most is last, where neighbours in the mesh are neighbours in number.
    public static let standard = [
        SearchAxis("data", splits: ["batch"]), SearchAxis("guidance", splits: ["guidance"]),
        SearchAxis("rows", splits: ["rows"]), SearchAxis("tokens", splits: ["tokens"]),
        SearchAxis("model", splits: ["heads", "mlp", "vocab"]),
    ]
}
