import ArgumentParser
import Coordinator
import Foundation
import Sharding

/// `tessera plan`.
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Shows what a cluster would do, before anything loads.",
        discussion: """
            Partitions the model as the cluster file says and prints each parameter's sharding and why, the collectives \
            of one step with their bytes, and the memory that each worker needs. The figures are exact: a step sends \
            the bytes that the plan says.

              tessera plan cluster.yaml
              tessera plan cluster.yaml --json | jq '.workers[].weightBytes'
            """)

    @OptionGroup var configuration: ConfigurationArgument

    @Flag(help: "Prints JSON.")
    var json = false

    @Option(
        name: [.customShort("n"), .customLong("count")],
        help: "Pictures made together; as many as keep all workers busy if left out.")
    var count: Int?

    func validate() throws {
        if let count, !(1...64).contains(count) { throw ValidationError("-n takes 1 to 64, not \(count).") }
    }

    func run() async throws {
        let configuration = try configuration.load()
        let report = try configuration.plan(pictures: count)
        for (worker, settings) in zip(report.workers, configuration.workers) {
            let needed = worker.weightBytes + worker.arenaBytes + worker.residentBytes
            guard let limit = settings.memoryByteCount, needed > limit else { continue }
            Terminal.shared.note(
                "warning: \(worker.name) needs \(Progress.bytes(needed)), more than its limit of \(Progress.bytes(limit))"
            )
        }
        Terminal.shared.result(json ? try report.json : report.text)
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
