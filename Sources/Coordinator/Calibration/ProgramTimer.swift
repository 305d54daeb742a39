public import Program
public import Sharding

/// Times programs on the devices of a target: what calibration and benchmarks rest on.
///
/// Seconds are those of the worker's own clock, without the way to it and back. The first call warms caches and links and
/// counts for nothing.
public struct ProgramTimer: Sendable {
    /// Where programs run.
    public let target: any CalibrationTarget
    /// Its devices.
    public let deviceCount: Int
    /// Calls that count.
    public let callCount: Int

    /// Makes a timer.
    public init(target: any CalibrationTarget, deviceCount: Int, callCount: Int) {
        precondition(deviceCount >= 1 && callCount >= 1, "there is something to time")
        self.target = target
        self.deviceCount = deviceCount
        self.callCount = callCount
    }

    /// Compiles a program so that every device runs all of it, installs it under this key, times it, and takes it
    /// off again.
    ///
    /// Weights are generated. Throws `ShardingError`, and what the target throws.
    public func times(_ key: String, _ program: Program) async throws -> CallTimes {
        let mesh = deviceCount == 1 ? Mesh.single : Mesh([Mesh.Axis("workers", deviceCount)])
        let compiled = try Compiler.compile(program, mesh: mesh, rules: LogicalAxisRules([:]))
        return try await times(key, compiled, of: program)
    }

    /// Installs what was compiled of a program, times it, and takes it off again.
    public func times(_ key: String, _ compiled: CompiledProgram, of program: Program) async throws -> CallTimes {
        try await target.prepare(
            key, locals: compiled.locals, sources: program.parameters.mapValues { _ in .generated(seed: 1) })
        let times = try await times(key)
        await target.drop(key)
        return times
    }

    /// Times an installed program.
    public func times(_ key: String) async throws -> CallTimes {
        _ = try await target.time(key)
        var calls: [[Double]] = []
        for _ in 0..<callCount { calls.append(try await target.time(key)) }
        return CallTimes(calls: calls)
    }
}

/// Seconds of several calls of one program on every device.
public struct CallTimes: Sendable, Hashable {
    /// By call, then by rank.
    public var calls: [[Double]]

    /// Wraps seconds by call, then by rank.
    public init(calls: [[Double]]) { self.calls = calls }

    /// The least seconds of each rank.
    public var best: [Double] {
        guard var result = calls.first else { return [] }
        for call in calls.dropFirst() { for rank in result.indices { result[rank] = min(result[rank], call[rank]) } }
        return result
    }

    /// The slowest device's seconds of each call, ascending.
    public var slowest: [Double] { calls.compactMap { $0.max() }.sorted() }
}
