public import Program
import Tensor

/// Answers "why is this tensor split like this?" for the programs of a plan.
public struct PlanExplainer: Sendable {
    /// Tensors explained at once; of more, the rest is counted.
    private static let countMax = 32
    /// Devices named one by one.
    private static let deviceMax = 16

    private let programs: [PlannedProgram]
    private let mesh: Mesh
    private let rules: LogicalAxisRules
    private let places: RulePlaces

    /// Makes an explainer.
    public init(programs: [PlannedProgram], mesh: Mesh, rules: LogicalAxisRules, places: RulePlaces = RulePlaces()) {
        self.programs = programs
        self.mesh = mesh
        self.rules = rules
        self.places = places
    }

    /// Nothing has the name that was asked for.
    public struct UnknownName: Error, Sendable, Hashable, CustomStringConvertible {
        /// What was asked for.
        public let name: String
        /// The nearest names.
        public let nearest: [String]
        /// What, and what may have been meant.
        public var description: String {
            "no weight, input, output or scope of the plan's programs matches '\(name)'"
                + (nearest.isEmpty
                    ? "; `tessera plan --weights` lists all weights"
                    : "; the nearest: " + nearest.joined(separator: ", "))
        }
    }

    /// Explains all tensors that a name means.
    ///
    /// - Parameter name: a weight, input, output or scope, with `*` and `?` as wildcards; `%17`, a value of every program
    ///   that has one, or `step/%17`, of one program.
    /// - Throws: ``UnknownName``.
    public func explain(_ name: String) throws(UnknownName) -> String {
        let found = programs.indices.flatMap { index in
            matches(name, in: programs[index].program).map { (program: index, match: $0) }
        }
        guard !found.isEmpty else {
            throw UnknownName(
                name: name, nearest: NearNames.of(name, among: Set(programs.flatMap { names($0.program) })))
        }
        // A weight that several programs use alike is said once.
        var order: [String] = []
        var users: [String: [String]] = [:]
        var rest = 0
        for (index, match) in found {
            guard order.count < Self.countMax else {
                rest += 1
                continue
            }
            let text = explanation(of: match, in: programs[index])
            if users[text] == nil { order.append(text) }
            users[text, default: []].append(programs[index].program.name)
        }
        let shown = order.map { text in "program \((users[text] ?? []).joined(separator: ", "))\n\(text)" }
        return (shown + (rest > 0 ? ["and \(rest) more; a narrower name shows them"] : [])).joined(separator: "\n\n")
    }

    // MARK: Names

    private struct Match {
        var value: Program.ValueID
        var name: String
    }

    private func names(_ program: Program) -> [String] {
        program.operations.indices.compactMap { program.name(of: $0) } + program.outputs.map(\.name)
            + Set(program.operations.map(\.scope)).subtracting([""])
    }

    /// Weights, inputs and outputs first; only where there is none, what is made in a scope.
    private func matches(_ pattern: String, in program: Program) -> [Match] {
        if let value = number(pattern, program) {
            return program.operations.indices.contains(value)
                ? [Match(value: value, name: program.describe(value))] : []
        }
        var seen: Set<Program.ValueID> = []
        let named = program.operations.indices.compactMap { value -> Match? in
            guard let name = program.name(of: value), LogicalAxisRules.matches(pattern, name) else { return nil }
            seen.insert(value)
            return Match(value: value, name: name)
        }
        let outputs = program.outputs.filter { LogicalAxisRules.matches(pattern, $0.name) && !seen.contains($0.value) }
        let all = named + outputs.map { Match(value: $0.value, name: "\($0.name) (\(program.describe($0.value)))") }
        guard all.isEmpty else { return all }
        return program.operations.indices.filter {
            let scope = program.operations[$0].scope
            return !scope.isEmpty && LogicalAxisRules.matches(pattern, scope)
        }
        .map { Match(value: $0, name: program.describe($0)) }
    }

    /// `%17` or `step/%17`.
    private func number(_ text: String, _ program: Program) -> Program.ValueID? {
        guard let percent = text.lastIndex(of: "%") else { return nil }
        let prefix = text[..<percent]
        guard prefix.isEmpty || prefix == "\(program.name)/" else { return nil }
        return Int(text[text.index(after: percent)...]).flatMap { $0 >= 0 ? $0 : nil }
    }

    // MARK: One tensor

    private func explanation(of match: Match, in planned: PlannedProgram) -> String {
        let program = planned.program
        let operation = program.operations[match.value]
        let sharding = planned.shardings[match.value]
        let text = OriginText(trace: planned.trace, mesh: mesh, rules: rules, places: places)
        let uses = program.operations.indices.filter { program.operations[$0].operands.contains(match.value) }
        let sizes = operation.type.sizes.map(String.init).joined(separator: ", ")
        var lines = ["\(match.name)  \(operation.type.dtype.rawValue)[\(sizes)]  \(sharding.text(mesh))"]
        for (dim, entry) in sharding.dims.enumerated() {
            let place = OriginTrace.Place(value: match.value, dim: dim)
            let size = operation.type.dims[dim]
            if size.granuleCount <= 1 {
                lines.append("  dimension \(dim) (\(size.size)): one granule, never split")
                continue
            }
            let state = entry.axes.isEmpty ? "not split" : "split over \(text.names(entry.axes))"
            lines.append("  dimension \(dim) (\(size.size) in \(size.granuleCount) granules): \(state)")
            if !entry.axes.isEmpty {
                lines += text.path(to: place).map { "    \($0)" }
            } else if entry.origin != .none {
                lines.append("    \(text.decision(entry.origin))")
            } else {
                lines.append("    no annotation reached it")
            }
            lines += text.lost(at: place, uses: uses).map { "    \($0)" }
        }
        return (lines + held(match.value, in: planned)).joined(separator: "\n")
    }

    /// What each device holds, of weights and inputs.
    private func held(_ value: Program.ValueID, in planned: PlannedProgram) -> [String] {
        guard let name = planned.program.name(of: value) else { return [] }
        let isWeight = planned.program.operations[value].opcode == .parameter
        var order: [String] = []
        var holders: [String: [Int]] = [:]
        for local in planned.compiled.locals {
            let boxes =
                isWeight
                ? local.parameters.filter { $0.spec.name == name }.map(\.box)
                : (local.inputs.filter { $0.name == name }.map(\.buffer)
                    + local.residents.filter { $0.name == name && !$0.isOutput }.map(\.buffer))
                    .map { local.buffers[$0].box }
            for box in boxes {
                let part = "[" + box.ranges.map { "\($0.lowerBound)..<\($0.upperBound)" }.joined(separator: ", ") + "]"
                if holders[part] == nil { order.append(part) }
                if holders[part]?.last != local.device { holders[part, default: []].append(local.device) }
            }
        }
        return order.map { part in
            let devices = holders[part] ?? []
            let names = devices.prefix(Self.deviceMax).map(String.init).joined(separator: ", ")
            let rest = devices.count > Self.deviceMax ? " and \(devices.count - Self.deviceMax) more" : ""
            return "  \(part) on \(devices.count == 1 ? "device" : "devices") \(names)\(rest)"
        }
    }
}

extension Program {
    /// Name of a weight or an input.
    func name(of value: ValueID) -> String? {
        let operation = operations[value]
        guard operation.opcode == .parameter || operation.opcode == .input,
            case .text(let name)? = operation.attributes.values["name"]
        else { return nil }
        return name
    }
}
