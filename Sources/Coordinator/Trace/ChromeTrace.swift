import Models
import Program
import Sharding

/// Writes a trace in the JSON format of Chrome's tracing page, which Perfetto reads, too ("Trace Event Format").
///
/// Every worker is a process with one thread: its calls, and inside them its instructions. Exchanges are asynchronous
/// slices beside it, from the first byte packed to the last one combined. The coordinator is a process of its own with
/// the calls as it saw them. Times are microseconds since the first event.
public struct ChromeTrace: Sendable {
    private let trace: ClusterTrace
    private let calls: [UInt64: ClusterTrace.Call]
    private let origin: UInt64

    /// Prepares a trace for writing.
    public init(_ trace: ClusterTrace) {
        self.trace = trace
        calls = Dictionary(trace.calls.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
        origin = (trace.calls.map(\.begin) + trace.events.flatMap { $0.map(\.begin) }).min() ?? 0
    }

    /// The document.
    public var json: String {
        var lines = metadata
        lines += trace.calls.sorted { $0.begin < $1.begin }.enumerated().flatMap { callLines($0.element, $0.offset) }
        for rank in trace.workers.indices {
            for event in trace.events[rank] { lines.append(line(event, rank: rank)) }
            for span in trace.exchanges(rank: rank) { lines += exchangeLines(span, rank: rank) }
        }
        let lost = trace.lost.map(String.init).joined(separator: ",")
        let offsets = trace.clockOffsets.map(String.init).joined(separator: ",")
        return "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"lostEvents\":[\(lost)],"
            + "\"clockOffsetNanoseconds\":[\(offsets)]},\"traceEvents\":[\n" + lines.joined(separator: ",\n") + "\n]}\n"
    }

    /// Process of a worker; 0 is the coordinator.
    private static func process(_ rank: Int) -> Int { rank + 1 }

    private var metadata: [String] {
        let names =
            [(0, "coordinator", "calls")]
            + trace.workers.enumerated().map { (Self.process($0.offset), $0.element, "rank \($0.offset)") }
        return names.flatMap { process, name, thread in
            let quoted = Self.quoted(name)
            return [
                "{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":\(process),\"args\":{\"name\":\(quoted)}}",
                "{\"ph\":\"M\",\"name\":\"process_sort_index\",\"pid\":\(process),\"args\":{\"sort_index\":\(process)}}",
                "{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":\(process),\"tid\":0,"
                    + "\"args\":{\"name\":\(Self.quoted(thread))}}",
            ]
        }
    }

    /// A call on the coordinator's track; calls of several requests overlap, so they are asynchronous slices.
    private func callLines(_ call: ClusterTrace.Call, _ index: Int) -> [String] {
        let common = "\"cat\":\"call\",\"id\":\(index),\"pid\":0,\"tid\":0,\"name\":\(Self.quoted(name(of: call)))"
        let details = "\"args\":{\"request\":\(call.request),\"step\":\(call.step)}"
        return [
            "{\"ph\":\"b\",\"ts\":\(time(call.begin)),\(common),\(details)}",
            "{\"ph\":\"e\",\"ts\":\(time(call.end)),\(common)}",
        ]
    }

    private func name(of call: ClusterTrace.Call) -> String {
        trace.programs[call.program]?.first?.name ?? call.program
    }

    private func line(_ event: TraceEvent, rank: Int) -> String {
        let call = calls[event.call]
        let local = call.flatMap { trace.local(of: $0, rank: rank) }
        let (name, kind, details): (String, String, String)
        switch trace.instruction(of: event, in: local) {
        case .compute(let compute)?:
            let flops = local.map { CostModel.flops(of: compute, in: $0) } ?? 0
            (name, kind) = (compute.opcode.rawValue, "compute")
            details = "\"layer\":\(Self.quoted(compute.scope)),\"flops\":\(flops)"
        case .exchangeStart(let index)?:
            (name, kind) = ("\(word(local, index)) start", "exchange")
            details = self.details(local, index)
        case .exchangeFinish(let index)?:
            (name, kind) = ("\(word(local, index)) finish", "exchange")
            details = self.details(local, index)
        case nil:
            let isCall = event.instruction == nil
            (name, kind) = (isCall ? call.map(self.name(of:)) ?? "call" : "instruction", isCall ? "call" : "compute")
            details = "\"call\":\(event.call),\"step\":\(call?.step ?? 0)"
        }
        let position = event.instruction.map { "\"instruction\":\($0)," } ?? ""
        return "{\"ph\":\"X\",\"ts\":\(time(event.begin)),\"dur\":\(Self.micros(event.nanoseconds)),"
            + "\"pid\":\(Self.process(rank)),\"tid\":0,\"cat\":\"\(kind)\",\"name\":\(Self.quoted(name)),"
            + "\"args\":{\(position)\(details)}}"
    }

    private func exchangeLines(_ span: ClusterTrace.ExchangeSpan, rank: Int) -> [String] {
        let local = calls[span.call].flatMap { trace.local(of: $0, rank: rank) }
        let common =
            "\"cat\":\"exchange\",\"id\":\"\(rank).\(span.call).\(span.exchange)\",\"pid\":\(Self.process(rank)),"
            + "\"tid\":0,\"name\":\(Self.quoted(word(local, span.exchange)))"
        return [
            "{\"ph\":\"b\",\"ts\":\(time(span.begin)),\(common),\"args\":{\(details(local, span.exchange)),"
                + "\"waitMicroseconds\":\(Self.micros(span.wait))}}",
            "{\"ph\":\"e\",\"ts\":\(time(span.end)),\(common)}",
        ]
    }

    private func word(_ local: LocalProgram?, _ index: Int) -> String {
        guard let local, local.exchanges.indices.contains(index) else { return "exchange" }
        return local.exchanges[index].kind.rawValue
    }

    private func details(_ local: LocalProgram?, _ index: Int) -> String {
        guard let local, local.exchanges.indices.contains(index) else { return "\"exchange\":\(index)" }
        let traced = TracedExchange(index, in: local)
        return "\"layer\":\(Self.quoted(local.exchanges[index].scope)),\"sentBytes\":\(traced.sentBytes),"
            + "\"receivedBytes\":\(traced.receivedBytes),"
            + "\"axes\":\(Self.quoted(local.exchanges[index].axes.joined(separator: " ")))"
    }

    private func time(_ moment: UInt64) -> String { Self.micros(moment > origin ? moment - origin : 0) }

    /// Microseconds with three digits after the point, exactly.
    private static func micros(_ nanoseconds: UInt64) -> String {
        let rest = String(nanoseconds % 1000)
        return "\(nanoseconds / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
    }

    private static func quoted(_ text: String) -> String { JSONValue.string(text).compact }
}
