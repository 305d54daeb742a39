import Coordinator
import Program
import Sharding
import Synchronization
import Tensor
import Testing

/// Workers are measured by running programs on them.
@Suite(.timeLimit(.minutes(10))) struct CalibrationTests {
    /// Devices whose work takes what a profile predicts.
    private final class PredictedTarget: CalibrationTarget {
        let profile: MachineProfile
        let programs = Mutex<[String: [LocalProgram]]>([:])

        init(profile: MachineProfile) { self.profile = profile }

        func prepare(_ key: String, locals: [LocalProgram], sources: [String: ParameterSource]) async throws {
            for slice in locals.flatMap(\.parameters) { #expect(sources[slice.spec.name] != nil) }
            programs.withLock { $0[key] = locals }
        }

        func drop(_ key: String) { programs.withLock { $0[key] = nil } }

        func time(_ key: String) async throws -> [Double] {
            let locals = programs.withLock { $0[key] ?? [] }
            let timeline = Timeline.predict(locals: locals, profile: profile)
            // As long as a message to a worker takes, and more.
            return timeline.devices.map { 1e-3 + ($0.last?.end ?? 0) }
        }
    }

    private func machines(_ count: Int) -> MachineProfile {
        var profile = MachineProfile(
            workers: (0..<count).map { index in
                MachineProfile.Worker(
                    name: "w\(index)", origin: .measured, cores: 2,
                    matrixRates: [
                        .init(precision: .bf16, rows: 1, depth: 2048, columns: 2048, rate: 2e10),
                        .init(precision: .bf16, rows: 512, depth: 2048, columns: 2048, rate: 1e12 / Double(index + 1)),
                        .init(precision: .int8, rows: 1, depth: 2048, columns: 2048, rate: 4e10),
                        .init(precision: .int8, rows: 512, depth: 2048, columns: 2048, rate: 2e12 / Double(index + 1)),
                    ], attentionRate: 2e11, elementRate: 3e9, memoryBandwidth: 2e10, instructionSeconds: 1e-6)
            }, link: .init(latency: 50e-6, bandwidth: 1e9, origin: .measured))
        if count > 2 {
            profile[0, 2] = .init(latency: 200e-6, bandwidth: 1e8, origin: .measured)
            profile[2, 0] = .init(latency: 200e-6, bandwidth: 1e8, origin: .measured)
        }
        return profile
    }

    @Test(arguments: [1, 2, 3])
    func findsWhatTheMachinesDo(count: Int) async throws {
        let truth = machines(count)
        let subjects = Mutex<[CalibrationProgress]>([])
        let target = PredictedTarget(profile: truth)
        let found = try await Calibration(
            target: target, workers: truth.workers.map(\.name),
            threads: truth.workers.map(\.cores), effort: .thorough
        ) { report in subjects.withLock { $0.append(report) } }.run()
        #expect(found.isMeasured)
        #expect(target.programs.withLock { $0.isEmpty })
        func isClose(_ a: Double, _ b: Double) -> Bool { abs(a / b - 1) < 0.15 }
        for (worker, real) in zip(found.workers, truth.workers) {
            #expect(worker.name == real.name)
            for precision in [MachineProfile.Precision.bf16, .int8] {
                for rows in [1, 512] {
                    #expect(
                        isClose(
                            worker.matrixRate(precision, rows: rows, depth: 2048, columns: 2048),
                            real.matrixRate(precision, rows: rows, depth: 2048, columns: 2048)))
                }
            }
            #expect(isClose(worker.attentionRate, real.attentionRate))
            #expect(isClose(worker.elementRate, real.elementRate))
            #expect(worker.instructionSeconds < 3 * real.instructionSeconds)
            #expect((0.5...2).contains(worker.memoryBandwidth / real.memoryBandwidth))
        }
        for from in 0..<count {
            for to in 0..<count where from != to {
                #expect(isClose(found[from, to].latency, truth[from, to].latency))
                #expect(isClose(found[from, to].bandwidth, truth[from, to].bandwidth))
            }
        }
        let reports = subjects.withLock { $0 }
        #expect(reports.map(\.done) == Array(0...(reports.count - 1)))
        #expect(reports.last.map { $0.done == $0.total } == true)
    }

    /// A link whose messages all take as long as the machine is busy with something else.
    private struct BusyTarget: CalibrationTarget {
        let calm: PredictedTarget
        /// What every exchange takes, however small.
        let wait: Double

        func prepare(_ key: String, locals: [LocalProgram], sources: [String: ParameterSource]) async throws {
            try await calm.prepare(key, locals: locals, sources: sources)
        }

        func drop(_ key: String) { calm.drop(key) }

        func time(_ key: String) async throws -> [Double] {
            let locals = calm.programs.withLock { $0[key] ?? [] }
            return zip(try await calm.time(key), locals).map { $0 + wait * Double($1.exchanges.count) }
        }
    }

    /// 1 MiB takes 1 ms of this link, and the machine wastes 20 ms on any message: larger ones tell the bandwidth.
    @Test func aBusyLinkIsMeasuredWithLargerMessages() async throws {
        let truth = machines(2)
        let found = try await Calibration(
            target: BusyTarget(calm: PredictedTarget(profile: truth), wait: 20e-3), workers: truth.workers.map(\.name),
            threads: truth.workers.map(\.cores), effort: .quick
        ).run()
        #expect((0.8...1.25).contains(found[0, 1].bandwidth / truth[0, 1].bandwidth))
        #expect((0.8...1.25).contains(found[0, 1].latency / 20e-3))
    }

    @Test func measuresRealWorkers() async throws {
        let settings = ClusterSettings(
            name: "gauge", workers: (0..<2).map { .init(name: "g\($0)", threads: 1) }, silence: .seconds(30),
            coordinatorSilence: .seconds(30))
        let profile = try await withCluster(settings, launcher: InProcessLauncher(), logger: testLogger) { cluster in
            try await Calibration(target: cluster, workers: ["g0", "g1"], threads: [1, 1], effort: .quick).run()
        }
        #expect(profile.isMeasured)
        for worker in profile.workers {
            #expect(worker.matrixRate(.bf16, rows: 512, depth: 2048, columns: 2048) > 1e8)
            #expect(worker.matrixRates.contains { $0.precision == .int8 && $0.rows == 512 })
            #expect(worker.memoryBandwidth > 1e7)
            #expect(worker.instructionSeconds > 0)
        }
        #expect(profile[0, 1].latency > 0)
        #expect(profile[0, 1].bandwidth > 1e5)
        #expect(profile.text().contains("g0 -> g1"))
        #expect(try ProfileFile.decode(ProfileFile.encode(profile), path: "p") == profile)
    }
}
