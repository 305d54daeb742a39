import ArgumentParser
import Coordinator
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

    @Option(name: [.customShort("n"), .customLong("count")], help: "Number of pictures made together.")
    var count = 1

    @Option(help: ArgumentHelp("Size in pixels; the model's own if left out.", valueName: "WxH"))
    var size: PictureSize?

    func validate() throws {
        if !(1...64).contains(count) { throw ValidationError("-n takes 1 to 64, not \(count).") }
    }

    func run() async throws {
        let configuration = try configuration.load()
        var request = GenerationRequest(prompt: "")
        request.picturesPerPrompt = count
        (request.width, request.height) = (size?.width, size?.height)
        let report = try ClusterSession.plan(configuration, request: request)
        for (worker, settings) in zip(report.workers, configuration.workers) {
            let needed = worker.weightBytes + worker.arenaBytes + worker.residentBytes
            guard let limit = settings.memoryByteCount, needed > limit else { continue }
            Terminal.shared.note(
                "warning: \(worker.name) needs \(Progress.bytes(needed)), more than its limit of \(Progress.bytes(limit))")
        }
        Terminal.shared.result(json ? try report.json : report.text)
    }
}
