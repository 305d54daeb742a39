import Program
import SwiftProtobuf

extension WireTraceOrder {
    /// Encodes an order.
    init(_ order: TraceOrder) {
        self.init()
        number = order.number
        capacity = UInt32(clamping: order.capacity)
    }

    /// Decodes an order.
    func value() throws(ProtocolError) -> TraceOrder {
        TraceOrder(
            number: number,
            capacity: try Check.count(capacity, ProtocolLimits.traceEvents, "the number of events to keep"))
    }
}

extension WireTraceReport {
    /// Encodes a report, columns of numbers: an event is some ten bytes.
    init(_ report: TraceReport) {
        self.init()
        number = report.number
        now = report.now
        lost = UInt64(clamping: report.lost)
        calls = report.events.map(\.call)
        instructions = report.events.map { $0.instruction.map { UInt32(clamping: $0 + 1) } ?? 0 }
        // Small numbers are short: the distance from now instead of the time itself.
        ages = report.events.map { report.now &- $0.begin }
        durations = report.events.map(\.nanoseconds)
        heap = report.heap.map(WireHeapCount.init)
    }

    /// Decodes a report; no event begins before the clock did or ends after the report.
    func value() throws(ProtocolError) -> TraceReport {
        let count = try Check.entries(calls, ProtocolLimits.traceEvents, "recorded events").count
        guard instructions.count == count, ages.count == count, durations.count == count else {
            throw ProtocolError(.bounds, "the columns of a report of \(count) recorded events differ in length")
        }
        var events: [TraceEvent] = []
        events.reserveCapacity(count)
        for index in 0..<count {
            let position = try Check.count(
                instructions[index], ProtocolLimits.programEntries, "the instruction of a recorded event")
            guard ages[index] <= now, durations[index] <= ages[index] else {
                throw ProtocolError(.bounds, "a recorded event lies outside the time of its worker")
            }
            let begin = now - ages[index]
            events.append(
                TraceEvent(
                    call: calls[index], instruction: position == 0 ? nil : position - 1, begin: begin,
                    end: begin + durations[index]))
        }
        return TraceReport(
            number: number, now: now,
            lost: try Check.count(lost, ProtocolLimits.memoryBytes, "the count of lost events"), events: events,
            heap: try Check.entries(heap, ProtocolLimits.traceEvents, "counts of allocations").map(\.value))
    }
}

extension WireHeapCount {
    /// Encodes a count.
    init(_ count: HeapCount) {
        self.init()
        call = count.call
        step = count.step
        zeromq = count.zeroMQ
        references = count.references
        rest = count.rest
    }

    /// Decodes a count; every number is one.
    var value: HeapCount {
        HeapCount(call: call, step: step, zeroMQ: zeromq, references: references, rest: rest)
    }
}
