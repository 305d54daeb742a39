import ArgumentParser
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

    func run() async throws {
        let report = try ClusterSession.plan(try configuration.load())
        Terminal.shared.result(json ? try report.json : report.text)
    }
}
