import Program
import Tensor

/// Which part of every weight each worker holds, by part of the model and layer.
struct PlanHoldings {
    /// A part of the model: what stands before the first dot.
    struct Part {
        var name: String
        var layers: [Layer]
        var byteCount: Int { layers.reduce(0) { $0 + $1.byteCount } }
    }

    struct Layer {
        var name: String
        var weights: [PlanReport.Parameter]
        var byteCount: Int { weights.reduce(0) { $0 + $1.bytes } }

        /// What is left of a weight's name in the layer.
        func shortName(_ weight: String) -> String {
            weight.hasPrefix(name + ".") ? String(weight.dropFirst(name.count + 1)) : weight
        }
    }

    /// A way to cut a weight that several weights share.
    struct Pattern {
        var id: Int
        /// For people.
        var words: String
        var parts: [Stretch]
    }

    /// What one device holds, as a part of the weight in row-major order of its split dimensions.
    struct Stretch: Hashable {
        var device: Int
        var start: Double
        var length: Double
    }

    private(set) var parts: [Part] = []
    private(set) var patterns: [Pattern] = []
    /// Devices drawn.
    let drawnCount: Int
    private var byName: [String: Int] = [:]

    init(report: PlanReport, programs: [PlannedProgram]) {
        drawnCount = min(report.workers.count, PlanPage.drawnWorkerMax)
        group(report.parameters)
        var boxes: [String: [(device: Int, box: Box, dims: [Int])]] = [:]
        for planned in programs {
            for local in planned.compiled.locals.prefix(drawnCount) {
                for slice in local.parameters {
                    boxes[slice.spec.name, default: []].append((local.device, slice.box, slice.spec.dims))
                }
            }
        }
        var ids: [[Stretch]: Int] = [:]
        for weight in report.parameters where byName[weight.name] == nil {
            var seen: Set<Stretch> = []
            let stretches = (boxes[weight.name] ?? []).map { Self.stretch($0.device, $0.box, $0.dims) }
                .filter { seen.insert($0).inserted }
            let id = ids[stretches] ?? patterns.count
            if id == patterns.count {
                ids[stretches] = id
                patterns.append(Pattern(id: id, words: Self.words(stretches, report), parts: stretches))
            }
            byName[weight.name] = id
        }
    }

    func pattern(of weight: String) -> Pattern {
        byName[weight].map { patterns[$0] } ?? Pattern(id: 0, words: "", parts: [])
    }

    private mutating func group(_ parameters: [PlanReport.Parameter]) {
        var places: [String: (part: Int, layer: Int)] = [:]
        var partPlaces: [String: Int] = [:]
        for parameter in parameters {
            let name = Self.layer(of: parameter.name)
            let partName = String(parameter.name.prefix { $0 != "." })
            if let place = places[name] {
                parts[place.part].layers[place.layer].weights.append(parameter)
                continue
            }
            let part = partPlaces[partName] ?? parts.count
            if part == parts.count {
                partPlaces[partName] = part
                parts.append(Part(name: partName, layers: []))
            }
            places[name] = (part, parts[part].layers.count)
            parts[part].layers.append(Layer(name: name, weights: [parameter]))
        }
    }

    /// A weight's name up to the layer's number, else without its last two words.
    static func layer(of weight: String) -> String {
        let words = weight.split(separator: ".", omittingEmptySubsequences: false)
        if let number = words.dropLast().lastIndex(where: { !$0.isEmpty && $0.allSatisfy(\.isNumber) }), number > 0 {
            // `to_out.0.weight` is a number inside a layer, `attentions.0` one of a layer.
            let first = words.firstIndex { !$0.isEmpty && $0.allSatisfy(\.isNumber) } ?? number
            let depth = words.count - number > 3 ? number : first
            return words[...depth].joined(separator: ".")
        }
        return words.dropLast(words.count > 2 ? 2 : 1).joined(separator: ".").isEmpty
            ? weight : words.dropLast(words.count > 2 ? 2 : 1).joined(separator: ".")
    }

    private static func stretch(_ device: Int, _ box: Box, _ dims: [Int]) -> Stretch {
        var (start, length) = (0.0, 1.0)
        for (range, size) in zip(box.ranges, dims) where size > 0 && range.count < size {
            start += length * Double(range.lowerBound) / Double(size)
            length *= Double(range.count) / Double(size)
        }
        return Stretch(device: device, start: start, length: length)
    }

    private static func words(_ stretches: [Stretch], _ report: PlanReport) -> String {
        if stretches.allSatisfy({ $0.length == 1 }), stretches.count >= report.workers.count {
            return "every worker holds the whole"
        }
        return stretches.map { stretch in
            let name = report.workers.indices.contains(stretch.device) ? report.workers[stretch.device].name : "?"
            let end = stretch.start + stretch.length
            return "\(name) \(PlanPage.percent(stretch.start)) to \(PlanPage.percent(end))"
        }.joined(separator: ", ")
    }
}
