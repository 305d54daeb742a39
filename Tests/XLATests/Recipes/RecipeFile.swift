import Foundation

/// Models and pieces of models with the annotation sets that XLA compiled: `Tests/Fixtures/xla/recipes.json`.
struct RecipeFile: Decodable {
    var graphs: [RecipeGraph]
    var recipes: [Recipe]

    init(path: String) throws {
        self = try JSONDecoder().decode(RecipeFile.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
    }
}

/// A graph whose layer stands once; see Tools/reference/xla/graph_writer.py.
struct RecipeGraph: Decodable {
    var name: String
    var inputs: [NamedInput]
    var before: [Case.Node]
    var layer: Layer?
    var after: [Case.Node]
    var outputs: [String]

    /// An input; recipes annotate it by its name, which several may have.
    struct NamedInput: Decodable {
        var id: String
        var name: String
        var shape: [Int]
        var dtype: String
    }

    struct Layer: Decodable {
        var inputs: [NamedInput]
        /// What the first layer is given, as `@`.
        var given: String
        var nodes: [Case.Node]
        /// What the next layer is given.
        var gives: String
        var outputs: [String]
    }
}

/// A graph, a mesh and a set of annotations, with what XLA sends.
struct Recipe: Decodable {
    var model: String
    var mesh: [Case.MeshAxis]
    var set: String
    var graph: String
    var annotations: [String: [DimAnnotation]]
    /// Layers that `bytes` is of: 48 for the deep stack, else 1 (or the whole of a piece without layers).
    var layers: Int
    /// Bytes that one device sends per layer, and outside the layers.
    var bytes: Double
    var edge: Double
    /// XLA's collectives per layer.
    var collectives: [String: Double]

    var meshText: String { mesh.map { "\($0.name):\($0.size)" }.joined(separator: "x") }
    var title: String { "\(model) \(meshText) \(set)" }
}

extension RecipeGraph {
    /// The graph with so many layers and a recipe's annotations, as a case.
    func expanded(_ recipe: Recipe, layers: Int) -> Case {
        var expansion = Expansion(annotations: recipe.annotations)
        for input in inputs { expansion.add(input, prefix: "") }
        for node in before { expansion.add(node, prefix: "") }
        var extra: [String] = []
        if let layer {
            expansion.names["@"] = expansion.resolve(layer.given, prefix: "")
            for index in 0..<layers {
                let prefix = "layer\(index)."
                for input in layer.inputs { expansion.add(input, prefix: prefix) }
                for node in layer.nodes { expansion.add(node, prefix: prefix) }
                extra += layer.outputs.map { expansion.resolve($0, prefix: prefix) }
                expansion.names["@"] = expansion.resolve(layer.gives, prefix: prefix)
            }
        }
        for node in after { expansion.add(node, prefix: "") }
        let results = outputs.map { expansion.resolve($0, prefix: "") } + extra
        return Case(
            name: recipe.title, mesh: recipe.mesh,
            graph: .init(inputs: expansion.inputs, nodes: expansion.nodes, outputs: results),
            annotations: expansion.inputAnnotations, bar: nil)
    }

    /// Writes nodes with names of their own, and leaves out constraints that the recipe does not know.
    private struct Expansion {
        let annotations: [String: [DimAnnotation]]
        var inputs: [Case.Input] = []
        var nodes: [Case.Node] = []
        var inputAnnotations: [String: [DimAnnotation]] = [:]
        /// Values that go by another name: `@`, and constraints left out.
        var names: [String: String] = [:]

        init(annotations: [String: [DimAnnotation]]) { self.annotations = annotations }

        func resolve(_ id: String, prefix: String) -> String {
            let full = id.hasPrefix("L.") ? prefix + id.dropFirst(2) : id
            return names[full] ?? full
        }

        mutating func add(_ input: NamedInput, prefix: String) {
            let id = input.id.hasPrefix("L.") ? prefix + input.id.dropFirst(2) : input.id
            inputs.append(.init(id: id, shape: input.shape, dtype: input.dtype))
            if let dims = annotations[input.name] { inputAnnotations[id] = dims }
        }

        mutating func add(_ node: Case.Node, prefix: String) {
            var copy = node
            copy.id = node.id.hasPrefix("L.") ? prefix + node.id.dropFirst(2) : node.id
            copy.operands = node.operands.map { resolve($0, prefix: prefix) }
            if node.op == "constraint", let name = node.attributes.name {
                guard let dims = annotations[name] else {
                    names[copy.id] = copy.operands[0]
                    return
                }
                copy.attributes.sharding = dims
            }
            nodes.append(copy)
        }
    }
}
