import ArgumentParser
import Coordinator
import Foundation
import Program
import Sharding

/// `tessera plan`.
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Shows what a cluster would do, before anything loads.",
        discussion: """
            Partitions the model as the cluster file says and prints the memory that each worker needs, each \
            program's work and collectives with their bytes, and how weights are split and why. The figures are \
            exact: a step sends the bytes that the plan says. A link is one direction between two ranks.

              tessera plan cluster.yaml
              tessera plan cluster.yaml --json | jq '.workers[].weightBytes'
              tessera plan cluster.yaml --explain '*.attn1.to_q.weight'
              tessera plan cluster.yaml --html plan.html
            """)

    @OptionGroup var configuration: ConfigurationArgument

    @Option(
        help: ArgumentHelp(
            "Says why a tensor is split as it is, instead of the report: which annotation reached each dimension, "
                + "through which operations, and which lost.",
            discussion:
                "A weight, an input, an output or a scope, * and ? are wildcards; or a value, such as step/%17. "
                + "May be repeated.", valueName: "name"))
    var explain: [String] = []

    @Option(
        name: .customLong("dump-dir"),
        help: ArgumentHelp(
            "Writes every program as text after every pass of the compiler into this folder.", valueName: "dir"))
    var dumpFolder: String?

    @Option(help: ArgumentHelp("Writes the plan as a page for a browser.", valueName: "file"))
    var html: String?

    @Flag(help: "Prints JSON.")
    var json = false

    @Flag(help: "Lists every weight by itself.")
    var weights = false

    @Option(
        name: [.customShort("n"), .customLong("count")],
        help: "Pictures made together; as many as keep all workers busy if left out.")
    var count: Int?

    func validate() throws {
        if let html { try OutputFiles.check(html) }
        if let count, !(1...64).contains(count) { throw ValidationError("-n takes 1 to 64, not \(count).") }
    }

    func run() async throws {
        let (configuration, choice) = try configuration.load().resolvedWithProgress(pictures: count)
        let plan = try configuration.planned(pictures: count)
        let report = plan.report
        for worker in report.workers {
            guard let limit = worker.limitBytes, worker.totalBytes > limit else { continue }
            Terminal.shared.note(
                "warning: \(worker.name) needs \(PlanReport.bytes(worker.totalBytes)), more than its limit of "
                    + PlanReport.bytes(limit))
        }
        if let dumpFolder {
            let count = try PlanDump.write(plan, mesh: configuration.mesh, to: dumpFolder)
            Terminal.shared.note("wrote \(count) files to \(dumpFolder)")
        }
        if let html {
            do {
                try Data(plan.page(configuration, choice: choice).html.utf8).write(to: URL(filePath: html))
            } catch {
                throw OutputError(path: html, reason: error.localizedDescription)
            }
            Terminal.shared.note("wrote \(html)")
        }
        guard explain.isEmpty else {
            let explainer = PlanExplainer(
                programs: plan.programs, mesh: configuration.mesh, rules: configuration.rules,
                places: configuration.places)
            return Terminal.shared.result(try explain.map(explainer.explain).joined(separator: "\n\n"))
        }
        if !json, let choice { Terminal.shared.result(choice.text() + "\n") }
        let text = json ? try report.json : report.text(listsWeights: weights)
        Terminal.shared.result(json ? try choice?.merged(into: text) ?? text : text)
        if !json, configuration.workers.count > 1 {
            let isEncrypted = configuration.security.keyFile != nil && configuration.security.linkEncryption != .none
            let cipher = isEncrypted ? "; encrypted between hosts" : ""
            Terminal.shared.result("\ndata between workers: \(configuration.dataPlane.carrier.summary)\(cipher)")
        }
    }
}

extension PlanReport {
    /// The report as JSON with sorted keys.
    fileprivate var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}
