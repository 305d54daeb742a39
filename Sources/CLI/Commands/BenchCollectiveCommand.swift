public import ArgumentParser
public import Bench
public import Program

/// `tessera bench collective`.
struct BenchCollectiveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collective", abstract: "All-reduce, all-gather and reduce-scatter between workers, by payload.",
        discussion: """
            A payload is the whole result in bf16. The speed is what the worker that sends most sends a second; its limit \
            is a swap of as many bytes over a plain TCP socket of this machine. Small payloads are about time: the median \
            is among the details.

              tessera bench collective --workers 2 --payload 8192 2097152
              tessera bench collective --carrier zeromq
              tessera bench collective --carrier zeromq --encrypted
              tessera bench collective --in-process
            """)

    @OptionGroup var options: BenchOptions

    @Option(help: "Workers, at least 2.")
    var workers = 2

    @Option(help: "Threads of each worker.")
    var threads = 1

    @Flag(help: "Workers are threads of one process instead of processes.")
    var inProcess = false

    @Option(parsing: .upToNextOption, help: "Collectives: all-reduce, all-gather, reduce-scatter.")
    var kind = CollectivePrograms.Kind.allCases

    @Option(parsing: .upToNextOption, help: ArgumentHelp("Bytes of the whole result.", valueName: "bytes"))
    var payload = [8 << 10, 64 << 10, 512 << 10, 2 << 20, 8 << 20]

    @Option(help: "What carries data: auto, shared-memory, zeromq.")
    var carrier = Carrier.automatic

    @Flag(help: "Encrypts links as between hosts of a cluster with a key; with --carrier zeromq.")
    var encrypted = false

    func validate() throws {
        if !(2...64).contains(workers) { throw ValidationError("--workers takes 2 to 64, not \(workers).") }
        if encrypted, carrier != .zeroMQ {
            throw ValidationError("--encrypted needs --carrier zeromq: shared memory is never encrypted.")
        }
        if !(1...1024).contains(threads) { throw ValidationError("--threads takes 1 to 1024, not \(threads).") }
        for bytes in payload where !(128...1 << 30).contains(bytes) {
            throw ValidationError("--payload takes 128 bytes to 1 GiB, not \(bytes).")
        }
    }

    func run() async throws {
        let group = WorkerGroup(count: workers, threads: threads, isInProcess: inProcess)
        let (runs, kinds, payloads) = (options.runs, kind, payload)
        let session = BenchSession(carrier: carrier, isEncrypted: encrypted)
        try await BenchSession.run("collective", options) { progress in
            try await CollectiveBench(workers: session, runs: runs, progress: progress)
                .figures(kinds, payloads: payloads, group: group)
        }
    }
}

extension Carrier: ExpressibleByArgument {}
extension CollectivePrograms.Kind: ExpressibleByArgument {}
