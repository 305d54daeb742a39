import Coordinator
import Program
import Protocol
import Tensor
import Testing

/// Programs come and go, and their weights with them.
@Suite(.timeLimit(.minutes(1))) struct UninstallTests {
    /// A program that gives generated weights as they are; device 0 tells the first.
    private func program(_ weights: [(name: String, count: Int)], device: Int) -> LocalProgram {
        var program = LocalProgram(name: "weights", device: device)
        for (index, (name, count)) in weights.enumerated() {
            let spec = ParameterSpec(
                name: name, part: "p", tensor: name, fileDims: [count], view: [count], permutation: [0])
            program.parameters.append(ParameterSlice(spec: spec, dtype: .f32, box: Box([0..<count])))
            program.buffers.append(
                LocalBuffer(dtype: .f32, dims: [Dim(count)], box: Box([0..<count]), storage: .parameter(index)))
            program.outputs.append(.init(name: name, buffer: index, isPrimary: device == 0 && index == 0))
        }
        return program
    }

    private let sources: [String: ParameterSource] = [
        "shared": .generated(seed: 1), "own": .generated(seed: 2), "other": .generated(seed: 3),
    ]

    private func install(_ key: String, _ weights: [(name: String, count: Int)], on cluster: Cluster) async throws {
        try await cluster.install(key, locals: [0, 1].map { program(weights, device: $0) }, sources: sources)
    }

    /// What the workers hold, as soon as their reports say less than `limit` bytes.
    private func held(below limit: Int, on cluster: Cluster) async -> [Int] {
        while true {
            let held = await cluster.status.workers.compactMap { $0.report?.heldByteCount }
            if held.count == 2, held.allSatisfy({ $0 > 0 && $0 < limit }) { return held }
            await Task.yield()
        }
    }

    @Test func weightsGoWithTheLastProgramThatReadsThem() async throws {
        let settings = twoWorkers { $0.heartbeat = .milliseconds(20) }
        try await withCluster(settings, launcher: InProcessLauncher(), logger: testLogger) { cluster in
            try await install("first", [("shared", 1024)], on: cluster)
            try await install("large", [("shared", 1024), ("own", 1 << 20)], on: cluster)
            try await install("last", [("shared", 1024), ("other", 2048)], on: cluster)
            let expected = try await cluster.run("last", request: 1, inputs: [:])
            #expect(await held(below: 5 << 20, on: cluster).allSatisfy { $0 >= 4 << 20 })
            await cluster.uninstall("large")
            await cluster.uninstall("first")
            await cluster.uninstall("unknown")
            #expect(await held(below: 1 << 20, on: cluster) == [12288, 12288])
            // What another one still reads has stayed.
            #expect(try await cluster.run("last", request: 1, inputs: [:]) == expected)
            let error = await failure { _ = try await cluster.run("large", request: 1, inputs: [:]) }
            #expect(error == .unknownProgram(key: "large"))
            try await install("large", [("own", 1 << 20)], on: cluster)
            #expect(try await cluster.run("large", request: 2, inputs: [:])["own"]?.dims == [1 << 20])
        }
    }

    @Test func aWorkerThatComesBackGetsOnlyWhatIsStillThere() async throws {
        let launcher = InProcessLauncher()
        let settings = twoWorkers {
            $0.heartbeat = .milliseconds(20)
            $0.restartLimit = 1
            $0.restartDelay = .zero
        }
        try await withCluster(settings, launcher: launcher, logger: testLogger) { cluster in
            try await install("large", [("own", 1 << 20)], on: cluster)
            try await install("small", [("other", 2048)], on: cluster)
            await cluster.uninstall("large")
            launcher.kill("w1")
            var outputs: [String: HostTensor]?
            while outputs == nil {
                do {
                    outputs = try await cluster.run("small", request: 1, inputs: [:])
                } catch ClusterError.interrupted {}
            }
            #expect(outputs?["other"]?.dims == [2048])
            #expect(await held(below: 1 << 20, on: cluster) == [8192, 8192])
        }
    }
}
