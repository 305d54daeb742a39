import Coordinator
import Logging
import Program
import Protocol
import Synchronization
import Tensor
import Transport
import Worker

let testLogger: Logger = {
    var logger = Logger(label: "test")
    logger.logLevel = .error
    return logger
}()

/// Starts workers inside the test's process: the real service, on its own threads, over loopback.
final class InProcessLauncher: Launcher {
    /// A worker of the launcher; ending it looks like the death of its process.
    final class Handle: LaunchedWorker {
        let task: Task<Void, Never>
        init(task: Task<Void, Never>) { self.task = task }
        func terminate() { task.cancel() }
        func kill() { task.cancel() }
    }

    typealias MakeEngine = @Sendable (Worker.WorkerSettings) -> WorkerService.MakeEngine
    private let make: MakeEngine
    private let handles = Mutex<[String: Handle]>([:])
    /// True while workers that are started wait before they say anything.
    private let isHolding = ConditionLock(false)

    /// Workers with these engines; the runtime's by default.
    init(
        engine: @escaping MakeEngine = { settings in
            { try RuntimeEngine(assign: $0, settings: settings, abortFlag: $1) }
        }
    ) {
        make = engine
    }

    func launch(
        _ order: LaunchOrder, ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) -> any LaunchedWorker {
        let settings = Worker.WorkerSettings(
            connect: order.connect, name: order.name, clusterID: order.clusterID, key: order.key)
        let service = WorkerService(settings: settings, isa: "test", logger: testLogger, makeEngine: make(settings))
        // As in a process of its own, nothing that other tests compute delays the news of its end.
        let isHolding = isHolding
        let task = Task(executorPreference: ThreadExecutor(name: order.name)) {
            Self.waitUntilLetGo(isHolding)
            do {
                let end = try await service.run()
                ended(WorkerExit(status: end.isOrderly ? "exit status 0" : "exit status 1", lastLines: ["\(end)"]))
            } catch {
                ended(WorkerExit(status: "exit status 1", lastLines: ["\(error)"]))
            }
        }
        let handle = Handle(task: task)
        handles.withLock { $0[order.name] = handle }
        return handle
    }

    /// Keeps workers that are started from now on from joining until they are let go.
    func hold() { isHolding.update { $0 = true } }

    /// Lets the workers that wait join.
    func letGo() { isHolding.update { $0 = false } }

    private static func waitUntilLetGo(_ isHolding: ConditionLock<Bool>) {
        _ = isHolding.wait(milliseconds: 120_000) { $0 ? nil : true }
    }

    /// Ends a worker as if its process had died.
    func kill(_ name: String) { handles.withLock { $0[name] }?.kill() }
}

/// An engine that never comes back from a call unless it is given up, like a device whose peer is stuck; it says when
/// it runs.
final class WaitingEngine: RankEngine {
    let endpoint = "tcp://127.0.0.1:1"
    private let abortFlag: AbortFlag
    private let running: AsyncStream<Void>.Continuation

    init(abortFlag: AbortFlag, running: AsyncStream<Void>.Continuation) {
        self.abortFlag = abortFlag
        self.running = running
    }

    func connect(endpoints: [String], epoch: UInt32) {}
    func install(_ order: Install, progress: (LoadProgress) -> Void) -> Installed {
        Installed(programKey: order.programKey, arenaByteCount: 0, parameterByteCount: 0)
    }
    func uninstall(_ programKey: String) {}
    func run(_ order: Run) throws -> RunResult {
        running.yield()
        let lock = ConditionLock(false)
        while abortFlag.reason == nil { _ = lock.wait(milliseconds: 1) { $0 ? true : nil } }
        throw TransportError.aborted(reason: abortFlag.reason ?? "")
    }
    func release(request: UInt64) {}
}

/// Makes one worker's computing thread hang in its next call, while its signs of life go on.
final class Hang: Sendable {
    private struct State {
        var victim: String?
        var isOver = false
    }

    private let state = ConditionLock(State())

    /// The next call of this worker hangs until ``release()``, deaf to orders to give up.
    func strike(_ worker: String) { state.update { $0.victim = worker } }

    /// Lets the thread that hangs go.
    func release() { state.update { $0.isOver = true } }

    fileprivate func wait(_ worker: String) {
        let isStruck = state.update { state in
            guard state.victim == worker else { return false }
            state.victim = nil
            return true
        }
        if isStruck { _ = state.wait(milliseconds: 120_000) { $0.isOver ? true : nil } }
    }

    /// Workers with the runtime's engine that may be struck.
    var launcher: InProcessLauncher {
        InProcessLauncher { settings in
            {
                HangingEngine(
                    engine: try RuntimeEngine(assign: $0, settings: settings, abortFlag: $1),
                    name: settings.name, hang: self)
            }
        }
    }
}

/// The runtime's engine, where calls may hang.
private final class HangingEngine: RankEngine {
    private let engine: RuntimeEngine
    private let name: String
    private let hang: Hang

    init(engine: RuntimeEngine, name: String, hang: Hang) {
        self.engine = engine
        self.name = name
        self.hang = hang
    }

    var endpoint: String { engine.endpoint }
    var report: WorkerReport { engine.report }
    func connect(endpoints: [String], epoch: UInt32) throws { try engine.connect(endpoints: endpoints, epoch: epoch) }
    func install(_ order: Install, progress: (LoadProgress) -> Void) throws -> Installed {
        try engine.install(order, progress: progress)
    }
    func run(_ order: Run) throws -> RunResult {
        hang.wait(name)
        return try engine.run(order)
    }
    func uninstall(_ programKey: String) { engine.uninstall(programKey) }
    func release(request: UInt64) { engine.release(request: request) }
    func trace(_ order: TraceOrder) -> TraceReport { engine.trace(order) }
}

/// Programs written by hand for two devices.
enum HandPrograms {
    private static func buffer(_ box: Range<Int>, _ storage: LocalBuffer.Storage) -> LocalBuffer {
        LocalBuffer(dtype: .f32, dims: [Dim(8, granule: 4)], box: Box([box]), storage: storage)
    }

    private static func half(_ device: Int) -> Range<Int> { (4 * device)..<(4 * device + 4) }

    /// x[8] -> "parts" = x + x, each device its half; "whole" = the same, gathered, from device 0.
    static func double(_ device: Int) -> LocalProgram {
        LocalProgram(
            name: "double", device: device,
            buffers: [
                buffer(half(device), .arena(offset: 0)), buffer(half(device), .arena(offset: 64)),
                buffer(0..<8, .arena(offset: 128)),
            ],
            inputs: [.init(name: "x", buffer: 0)],
            outputs: [
                .init(name: "parts", buffer: 1, isPrimary: true),
                .init(name: "whole", buffer: 2, isPrimary: device == 0),
            ],
            instructions: [
                .compute(.init(opcode: .add, operands: [0, 0], result: 1, attributes: [:], scope: "double")),
                .exchangeStart(0), .exchangeFinish(0),
            ],
            exchanges: [
                Exchange(
                    kind: .allGather, axes: ["model"], source: 1, destination: 2,
                    sends: [.init(peer: 1 - device, box: Box([0..<4]))],
                    receives: [.init(peer: 1 - device, box: Box([half(1 - device)]))],
                    copies: [.init(from: Box([0..<4]), to: Box([half(device)]))], stagingOffset: 192, scope: "double")
            ], arenaByteCount: 320)
    }

    /// x[8] -> "kept", a resident: x + x, each device its half.
    static func keep(_ device: Int) -> LocalProgram {
        LocalProgram(
            name: "keep", device: device,
            buffers: [buffer(half(device), .arena(offset: 0)), buffer(half(device), .resident(0))],
            inputs: [.init(name: "x", buffer: 0)],
            residents: [.init(name: "kept", buffer: 1, isOutput: true)],
            instructions: [
                .compute(.init(opcode: .add, operands: [0, 0], result: 1, attributes: [:], scope: "keep"))
            ], arenaByteCount: 64)
    }

    /// the resident "kept" -> "y" = kept + kept, each device its half.
    static func use(_ device: Int) -> LocalProgram {
        LocalProgram(
            name: "use", device: device,
            buffers: [buffer(half(device), .resident(0)), buffer(half(device), .arena(offset: 0))],
            residents: [.init(name: "kept", buffer: 0, isOutput: false)],
            outputs: [.init(name: "y", buffer: 1, isPrimary: true)],
            instructions: [.compute(.init(opcode: .add, operands: [0, 0], result: 1, attributes: [:], scope: "use"))],
            arenaByteCount: 64)
    }

    static func input(_ scale: Float = 1) -> [String: HostTensor] {
        ["x": HostTensor((0..<8).map { Float($0) * scale }, dims: [8])]
    }
}

func twoWorkers(_ change: (inout ClusterSettings) -> Void = { _ in }) -> ClusterSettings {
    var settings = ClusterSettings(
        name: "harbour", workers: [.init(name: "w0", threads: 1), .init(name: "w1", threads: 1)], dtype: .f32,
        // Dozens of clusters that start at once keep each other's threads waiting.
        joinDeadline: .seconds(120), connectDeadline: .seconds(60), silence: .seconds(30),
        coordinatorSilence: .seconds(30), peerDeadline: .seconds(240), abortDeadline: .seconds(60))
    change(&settings)
    return settings
}

/// The error of a body that must fail.
func failure(_ body: () async throws -> Void) async -> ClusterError? {
    do {
        try await body()
        return nil
    } catch let error as ClusterError {
        return error
    } catch {
        return nil
    }
}
