import ArgumentParser
import Coordinator
import Foundation
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
            """)

    @OptionGroup var configuration: ConfigurationArgument

    @Flag(help: "Prints JSON.")
    var json = false

    @Flag(help: "Lists every weight by itself.")
    var weights = false

    @Option(
        name: [.customShort("n"), .customLong("count")],
        help: "Pictures made together; as many as keep all workers busy if left out.")
    var count: Int?

    func validate() throws {
        if let count, !(1...64).contains(count) { throw ValidationError("-n takes 1 to 64, not \(count).") }
    }

    func run() async throws {
        let (configuration, choice) = try configuration.load().resolved(pictures: count)
        let report = try configuration.plan(pictures: count)
        for worker in report.workers {
            guard let limit = worker.limitBytes, worker.totalBytes > limit else { continue }
            Terminal.shared.note(
                "warning: \(worker.name) needs \(PlanReport.bytes(worker.totalBytes)), more than its limit of "
                    + PlanReport.bytes(limit))
        }
        if !json, let choice { Terminal.shared.result(choice.text() + "\n") }
        let text = json ? try report.json : report.text(listsWeights: weights)
        Terminal.shared.result(json ? try choice?.merged(into: text) ?? text : text)
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
