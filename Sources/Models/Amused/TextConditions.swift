import Program

/// What the transformer needs from the text and the micro-conditions, for all steps of a request: the keys and values
/// of every attention to the text, and the scale and shift of every adaptive norm.
struct TextConditions {
    /// One of them.
    struct Item {
        /// Name, also of the resident that holds it.
        let name: String
        /// Dimensions after guidance and batch.
        let dims: [Int]
        /// Logical axes of those dimensions.
        let axes: [String?]
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

    /// All conditions of a transformer, in the order of their use.
    ///
    /// `length` is the number of text positions.
    static func items(_ c: UViTConfiguration, length: Int) -> [Item] {
        func text(_ name: String, _ heads: Int, _ headSize: Int) -> [Item] {
            ["key", "value"].map {
                Item(name: "\(name).\($0)", dims: [length, heads, headSize], axes: [nil, GraphAxis.heads, nil])
            }
        }
        func modulation(_ name: String, _ size: Int) -> Item {
            Item(name: "\(name).modulation", dims: [2, size], axes: [nil, nil])
        }
        func block(_ name: String) -> [Item] {
            (0..<c.blockCount).flatMap { index in
                [modulation("\(name).res_blocks.\(index)", c.blockSize)]
                    + ["attn1", "attn2"].flatMap {
                        text("\(name).attention_blocks.\(index).\($0)", c.blockHeadCount, c.blockHeadSize)
                    }
            }
        }
        let layers = (0..<c.layerCount).flatMap { index in
            let name = "transformer_layers.\(index)"
            return [modulation("\(name).norm1", c.hiddenSize), modulation("\(name).norm2", c.hiddenSize)]
                + text("\(name).attn2", c.headCount, c.headSize) + [modulation("\(name).norm3", c.hiddenSize)]
        }
        return block("down_block") + layers + block("up_block")
    }

    /// Declares all conditions as residents that an earlier program of the request left.
    static func residents(
        _ graph: inout ProgramBuilder, _ c: UViTConfiguration, batch: Int, guidanceRows: Int, length: Int
    ) -> TextConditions {
        var result = TextConditions()
        for item in items(c, length: length) {
            result[item.name] = graph.input(
                item.name, graph.activation, [guidanceRows, batch] + item.dims,
                axes: [GraphAxis.guidance, GraphAxis.batch] + item.axes, isResident: true)
        }
        return result
    }

    /// Names all conditions as residents for later programs.
    func leave(_ graph: inout ProgramBuilder, _ c: UViTConfiguration, length: Int) {
        for item in Self.items(c, length: length) {
            graph.annotate(self[item.name], [GraphAxis.guidance, GraphAxis.batch] + item.axes)
            graph.output(item.name, self[item.name], isResident: true)
        }
    }
}
