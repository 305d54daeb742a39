public import Coordinator
import Program
import Sharding

/// Figures of whole programs and pictures, from the trace of the calls that made them.
public struct ModelFigures: Sendable {
    private let trace: ClusterTrace
    private let subject: String
    private let threads: Int
    private let limit: BenchReport.Limit?
    private let isInteger: Bool

    /// Prepares figures.
    ///
    /// - Parameters:
    ///   - subject: model and layout.
    ///   - threads: of each worker.
    ///   - limit: operations a second of all threads together.
    ///   - isInteger: operations are on int8.
    public init(
        trace: ClusterTrace, subject: String, threads: Int, limit: BenchReport.Limit?, isInteger: Bool = false
    ) {
        self.trace = trace
        self.subject = subject
        self.threads = threads
        self.limit = limit
        self.isInteger = isInteger
    }

    /// Names of the programs that were called, in the order of their first calls.
    public var programs: [String] {
        var names: [String] = []
        for call in trace.calls { if let name = name(of: call), !names.contains(name) { names.append(name) } }
        return names
    }

    private func name(of call: ClusterTrace.Call) -> String? { trace.programs[call.program]?.first?.name }

    /// A call of one program, the slowest worker's time; where there were several, the first counts for nothing.
    public func program(_ name: String) throws(BenchError) -> BenchReport.Figure {
        var calls = trace.calls.filter { self.name(of: $0) == name }
        if calls.count > 1 { calls.removeFirst() }
        let numbers = Set(calls.map(\.number))
        var seconds: [UInt64: Double] = [:]
        for event in trace.events.joined() where event.instruction == nil && numbers.contains(event.call) {
            seconds[event.call] = max(seconds[event.call] ?? 0, Double(event.nanoseconds) * 1e-9)
        }
        guard let last = calls.last, let locals = trace.programs[last.program], !seconds.isEmpty else {
            throw .nothingRecorded(subject: "\(subject), \(name)")
        }
        let times = BenchReport.Seconds(Array(seconds.values))
        let operations = locals.reduce(0.0) { $0 + Double(CostModel.flops(of: $1)) }
        let ordered = calls.map { Double($0.end - $0.begin) * 1e-9 }.sorted()
        let weights = locals.map { CostModel.weightByteCount(of: [$0]) }.max() ?? 0
        let sent = locals.map { CostModel.sentByteCount(of: $0) }.max() ?? 0
        let figures = [
            "operations": operations, "weightBytesPerWorker": Double(weights),
            "weightBytesPerSecondPerWorker": Double(weights) / times.best, "sentBytesPerWorker": Double(sent),
            "coordinatorMedianSeconds": ordered[ordered.count / 2],
        ]
        return BenchReport.Figure(
            subject: "\(subject), \(name)", workers: trace.workers.count, threads: threads,
            value: operations / times.best, unit: isInteger ? "OP/s" : "FLOP/s", seconds: times, limit: limit,
            details: figures.merging(heap(calls: numbers)) { $1 },
            split: split(calls: numbers, wall: ordered.reduce(0, +), parts: Double(calls.count)))
    }

    /// What a call takes from the heap on the worker that takes most; empty where nobody counted.
    ///
    /// The middle one of the calls, because what is done for the first time (a queue that is full, a wait that is long)
    /// may allocate once; and the most that any call took.
    private func heap(calls: Set<UInt64>) -> [String: Double] {
        let counts = trace.heap.map { counts in counts.filter { calls.contains($0.call) } }.filter { !$0.isEmpty }
        guard !counts.isEmpty else { return [:] }
        func middle(_ number: (HeapCount) -> UInt64) -> Double {
            Double(counts.map { $0.map(number).sorted()[$0.count / 2] }.max() ?? 0)
        }
        return [
            "allocations": middle(\.step), "allocationsAtMost": Double(counts.joined().map(\.step).max() ?? 0),
            "allocationsOfZeroMQ": middle(\.zeroMQ), "allocationsAroundInstructions": middle(\.rest),
            "retainsAndReleases": middle(\.references),
        ]
    }

    /// A whole picture that took so many seconds from the order to its last byte, loading left out.
    public func picture(wall: [Double]) throws(BenchError) -> BenchReport.Figure {
        guard !trace.calls.isEmpty, !wall.isEmpty else { throw .nothingRecorded(subject: subject) }
        let times = BenchReport.Seconds(wall)
        var operations = 0.0
        for call in trace.calls {
            operations += (trace.programs[call.program] ?? []).reduce(0.0) { $0 + Double(CostModel.flops(of: $1)) }
        }
        operations /= Double(wall.count)
        return BenchReport.Figure(
            subject: "\(subject), picture", workers: trace.workers.count, threads: threads,
            value: operations / times.best, unit: isInteger ? "OP/s" : "FLOP/s", seconds: times, limit: limit,
            details: ["operations": operations, "calls": Double(trace.calls.count) / Double(wall.count)],
            split: split(calls: Set(trace.calls.map(\.number)), wall: wall.reduce(0, +), parts: Double(wall.count)))
    }

    /// Each worker's time over some calls, divided by the number of steps or pictures that they made.
    private func split(calls: Set<UInt64>, wall: Double, parts: Double) -> [BenchReport.Split] {
        trace.timeSplits { calls.contains($0.number) }.enumerated().map { rank, split in
            BenchReport.Split(
                worker: trace.workers[rank], compute: split.compute / parts, wait: split.wait / parts,
                transfer: split.transfer / parts, other: split.other / parts,
                idle: max(0, wall - split.calls) / parts, sentBytes: Int(Double(split.sentBytes) / parts))
        }
    }

    /// What the trace leaves out, for the report's notes.
    public var notes: [String] {
        trace.workers.indices.filter { trace.lost[$0] > 0 }.map {
            "\(trace.workers[$0]) recorded \(trace.lost[$0]) events more than it keeps; splits are too small"
        }
    }
}
