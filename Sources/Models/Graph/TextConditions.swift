import Program

/// What a transformer needs from the text (and whatever else is constant) for all steps of a request, computed once: the
/// keys and values of every attention to the text, and in some families the scale and shift of every adaptive norm.
struct TextConditions {
    /// One of them.
    struct Item {
        /// Name, also of the resident that holds it.
        let name: String
        /// Dimensions after guidance and batch.
        let dims: [Int]
        /// Logical axes of those dimensions.
        let axes: [String?]

        /// Key and value of one attention to the text.
        static func keyAndValue(_ name: String, length: Int, heads: Int, headSize: Int) -> [Item] {
            ["key", "value"].map {
                Item(name: "\(name).\($0)", dims: [length, heads, headSize], axes: [nil, GraphAxis.heads, nil])
            }
        }
    }

    private var values: [String: Program.ValueID] = [:]

    /// A value; it must have been set.
    subscript(name: String) -> Program.ValueID {
        get {
            guard let value = values[name] else { preconditionFailure("the condition \(name) has been computed") }
            return value
        }
        set { values[name] = newValue }
    }

    /// Declares all conditions as residents that the text program left for the prompt of each picture of the batch
    /// (`….key@0`, `….key@1` …, each of one prompt), and joins them to whole batches.
    static func residents(
        _ graph: inout ProgramBuilder, _ items: [Item], batch: Int, rows: GuidanceRows
    ) -> TextConditions {
        var result = TextConditions()
        for item in items {
            let axes = [GraphAxis.guidance, GraphAxis.batch] + item.axes
            let slots = (0..<batch).map { slot in
                graph.input(
                    ResidentName(item.name, slot: slot).text, graph.activation, [rows.left, 1] + item.dims, axes: axes,
                    isResident: true)
            }
            let value = batch == 1 ? slots[0] : graph.add(.concat, slots, ["dim": .int(1)], axes: axes)
            result[item.name] = rows == .conditional ? conditionalHalf(&graph, value, axes) : value
        }
        return result
    }

    /// Row 1 of a value whose first dimension is guidance.
    private static func conditionalHalf(
        _ graph: inout ProgramBuilder, _ value: Program.ValueID, _ axes: [String?]
    ) -> Program.ValueID {
        let sizes = graph.type(of: value).sizes
        let start = sizes.indices.map { $0 == 0 ? 1 : 0 }
        return graph.add(.slice, [value], ["start": .ints(start), "limit": .ints(sizes)], axes: axes)
    }

    /// Names all conditions as residents for later programs.
    func leave(_ graph: inout ProgramBuilder, _ items: [Item]) {
        for item in items {
            graph.annotate(self[item.name], [GraphAxis.guidance, GraphAxis.batch] + item.axes)
            graph.output(item.name, self[item.name], isResident: true)
        }
    }
}

/// The rows of classifier-free guidance that a step computes, and those that the request's text program left.
public enum GuidanceRows: Sendable, Hashable, CaseIterable {
    /// A request without guidance: the text alone.
    case single
    /// The unconditional row, then the text's.
    case both
    /// The text's row alone, of a request that has both: a step at which guidance is off.
    case conditional

    /// With guidance, or without.
    public init(isGuided: Bool) { self = isGuided ? .both : .single }

    /// Name of a step's program.
    var stepName: String { self == .conditional ? "conditionalStep" : "step" }
    /// Rows that a step computes.
    public var computed: Int { self == .both ? 2 : 1 }
    /// Rows that the text program left.
    public var left: Int { self == .single ? 1 : 2 }
}
