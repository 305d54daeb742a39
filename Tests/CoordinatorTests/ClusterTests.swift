import Coordinator
import Program
import Protocol
import Synchronization
import Tensor
import Testing
import Transport
import Worker

@Suite struct ClusterTests {
    @Test func runsAProgramOnAllDevicesAndAssemblesItsOutputs() async throws {
        try await withCluster(twoWorkers(), launcher: InProcessLauncher(), logger: testLogger) { cluster in
            let progress = Mutex<Set<String>>([])
            let installed = try await cluster.install(
                "double", locals: [HandPrograms.double(0), HandPrograms.double(1)], sources: [:]
            ) { worker, _ in progress.withLock { _ = $0.insert(worker) } }
            #expect(installed.count == 2 && installed.allSatisfy { $0.arenaByteCount >= 320 })
            #expect(progress.withLock { $0 } == ["w0", "w1"])
            for round in 1...3 {
                let report = try await cluster.call("double", request: 1, inputs: HandPrograms.input(Float(round)))
                let expected = (0..<8).map { Float(2 * round * $0) }
                #expect(report.outputs["parts"]?.floats == expected)
                #expect(report.outputs["whole"]?.floats == expected)
                #expect(report.sentByteCounts == [16, 16])
            }
            let status = await cluster.status
            #expect(status.state == "ready" && status.workers.map(\.state) == ["ready", "ready"])
        }
    }

    @Test func callsOfSeveralRequestsOverlap() async throws {
        try await withCluster(twoWorkers(), launcher: InProcessLauncher(), logger: testLogger) { cluster in
            try await cluster.install(
                "double", locals: [HandPrograms.double(0), HandPrograms.double(1)], sources: [:])
            let sums = try await withThrowingTaskGroup(of: Float.self) { group in
                for request in 1...12 {
                    group.addTask {
                        let inputs = HandPrograms.input(Float(request))
                        let outputs = try await cluster.run("double", request: UInt64(request), inputs: inputs)
                        return outputs["whole"]?.floats.reduce(0, +) ?? 0
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(sums.sorted() == (1...12).map { Float(56 * $0) })
        }
    }

    @Test func residentsStayUntilReleasedAndAFailedCallStartsANewEpoch() async throws {
        try await withCluster(twoWorkers(), launcher: InProcessLauncher(), logger: testLogger) { cluster in
            try await cluster.install("keep", locals: [HandPrograms.keep(0), HandPrograms.keep(1)], sources: [:])
            try await cluster.install("use", locals: [HandPrograms.use(0), HandPrograms.use(1)], sources: [:])
            try await cluster.install(
                "double", locals: [HandPrograms.double(0), HandPrograms.double(1)], sources: [:])
            _ = try await cluster.run("keep", request: 5, inputs: HandPrograms.input())
            let expected = (0..<8).map { Float(4 * $0) }
            #expect(try await cluster.run("use", request: 5, inputs: [:])["y"]?.floats == expected)
            await cluster.release(request: 5)
            let error = await failure { _ = try await cluster.run("use", request: 5, inputs: [:]) }
            guard case .callFailed(_, "use", 5, _, let code, _) = error else {
                return #expect(Bool(false), "\(String(describing: error))")
            }
            #expect(code == "missingResident")
            // A release and a call wait until the new links stand.
            _ = try await cluster.run("keep", request: 7, inputs: HandPrograms.input())
            _ = await failure { _ = try await cluster.run("use", request: 5, inputs: [:]) }
            await cluster.release(request: 7)
            #expect(await failure { _ = try await cluster.run("use", request: 7, inputs: [:]) }?.code == "callFailed")
            let outputs = try await cluster.run("double", request: 6, inputs: HandPrograms.input())
            #expect(outputs["whole"]?.floats == (0..<8).map { Float(2 * $0) })
        }
    }

    @Test func aBadInputFailsTheCallOnly() async throws {
        try await withCluster(twoWorkers(), launcher: InProcessLauncher(), logger: testLogger) { cluster in
            try await cluster.install(
                "double", locals: [HandPrograms.double(0), HandPrograms.double(1)], sources: [:])
            let wrong = ["x": HostTensor([1, 2, 3] as [Float], dims: [3])]
            let error = await failure { _ = try await cluster.run("double", request: 1, inputs: wrong) }
            #expect(error?.code == "callFailed" && "\(error!)".contains("x"))
            #expect(
                await failure { _ = try await cluster.run("nothing", request: 1, inputs: [:]) }
                    == .unknownProgram(key: "nothing"))
            let outputs = try await cluster.run("double", request: 2, inputs: HandPrograms.input())
            #expect(outputs["parts"]?.floats.last == 14)
        }
    }

    @Test func aProgramForAnotherDeviceIsRefusedByName() async throws {
        try await withCluster(twoWorkers(), launcher: InProcessLauncher(), logger: testLogger) { cluster in
            let error = await failure {
                try await cluster.install(
                    "double", locals: [HandPrograms.double(0), HandPrograms.double(0)], sources: [:])
            }
            guard case .installFailed("w1", "double", "foreignProgram", _) = error else {
                return #expect(Bool(false), "\(String(describing: error))")
            }
        }
    }

    @Test func aWorkerMayJoinByItself() async throws {
        let settings = ClusterSettings(
            name: "harbour", workers: [.init(name: "any", threads: 1, isLaunched: false)], bind: "tcp://127.0.0.1:0",
            dtype: .f32, joinDeadline: .seconds(120), silence: .seconds(30), coordinatorSilence: .seconds(30))
        let cluster = Cluster(settings: settings, launcher: nil, logger: testLogger)
        async let start: Void = cluster.start()
        var endpoint: String?
        while endpoint == nil {
            endpoint = await cluster.endpoint
            await Task.yield()
        }
        let joining = WorkerSettings(connect: endpoint ?? "", name: "visitor", clusterID: "harbour")
        async let end = WorkerService(settings: joining, logger: testLogger).run()
        try await start
        #expect(await cluster.status.workers.map(\.name) == ["visitor"])
        await cluster.shutdown(reason: "the test is over")
        #expect(try await end == .shutdown("the test is over"))
    }

    @Test func ordersBeforeTheStartAndAfterTheEndAreErrors() async throws {
        let cluster = Cluster(settings: twoWorkers(), launcher: InProcessLauncher(), logger: testLogger)
        #expect(await failure { _ = try await cluster.run("k", request: 1, inputs: [:]) }?.code == "notReady")
        try await cluster.start()
        #expect(await failure { try await cluster.start() }?.code == "notReady")
        await cluster.shutdown(reason: "done")
        await cluster.shutdown(reason: "again")
        #expect(await failure { _ = try await cluster.run("k", request: 1, inputs: [:]) }?.code == "stopped")
        #expect(await cluster.status.state == "stopped")
    }

    @Test func aPortInUseIsNamed() async throws {
        let other = try ControlServer(bind: "tcp://127.0.0.1:0", logger: testLogger)
        let settings = twoWorkers { $0.bind = other.endpoint }
        let error = await failure {
            try await Cluster(settings: settings, launcher: InProcessLauncher(), logger: testLogger).start()
        }
        #expect(error?.code == "endpoint" && "\(error!)".contains("another process"))
        await other.close()
    }
}
