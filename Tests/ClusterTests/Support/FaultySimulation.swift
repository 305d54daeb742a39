import Coordinator
import Dispatch
import Foundation
import Program
import Runtime
import Sharding
import Synchronization
import Tensor
import Transport

/// One call of a sharded program over a simulated network with faults: how each rank ends.
struct FaultySimulation: Sendable {
    typealias Output = (name: String, box: Box, tensor: HostTensor)

    /// By rank; nil where the rank has not come back at all.
    var ends: [Result<[Output], any Error>?]
    /// Faults that frames really met, in any order.
    var faults: [Fault]

    /// Longest wait for all ranks, in seconds; a rank that takes longer hangs.
    private static let patience = 120.0

    /// Runs the local programs, each on its own thread.
    ///
    /// A rank that fails closes its links, as a process does that ends.
    init(
        _ locals: [LocalProgram], inputs: [String: HostTensor], sources: [String: ParameterSource],
        network: FaultInjector, deadline: Duration
    ) {
        let met = Collector<Fault>()
        let watched = FaultInjector { frame in
            let fault = network.fault(frame)
            if let fault { met.add(fault) }
            return fault
        }
        let fabrics = LocalFabric.make(size: locals.count, faults: watched)
        let results = Collector<(rank: Int, end: Result<[Output], any Error>)>()
        let group = DispatchGroup()
        for (local, fabric) in zip(locals, fabrics) {
            group.enter()
            let thread = Thread {
                let end = Result {
                    let weights = WeightStore(sources: sources)
                    let executor = try Executor(program: local, weights: weights, threads: ThreadPool(threads: 1))
                    return try executor.run(
                        inputs: inputs, residents: ResidentStore(), request: 1,
                        tag: FrameTag(epoch: 1, request: 1, step: 1, instruction: 0), fabric: fabric,
                        deadline: deadline)
                }
                if case .failure = end { fabric.close() }
                results.add((fabric.rank, end))
                group.leave()
            }
            thread.stackSize = 4 << 20
            thread.start()
        }
        if group.wait(timeout: .now() + Self.patience) == .timedOut {
            for fabric in fabrics { fabric.abortFlag.set("the simulation hangs") }
        }
        var ends: [Result<[Output], any Error>?] = Array(repeating: nil, count: locals.count)
        for (rank, end) in results.all { ends[rank] = end }
        self.ends = ends
        faults = met.all
    }

    /// Things gathered by several threads.
    private final class Collector<Element: Sendable>: Sendable {
        private let elements = Mutex<[Element]>([])
        var all: [Element] { elements.withLock { $0 } }
        func add(_ element: Element) { elements.withLock { $0.append(element) } }
    }
}
