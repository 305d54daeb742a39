import Coordinator
import Foundation
import Program
import Protocol
import Tensor
import Testing
import Worker

/// Traces of whole clusters, and what is written of them.
@Suite(.timeLimit(.minutes(10))) struct ClusterTraceTests {
    /// Runs a program of two devices three times while recording; also gives the outputs.
    private func traced(
        capacity: Int = 64, isTraced: Bool = true
    ) async throws -> (trace: ClusterTrace?, outputs: [[String: HostTensor]]) {
        try await withCluster(twoWorkers(), launcher: InProcessLauncher(), logger: testLogger) { cluster in
            if isTraced { try await cluster.startTrace(capacity: capacity) }
            try await cluster.install(
                "double", locals: [HandPrograms.double(0), HandPrograms.double(1)], sources: [:])
            var outputs: [[String: HostTensor]] = []
            for round in 1...3 {
                outputs.append(
                    try await cluster.run("double", request: UInt64(round), inputs: HandPrograms.input(Float(round))))
            }
            return (try await cluster.endTrace(), outputs)
        }
    }

    @Test func everyRankIsInTheTraceWithEveryInstruction() async throws {
        let trace = try #require(try await traced().trace)
        #expect(trace.workers == ["w0", "w1"])
        #expect(trace.calls.map(\.program) == ["double", "double", "double"])
        #expect(trace.lost == [0, 0])
        // Processes of one machine share the clock.
        #expect(trace.clockOffsets == [0, 0])
        for rank in 0..<2 {
            for call in trace.calls {
                let events = trace.events[rank].filter { $0.call == call.number }
                #expect(events.map(\.instruction) == [0, 1, 2, nil])
                for event in events { #expect(event.begin >= call.begin && event.end <= call.end) }
                for (event, next) in zip(events, events.dropFirst(1).prefix(2)) { #expect(event.end <= next.begin) }
                let whole = try #require(events.last)
                #expect(events.allSatisfy { $0.begin >= whole.begin && $0.end <= whole.end })
            }
            let spans = trace.exchanges(rank: rank)
            #expect(spans.count == 3)
            for span in spans {
                #expect(span.begin <= span.sent && span.sent <= span.finish && span.finish <= span.end)
                #expect(span.wait <= span.end - span.finish)
            }
        }
    }

    @Test func theSplitAddsUpToTheCalls() async throws {
        let trace = try #require(try await traced().trace)
        for split in trace.timeSplits() {
            #expect(split.compute > 0 && split.wait >= 0 && split.transfer >= 0 && split.other >= 0)
            #expect(abs(split.compute + split.wait + split.transfer + split.other - split.calls) < 1e-9)
            #expect(split.sentBytes == 3 * 16)
        }
        let one = trace.timeSplits { $0.request == 1 }
        #expect(one.allSatisfy { $0.sentBytes == 16 })
        var rest = trace
        rest.dropFirstRequest()
        #expect(rest.calls.map(\.request) == [2, 3])
        #expect(rest.timeSplits().allSatisfy { $0.sentBytes == 32 })
    }

    @Test func tracingChangesNoByte() async throws {
        let (trace, outputs) = try await traced()
        let (none, plain) = try await traced(isTraced: false)
        #expect(trace != nil && none == nil)
        #expect(outputs == plain)
    }

    @Test func eventsWithoutRoomAreCounted() async throws {
        // A call has three instructions and itself.
        let trace = try #require(try await traced(capacity: 3).trace)
        #expect(trace.lost == [3, 3])
        #expect(trace.events.map(\.count) == [9, 9])
        #expect(trace.events[0].prefix(3).map(\.instruction) == [1, 2, nil])
    }

    @Test func recordingEndsWithTheTrace() async throws {
        try await withCluster(twoWorkers(), launcher: InProcessLauncher(), logger: testLogger) { cluster in
            #expect(try await cluster.endTrace() == nil)
            try await cluster.startTrace()
            try await cluster.install(
                "double", locals: [HandPrograms.double(0), HandPrograms.double(1)], sources: [:])
            _ = try await cluster.run("double", request: 1, inputs: HandPrograms.input())
            #expect(try await cluster.endTrace()?.calls.count == 1)
            _ = try await cluster.run("double", request: 2, inputs: HandPrograms.input())
            try await cluster.startTrace()
            let second = try #require(try await cluster.endTrace())
            #expect(second.calls.isEmpty && second.events.allSatisfy(\.isEmpty))
        }
    }

    @Test func theTimelineParsesAndItsSlicesNest() async throws {
        let trace = try #require(try await traced().trace)
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(ChromeTrace(trace).json.utf8)) as? [String: Any])
        let events = try #require(document["traceEvents"] as? [[String: Any]])
        let processes = Set(events.compactMap { $0["pid"] as? Int })
        #expect(processes == [0, 1, 2])
        let names = events.filter { $0["name"] as? String == "process_name" }
            .compactMap { ($0["args"] as? [String: Any])?["name"] as? String }
        #expect(names == ["coordinator", "w0", "w1"])
        for process in [1, 2] {
            let slices = events.filter { $0["ph"] as? String == "X" && $0["pid"] as? Int == process }
            #expect(slices.count == 12)
            #expect(
                Set(slices.compactMap { $0["name"] as? String })
                    == ["double", "add", "allGather start", "allGather finish"])
            // Two slices of a thread lie inside each other or apart.
            let ranges = slices.map { slice -> (Int, Int) in
                let begin = Int((slice["ts"] as? Double ?? -1) * 1000 + 0.5)
                return (begin, begin + Int((slice["dur"] as? Double ?? -1) * 1000 + 0.5))
            }
            for (index, a) in ranges.enumerated() {
                for b in ranges[(index + 1)...] {
                    let isApart = a.1 <= b.0 || b.1 <= a.0
                    let isNested = (a.0 <= b.0 && b.1 <= a.1) || (b.0 <= a.0 && a.1 <= b.1)
                    #expect(isApart || isNested, "\(a) \(b)")
                }
            }
            let begun = events.filter { $0["ph"] as? String == "b" && $0["pid"] as? Int == process }
            let ended = events.filter { $0["ph"] as? String == "e" && $0["pid"] as? Int == process }
            #expect(begun.count == 3)
            #expect(begun.compactMap { $0["id"] as? String } == ended.compactMap { $0["id"] as? String })
            #expect(begun.allSatisfy { ($0["args"] as? [String: Any])?["sentBytes"] as? Int == 16 })
        }
    }

    @Test func namesAreQuoted() throws {
        var trace = ClusterTrace(workers: ["a \"b\"\\\n\u{1}ü"])
        trace.calls = [.init(number: 1, program: "p\tq", request: 1, step: 0, begin: 5, end: 2_000)]
        trace.events = [[TraceEvent(call: 1, instruction: nil, begin: 1_005, end: 1_999)]]
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(ChromeTrace(trace).json.utf8)) as? [String: Any])
        let events = try #require(document["traceEvents"] as? [[String: Any]])
        #expect(events.contains { ($0["args"] as? [String: Any])?["name"] as? String == "a \"b\"\\\n\u{1}ü" })
        let slice = try #require(events.first { $0["ph"] as? String == "X" })
        #expect(slice["name"] as? String == "p\tq")
        #expect(slice["ts"] as? Double == 1 && slice["dur"] as? Double == 0.994)
    }

    /// A worker whose clock is far ahead is put back; one that is not by as little as a message takes.
    @Test func clocksAreAligned() async throws {
        for ahead in [UInt64(0), 7_000_000_000_000] {
            let launcher = InProcessLauncher { settings in
                { assign, flag in
                    SkewedEngine(
                        try RuntimeEngine(assign: assign, settings: settings, abortFlag: flag),
                        ahead: assign.rank == 1 ? ahead : 0)
                }
            }
            let trace = try await withCluster(twoWorkers(), launcher: launcher, logger: testLogger) { cluster in
                try await cluster.startTrace()
                try await cluster.install(
                    "double", locals: [HandPrograms.double(0), HandPrograms.double(1)], sources: [:])
                _ = try await cluster.run("double", request: 1, inputs: HandPrograms.input())
                return try await cluster.endTrace()
            }
            let found = try #require(trace)
            #expect(found.clockOffsets[0] == 0)
            let call = try #require(found.calls.first)
            let slack: UInt64 = ahead == 0 ? 0 : 1_000_000_000
            for event in found.events[1] {
                #expect(event.begin + slack >= call.begin && event.end <= call.end + slack)
            }
            #expect(ahead == 0 ? found.clockOffsets[1] == 0 : found.clockOffsets[1] > 6_000_000_000_000)
        }
    }
}

/// An engine whose clock is ahead of the machine's.
private final class SkewedEngine: RankEngine {
    private let engine: RuntimeEngine
    private let ahead: UInt64
    var endpoint: String { engine.endpoint }

    init(_ engine: RuntimeEngine, ahead: UInt64) {
        self.engine = engine
        self.ahead = ahead
    }

    func connect(endpoints: [String], epoch: UInt32) throws { try engine.connect(endpoints: endpoints, epoch: epoch) }
    func install(_ order: Install, progress: (LoadProgress) -> Void) throws -> Installed {
        try engine.install(order, progress: progress)
    }
    func run(_ order: Run) throws -> RunResult { try engine.run(order) }
    func uninstall(_ programKey: String) { engine.uninstall(programKey) }
    func release(request: UInt64) { engine.release(request: request) }
    func trace(_ order: TraceOrder) -> TraceReport {
        var report = engine.trace(order)
        report.now += ahead
        for index in report.events.indices {
            report.events[index].begin += ahead
            report.events[index].end += ahead
        }
        return report
    }
}
